//! The compact binary form of an item.

use bytes::Bytes;

use crate::Item;

/// Bytes that are no item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored item is damaged at byte {offset}: {what}")]
pub struct CodecError { pub offset: usize, pub what: &'static str }

/// The item as bytes; equal items give equal bytes. First byte: the version of the form.
pub fn encode_item(item: &Item) -> Bytes { todo!() }
/// The item again. Never panics and never recurses deeper than MAX_DEPTH, whatever the bytes.
pub fn decode_item(bytes: &[u8]) -> Result<Item, CodecError> { todo!() }
