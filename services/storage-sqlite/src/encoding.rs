//! The encodings of item rows and log records, as they are sealed.

use beringia_item::Transaction;
use beringia_storage::backend::{Damaged, ItemRow, LogRecord, MergedRow, RecordFlags, RecordHead};

/// Encodes a row, except for its position. All rows have the same length, so one can be overwritten
/// in place.
pub(crate) fn encode_item(row: &ItemRow) -> [u8; 42] {
    let mut out = [0; 42];
    out[..8].copy_from_slice(&row.time.to_be_bytes());
    out[8..10].copy_from_slice(&row.origin.to_be_bytes());
    out[10..18].copy_from_slice(&row.sequence.to_be_bytes());
    out[18..26].copy_from_slice(&row.size.to_be_bytes());
    out[26..34].copy_from_slice(&row.state.to_be_bytes());
    out[34..].copy_from_slice(&row.content.to_be_bytes());
    out
}

/// Decodes what [`encode_item`] returned for the row that points to this position.
pub(crate) fn decode_item(bytes: &[u8], position: u64) -> Result<ItemRow, Damaged> {
    let mut fields = Fields(bytes);
    Ok(ItemRow {
        position,
        time: fields.u64()?,
        origin: fields.u16()?,
        sequence: fields.u64()?,
        size: fields.u64()?,
        state: fields.u64()?,
        content: fields.u64()?,
    })
}

/// The parts of a record other than its images.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) head: RecordHead,
    pub(crate) key: &'a [u8],
    pub(crate) context: &'a [u8],
    pub(crate) metadata: Option<&'a [u8]>,
    pub(crate) merged: Option<&'a [u8]>,
}

/// Encodes the parts of a record other than its position and its images.
pub(crate) fn encode_record(record: &LogRecord) -> Vec<u8> {
    let head = &record.head;
    let merged = record.merged.as_ref().map(MergedRow::encode);
    let optional = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let variable =
        record.key.0.len() + record.context.len() + optional(record.metadata.as_deref()) + optional(merged.as_deref());
    let mut out = Vec::with_capacity(80 + variable);
    out.extend_from_slice(&head.table.to_be_bytes());
    out.extend_from_slice(&head.origin.to_be_bytes());
    out.extend_from_slice(&head.sequence.to_be_bytes());
    out.extend_from_slice(&head.time.to_be_bytes());
    out.push(head.flags.bits());
    out.extend_from_slice(&head.transaction.first.to_be_bytes());
    out.extend_from_slice(&head.transaction.last.to_be_bytes());
    // The log begins at position 1.
    out.extend_from_slice(&head.previous.unwrap_or_default().to_be_bytes());
    out.extend_from_slice(&head.replaced.to_be_bytes());
    put_bytes(&mut out, Some(&record.key.0));
    put_bytes(&mut out, Some(&record.context));
    put_bytes(&mut out, record.metadata.as_deref());
    put_bytes(&mut out, merged.as_deref());
    out
}

/// Decodes what [`encode_record`] returned for the record at this position.
pub(crate) fn decode_record(bytes: &[u8], position: u64) -> Result<Parts<'_>, Damaged> {
    let mut fields = Fields(bytes);
    let (table, origin) = (fields.u32()?, fields.u16()?);
    let (sequence, time) = (fields.u64()?, fields.u64()?);
    let flags = RecordFlags::from_bits(fields.u8()?);
    let transaction = Transaction {
        first: fields.u64()?,
        last: fields.u64()?,
    };
    let previous = Some(fields.u64()?).filter(|previous| *previous != 0);
    let replaced = fields.u128()?;
    Ok(Parts {
        head: RecordHead {
            position,
            table,
            origin,
            sequence,
            time,
            flags,
            transaction,
            previous,
            replaced,
        },
        key: fields.bytes()?.ok_or(Damaged)?,
        context: fields.bytes()?.ok_or(Damaged)?,
        metadata: fields.bytes()?,
        merged: fields.bytes()?,
    })
}

/// The length that stands for `None`.
const NONE: u32 = u32::MAX;

/// Appends the length of the bytes, then the bytes.
fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    // Keys, contexts and metadata are far smaller than 4 GiB.
    let len = bytes.map_or(NONE, |bytes| u32::try_from(bytes.len()).unwrap_or(NONE));
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// Reads fields from the front of a value.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u8(&mut self) -> Result<u8, Damaged> {
        self.take().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Damaged> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Damaged> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damaged> {
        self.take().map(u64::from_be_bytes)
    }

    fn u128(&mut self) -> Result<u128, Damaged> {
        self.take().map(u128::from_be_bytes)
    }

    /// Reads what [`put_bytes`] wrote.
    fn bytes(&mut self) -> Result<Option<&'a [u8]>, Damaged> {
        let len = self.u32()?;
        if len == NONE {
            return Ok(None);
        }
        let len = usize::try_from(len).map_err(|_| Damaged)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Damaged)?;
        self.0 = rest;
        Ok(Some(bytes))
    }
}
