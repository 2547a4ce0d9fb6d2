//! The conflict journal: each pair of concurrent writes once, with both images and what was lost.
//! The journal stores both images itself, since the log is trimmed.

use beringia_item::{KeyBytes, TableId, decode_item};
use beringia_storage::{
    Conflict, ConflictRule, ConflictSide, StoreError,
    backend::{KeyRange, Keyspace, OriginNumber, TableNumber, WriteSet},
};
use bytes::Bytes;

use crate::layout::{Fields, OriginNames, number_key, number_of, put_bytes, put_optional};

/// One of two concurrent writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) time: u64,
    pub(crate) origin: OriginNumber,
    pub(crate) sequence: u64,
    /// The encoded item; `None` for a delete.
    pub(crate) image: Option<&'a [u8]>,
}

/// The number of bytes after the item's key in a key of [`Keyspace::ConflictKeys`].
const SIDES_BYTES: usize = 20;

/// The key of [`Keyspace::ConflictKeys`]: journal, item, and the two writes.
pub(crate) fn conflict_key(journal: TableNumber, key: &KeyBytes, winner: &Side<'_>, loser: &Side<'_>) -> Vec<u8> {
    let mut out = item_prefix(journal, key);
    for side in [winner, loser] {
        out.extend_from_slice(&side.origin.to_be_bytes());
        out.extend_from_slice(&side.sequence.to_be_bytes());
    }
    out
}

fn item_prefix(journal: TableNumber, key: &KeyBytes) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + key.0.len() + SIDES_BYTES);
    out.extend_from_slice(&journal.to_be_bytes());
    out.extend_from_slice(&key.0);
    out
}

/// The keys of [`Keyspace::ConflictKeys`] of one journal.
#[must_use]
pub(crate) fn keys_of_journal(journal: TableNumber) -> KeyRange {
    KeyRange::new(journal.to_be_bytes().to_vec(), (journal + 1).to_be_bytes().to_vec())
}

/// The keys of [`Keyspace::ConflictKeys`] of one item. Stored keys delimit themselves, so no key of
/// another item is among them.
#[must_use]
pub fn keys_of_item(journal: TableNumber, key: &KeyBytes) -> KeyRange {
    let from = item_prefix(journal, key);
    let mut to = from.clone();
    to.extend_from_slice(&[0xFF; SIDES_BYTES + 1]);
    KeyRange::new(from, to)
}

/// The number of a conflict, from a row of [`Keyspace::ConflictKeys`].
///
/// # Errors
/// [`StoreError::Unreadable`] if the row is damaged.
pub fn conflict_number(row: &[u8]) -> Result<u64, StoreError> {
    number_of(row)
}

/// Writes a conflict in which the loser lost these attributes, or the whole item if there are none.
pub(crate) fn write(
    number: u64,
    (journal, key): (TableNumber, &KeyBytes),
    (winner, loser): (&Side<'_>, &Side<'_>),
    attributes: &[String],
    seen_ms: u64,
    writes: &mut WriteSet,
) {
    let mut row = Vec::new();
    row.extend_from_slice(&journal.to_be_bytes());
    row.extend_from_slice(&seen_ms.to_be_bytes());
    put_bytes(&mut row, &key.0);
    encode_side(&mut row, winner);
    encode_side(&mut row, loser);
    for name in attributes {
        put_bytes(&mut row, name.as_bytes());
    }
    let conflict = conflict_key(journal, key, winner, loser);
    writes
        .rows
        .insert((Keyspace::ConflictKeys, conflict), Some(number_key(number)));
    writes.rows.insert((Keyspace::Conflicts, number_key(number)), Some(row));
}

/// The journal that a row of [`Keyspace::Conflicts`] belongs to.
///
/// # Errors
/// [`StoreError::Unreadable`] if the row is damaged.
pub fn journal_of(row: &[u8]) -> Result<TableNumber, StoreError> {
    Fields(row).u32()
}

/// When the region recorded a conflict, in ms, from a row of [`Keyspace::Conflicts`].
///
/// # Errors
/// [`StoreError::Unreadable`] if the row is damaged.
pub fn seen_ms_of(row: &[u8]) -> Result<u64, StoreError> {
    let mut fields = Fields(row);
    fields.u32()?;
    fields.u64()
}

/// The key of [`Keyspace::ConflictKeys`] for a row of [`Keyspace::Conflicts`].
pub(crate) fn conflict_key_of(row: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut fields = Fields(row);
    let journal = fields.u32()?;
    fields.u64()?;
    let key = KeyBytes(Bytes::copy_from_slice(fields.bytes()?));
    let (winner, loser) = (take_side(&mut fields)?, take_side(&mut fields)?);
    Ok(conflict_key(journal, &key, &winner, &loser))
}

/// Reads a row of [`Keyspace::Conflicts`] in the journal of `table`.
///
/// # Errors
/// [`StoreError::Unreadable`] if the row is damaged.
pub fn read(number: u64, row: &[u8], table: TableId, names: &OriginNames) -> Result<Conflict, StoreError> {
    let mut fields = Fields(row);
    let _journal = fields.u32()?;
    let seen_ms = fields.u64()?;
    let key = KeyBytes(Bytes::copy_from_slice(fields.bytes()?));
    let winner = decode_side(&mut fields, names)?;
    let loser = decode_side(&mut fields, names)?;
    let mut attributes = Vec::new();
    while !fields.is_empty() {
        let name = std::str::from_utf8(fields.bytes()?).map_err(|error| StoreError::damaged(&error.to_string()))?;
        attributes.push(name.to_owned());
    }
    Ok(Conflict {
        id: number,
        table,
        key,
        rule: ConflictRule::between(&winner.version, &loser.version),
        winner,
        loser,
        attributes,
        seen_ms,
    })
}

pub(crate) fn encode_side(row: &mut Vec<u8>, side: &Side<'_>) {
    row.extend_from_slice(&side.time.to_be_bytes());
    row.extend_from_slice(&side.origin.to_be_bytes());
    row.extend_from_slice(&side.sequence.to_be_bytes());
    put_optional(row, side.image);
}

/// Reads what [`encode_side`] wrote.
fn take_side<'a>(fields: &mut Fields<'a>) -> Result<Side<'a>, StoreError> {
    Ok(Side {
        time: fields.u64()?,
        origin: fields.u16()?,
        sequence: fields.u64()?,
        image: fields.optional()?,
    })
}

pub(crate) fn decode_side(fields: &mut Fields<'_>, names: &OriginNames) -> Result<ConflictSide, StoreError> {
    let side = take_side(fields)?;
    let image = side.image.map(decode_item).transpose();
    let image = image.map_err(|error| StoreError::damaged(&error.to_string()))?;
    Ok(ConflictSide {
        version: beringia_storage::backend::version(names, side.time, side.origin, side.sequence)?,
        image,
    })
}
