//! Sizes as DynamoDB counts them (developer guide, "DynamoDB item sizes and formats").

use crate::{AttributeValue, Item};

/// The greatest size of an item, bytes.
pub const MAX_ITEM_BYTES: usize = 400 * 1024;
/// How deep lists and maps may nest.
pub const MAX_DEPTH: usize = 32;

/// Bytes of an item: names and values.
pub fn item_size(item: &Item) -> usize { todo!() }
/// Bytes of a value.
pub fn value_size(value: &AttributeValue) -> usize { todo!() }
