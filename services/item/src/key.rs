//! Keys: attribute values as bytes whose order is the order of the values.

use std::fmt;

use bytes::Bytes;

use crate::{AttributeValue, Item};

/// How many ranges the hash of the partition key divides a table into. Digests, repair and parallel scans work by range.
pub const RANGES: u16 = 256;

/// The range (0 to `RANGES - 1`) that a stored key lies in: its first byte.
#[must_use]
pub fn range_of(key: &KeyBytes) -> u16 { todo!() }

/// The stored form of a key. Layout: 2 bytes of hash of the partition key's encoding (xxh3-64, high bits, big-endian),
/// the partition key's parts, the sort key's parts; each part self-delimiting and order-preserving (strings and bytes:
/// 0x00 written as 0x00 0xFF, ended by 0x00 0x01; numbers: Number::encode_key). In an index, the base table's key follows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBytes(pub Bytes);

/// The types that a key attribute can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum KeyType { S, N, B }

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyPart { pub name: String, pub kind: KeyType }

/// The key of a table or index. A base table has one partition attribute and at most one sort attribute; a global index
/// up to four of each.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeySchema { pub partition: Vec<KeyPart>, pub sort: Vec<KeyPart> }

/// Why an item has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The attribute is not there.
    #[error("missing the key {name}")]
    Missing { name: String },
    /// The attribute is of another type than the schema says.
    #[error("type mismatch for key {name} expected: {expected} actual: {actual}")]
    TypeMismatch { name: String, expected: &'static str, actual: &'static str },
    /// A string or bytes of length 0.
    #[error("empty value for key {name}")]
    Empty { name: String },
    /// Above 2048 bytes in a partition key, 1024 in a sort key.
    #[error("size of key {name} exceeds {limit} bytes")]
    TooLong { name: String, limit: usize },
}

impl KeySchema {
    /// The stored key of an item (or of a `Key` map) under this schema.
    pub fn key_of(&self, item: &Item) -> Result<KeyBytes, KeyError> { todo!() }
    /// The stored key of `item` in an index with this schema over a table whose key is `base`: the index key, then `base` whole.
    pub fn index_key_of(&self, item: &Item, base: &KeyBytes) -> Result<KeyBytes, KeyError> { todo!() }
    /// Splits an index's stored key into its own part and the base table's key.
    pub fn split_index_key(&self, stored: &KeyBytes) -> Option<(KeyBytes, KeyBytes)> { todo!() }
    /// The attributes of the key that `stored` encodes (for display and LastEvaluatedKey).
    pub fn attributes_of(&self, stored: &KeyBytes) -> Option<Item> { todo!() }
    /// The prefix that all keys of one partition share (hash, then partition parts); `values` in the schema's order.
    pub fn partition_prefix(&self, values: &[&AttributeValue]) -> Result<Vec<u8>, KeyError> { todo!() }
    /// Appends a sort part completely (terminated).
    pub fn push_sort(&self, part: usize, value: &AttributeValue, out: &mut Vec<u8>) -> Result<(), KeyError> { todo!() }
    /// Appends a sort part's bytes without their terminator: the prefix of all parts that begin with `value` (S and B only).
    pub fn push_sort_prefix(&self, part: usize, value: &AttributeValue, out: &mut Vec<u8>) -> Result<(), KeyError> { todo!() }
}

impl KeyBytes {
    /// The smallest byte string greater than every string that begins with `prefix`; None where there is none.
    pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> { todo!() }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0 { write!(f, "{byte:02x}")?; }
        Ok(())
    }
}
