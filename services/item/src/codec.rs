//! The compact binary form of an item.
//!
//! The first byte is the version of the form. Then come the attributes: their count, and each as its name and value, in
//! the order of the names. A value is a tag byte and its contents. Counts and lengths are LEB128 variable-length
//! integers; a number is a varint of its exponent and sign, then a varint of its coefficient, so a small integer takes
//! three bytes with its tag. Each item has exactly one form, and decoding accepts no other: damage is found rather than
//! interpreted, and equal items may be compared as bytes.

mod measure;
mod reader;
mod writer;

use bytes::Bytes;

pub(crate) use self::{
    reader::Reader,
    writer::{write_bytes, write_value, write_varint},
};

use crate::Item;

/// The version of the form that is written.
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

/// Bytes that are no item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored item is damaged at byte {offset}: {what}")]
pub struct CodecError {
    /// Where in the bytes it was seen.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// The item as bytes; equal items give equal bytes. First byte: the version of the form.
///
/// Every item that DynamoDB's limits allow can be decoded again. One that is deeper than [`crate::MAX_DEPTH`] cannot:
/// check [`crate::item_depth`] first.
#[must_use]
pub fn encode_item(item: &Item) -> Bytes {
    let mut out = Vec::with_capacity(1 + writer::guess_len(item));
    out.push(VERSION);
    writer::write_item(item, &mut out);
    out.into()
}

/// The item again. Never panics and never recurses deeper than [`crate::MAX_DEPTH`], whatever the bytes.
///
/// # Errors
/// [`CodecError`] where the bytes are not exactly what [`encode_item`] gives for some item.
pub fn decode_item(bytes: &[u8]) -> Result<Item, CodecError> {
    Reader::new(bytes).whole(|reader| reader.item(1))
}

/// The size of an encoded item as DynamoDB counts it ([`crate::item_size`]), without making the item.
///
/// # Errors
/// [`CodecError`] where [`decode_item`] has one.
pub fn encoded_item_size(bytes: &[u8]) -> Result<usize, CodecError> {
    let (_, size) = Reader::new(bytes).whole(|reader| measure::item(reader, 1))?;
    Ok(size)
}
