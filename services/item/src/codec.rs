//! The compact binary form of an item.
//!
//! The first byte is the format version. The attributes follow: their count, then each name and
//! value, in the order of the names. A value is a tag byte and its contents. Counts and lengths are
//! LEB128 variable-length integers. A number is a varint of its exponent and sign, then a varint of
//! its coefficient, so a small integer takes three bytes with its tag. Each item has exactly one
//! encoding, and decoding accepts no other: damage is detected rather than interpreted, and encoded
//! items may be compared as bytes.

mod measure;
mod reader;
mod writer;

use bytes::Bytes;

pub(crate) use self::{
    reader::Reader,
    writer::{write_bytes, write_value, write_varint},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{Item, value_size};

/// The format version that is written.
const VERSION: u8 = 1;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const STRING: u8 = 3;
const NUMBER: u8 = 4;
const BYTES: u8 = 5;
const LIST: u8 = 6;
const MAP: u8 = 7;
const STRING_SET: u8 = 8;
const NUMBER_SET: u8 = 9;
const BYTES_SET: u8 = 10;

/// Bytes that are not an encoded item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored item is damaged at byte {offset}: {what}")]
pub struct CodecError {
    /// The byte offset at which the problem was detected.
    pub offset: usize,
    /// The problem, as a short phrase.
    pub what: &'static str,
}

/// Encodes an item. Equal items give equal bytes; the first byte is the format version.
///
/// Every item within DynamoDB's limits can be decoded again. An item deeper than
/// [`crate::MAX_DEPTH`] cannot: check [`crate::item_depth`] first.
#[must_use]
pub fn encode_item(item: &Item) -> Bytes {
    let mut out = Vec::with_capacity(1 + writer::guess_len(item));
    out.push(VERSION);
    writer::write_item(item, &mut out);
    out.into()
}

/// A hash of an encoded item, equal in all regions that hold the item; 0 for a deleted one.
#[must_use]
pub fn content_hash(image: Option<&[u8]>) -> u64 {
    image.map_or(0, |image| xxh3_64(image).max(1))
}

/// Decodes an item. Never panics and never recurses deeper than [`crate::MAX_DEPTH`], regardless of
/// the bytes.
///
/// # Errors
/// [`CodecError`] if the bytes are not exactly what [`encode_item`] returns for some item.
pub fn decode_item(bytes: &[u8]) -> Result<Item, CodecError> {
    Reader::new(bytes).whole(|reader| reader.item(1))
}

/// The size of an encoded item as DynamoDB counts it ([`crate::item_size`]), without decoding the
/// item.
///
/// # Errors
/// [`CodecError`] where [`decode_item`] returns one.
pub fn encoded_item_size(bytes: &[u8]) -> Result<usize, CodecError> {
    encoded_attributes(bytes, |_| false).map(|(size, _)| size)
}

/// The size of an encoded item, as [`encoded_item_size`] returns it, with those of its attributes
/// whose names are wanted. The others are not decoded.
///
/// # Errors
/// [`CodecError`] where [`decode_item`] returns one.
pub fn encoded_attributes(bytes: &[u8], is_wanted: impl Fn(&str) -> bool) -> Result<(usize, Item), CodecError> {
    let mut wanted = Item::new();
    let measured = Reader::new(bytes).whole(|reader| {
        measure::attributes(reader, |reader, name| {
            if !is_wanted(name) {
                return measure::value(reader, 1);
            }
            let value = reader.value(1)?;
            let size = value_size(&value);
            wanted.insert(name.to_owned(), value);
            Ok(size)
        })
    });
    measured.map(|(_, size)| (size, wanted))
}
