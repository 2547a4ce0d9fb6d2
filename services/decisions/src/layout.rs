//! The encoding of keys, causal contexts and digests in rows.
//!
//! An image is stored once, in the log. An item's row contains only the current version and the
//! position of its record in the log; an index entry is only a key. Origins, tables and indexes are
//! small numbers in all rows.

use std::ops::RangeInclusive;

use beringia_item::{KeyBytes, Origin, RANGES, RowFingerprint, VersionVector};
use beringia_storage::{
    StoreError,
    backend::{ItemRow, KeyRange, OriginNumber, TableNumber},
};
use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

/// The origins, indexed by their numbers.
pub type OriginNames = Vec<Origin>;

/// The number of bytes of a table's or index's number before a stored key.
const NUMBER_BYTES: usize = 4;

/// The first number of user tables; 1 and 2 are the two tables of definitions.
pub const FIRST_TABLE: TableNumber = 16;

/// The key of an item's row or of an index entry: `number`, then `key`.
#[must_use]
pub fn row_key(number: u32, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(NUMBER_BYTES + key.len());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(key);
    out
}

/// The stored key in a key that [`row_key`] made.
#[must_use]
pub fn stored_key(row_key: &[u8]) -> KeyBytes {
    KeyBytes(Bytes::copy_from_slice(row_key.get(NUMBER_BYTES..).unwrap_or_default()))
}

/// The number of the table or index in a key that [`row_key`] made; 0 for another kind of key.
pub(crate) fn number_of_row(row_key: &[u8]) -> u32 {
    let number = row_key.first_chunk::<NUMBER_BYTES>();
    number.map_or(0, |number| u32::from_be_bytes(*number))
}

/// The range of all row keys of a table or index.
#[must_use]
pub fn all_keys(number: u32) -> KeyRange {
    KeyRange::new(row_key(number, &[]), row_key(number + 1, &[]))
}

/// The row keys of a table or index in consecutive ranges.
#[must_use]
pub fn range_keys(number: u32, ranges: RangeInclusive<u16>) -> KeyRange {
    let bound = |range: u16| match u8::try_from(range) {
        Ok(first) => row_key(number, &[first]),
        Err(_) => row_key(number + 1, &[]),
    };
    KeyRange::new(bound(*ranges.start()), bound(*ranges.end() + 1))
}

/// The least key above `key`: that key followed by a zero byte.
#[must_use]
pub fn above(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// The key of a row in a numbered keyspace.
#[must_use]
pub fn number_key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// The number in a key that [`number_key`] made.
///
/// # Errors
/// [`StoreError::Unreadable`] if it is another kind of key.
pub fn number_of(key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key.try_into();
    bytes
        .map(u64::from_be_bytes)
        .map_err(|_| StoreError::damaged("a row has an invalid key"))
}

/// Encodes sequences by origin number, ten bytes each.
#[must_use]
pub fn encode_context(entries: impl Iterator<Item = (OriginNumber, u64)>) -> Bytes {
    let mut out = Vec::with_capacity(entries.size_hint().0 * 10);
    for (region, sequence) in entries {
        out.extend_from_slice(&region.to_be_bytes());
        out.extend_from_slice(&sequence.to_be_bytes());
    }
    out.into()
}

/// Decodes what [`encode_context`] wrote.
///
/// # Errors
/// [`StoreError::Unreadable`] if there are too few bytes.
pub fn decode_context(bytes: &[u8]) -> Result<Vec<(OriginNumber, u64)>, StoreError> {
    let mut fields = Fields(bytes);
    let mut entries = Vec::with_capacity(bytes.len() / 10);
    while !fields.is_empty() {
        entries.push((fields.u16()?, fields.u64()?));
    }
    Ok(entries)
}

/// Decodes a causal context and names its origins.
///
/// # Errors
/// [`StoreError::Unreadable`] if it is damaged, or contains an origin that is not in `names`.
pub fn named_context(context: &[u8], names: &OriginNames) -> Result<VersionVector, StoreError> {
    named(decode_context(context)?, names)
}

/// Names the origins of decoded entries; an origin may have several.
pub(crate) fn named(entries: Vec<(OriginNumber, u64)>, names: &OriginNames) -> Result<VersionVector, StoreError> {
    entries
        .into_iter()
        .map(|(region, sequence)| {
            let name = names.get(usize::from(region)).cloned();
            name.map(|name| (name, sequence))
                .ok_or_else(|| StoreError::damaged("a record names an unknown origin"))
        })
        .collect()
}

/// Reads fields from the front of a row.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (field, rest) = self.0.split_first_chunk().ok_or_else(Self::too_short)?;
        self.0 = rest;
        Ok(*field)
    }

    fn too_short() -> StoreError {
        StoreError::damaged("a row is too short")
    }

    pub(crate) fn u8(&mut self) -> Result<u8, StoreError> {
        Ok(u8::from_be_bytes(self.take()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, StoreError> {
        Ok(u16::from_be_bytes(self.take()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, StoreError> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, StoreError> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    pub(crate) fn u128(&mut self) -> Result<u128, StoreError> {
        Ok(u128::from_be_bytes(self.take()?))
    }

    /// Reads bytes that [`put_bytes`] wrote.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let len = usize::try_from(self.u32()?).map_err(|_| Self::too_short())?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or_else(Self::too_short)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Reads bytes that [`put_optional`] wrote.
    pub(crate) fn optional(&mut self) -> Result<Option<&'a [u8]>, StoreError> {
        Ok(match self.u8()? {
            0 => None,
            _ => Some(self.bytes()?),
        })
    }
}

/// Appends the length of `bytes`, then the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Rows are far smaller than 4 GiB.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a flag that says whether there are bytes, then the bytes.
pub(crate) fn put_optional(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    out.push(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put_bytes(out, bytes);
    }
}

/// The hash of key and row fingerprint that a live item adds to its range's digest. It is the same
/// in every region.
#[must_use]
pub fn item_hash(key: &[u8], fingerprint: &RowFingerprint) -> u128 {
    let RowFingerprint {
        version,
        state,
        content,
    } = fingerprint;
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(&version.time.as_u64().to_be_bytes());
    hasher.update(&version.sequence.to_be_bytes());
    hasher.update(version.origin.region().as_str().as_bytes());
    if version.origin.shard() != 0 {
        // No name contains a slash, so name and shard cannot be mistaken for another name.
        hasher.update(b"/");
        hasher.update(&version.origin.shard().to_be_bytes());
    }
    hasher.update(&state.to_be_bytes());
    hasher.update(&content.to_be_bytes());
    hasher.digest128()
}

/// The hash that a row adds to its range's digest: that of its item ([`item_hash`]), or 0 for a
/// tombstone.
///
/// # Errors
/// [`StoreError::Unreadable`] if `names` does not contain the origin.
pub(crate) fn row_hash(key: &[u8], row: &ItemRow, names: &OriginNames) -> Result<u128, StoreError> {
    if row.is_live() {
        Ok(item_hash(key, &row.fingerprint(names)?))
    } else {
        Ok(0)
    }
}

/// The number of ranges whose digests share a row: a compromise between small commits, which touch
/// few ranges, and large ones, which touch all.
pub(crate) const RANGES_PER_PART: usize = 16;
/// The number of such rows per table.
pub(crate) const PARTS: usize = RANGES as usize / RANGES_PER_PART;

/// The number of pending digests that a table's row can contain, so that a small commit writes one
/// row less.
pub(crate) const PENDING_RANGES_MAX: usize = 32;

/// The key of a row of digests.
pub(crate) fn digest_key(table: TableNumber, part: usize) -> Vec<u8> {
    number_key(u64::from(table) * PARTS as u64 + part as u64)
}

/// The keys of a table's rows of digests.
#[must_use]
pub(crate) fn digest_keys(table: TableNumber) -> KeyRange {
    KeyRange::new(digest_key(table, 0), digest_key(table + 1, 0))
}

/// A range's digest as it is stored, with the size of its items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RangeSum {
    /// The sum (mod 2^128) of the hashes of the live items ([`item_hash`]).
    pub sum: u128,
    /// The number of live items.
    pub items: u64,
    /// The size of the live items in bytes, as DynamoDB counts them.
    pub bytes: u64,
}

impl RangeSum {
    /// The length of what [`RangeSum::encode`] returns.
    pub(crate) const BYTES: usize = 32;

    /// Adds an item's hash and size.
    pub(crate) const fn add(&mut self, hash: u128, size: u64) {
        self.sum = self.sum.wrapping_add(hash);
        self.items = self.items.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(size);
    }

    /// Subtracts an item's hash and size.
    pub(crate) const fn remove(&mut self, hash: u128, size: u64) {
        self.sum = self.sum.wrapping_sub(hash);
        self.items = self.items.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(size);
    }

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..16].copy_from_slice(&self.sum.to_be_bytes());
        out[16..24].copy_from_slice(&self.items.to_be_bytes());
        out[24..].copy_from_slice(&self.bytes.to_be_bytes());
        out
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            sum: fields.u128()?,
            items: fields.u64()?,
            bytes: fields.u64()?,
        })
    }
}
