//! Keys: attribute values as bytes whose order is the order of the values.

use std::fmt;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::{AttributeValue, Item, Number};

/// How many ranges the hash of the partition key divides a table into. Digests, repair and parallel scans work by range.
pub const RANGES: u16 = 256;

/// The greatest length of a partition key's string or bytes (developer guide, "Quotas").
pub const MAX_PARTITION_KEY_BYTES: usize = 2048;
/// The greatest length of a sort key's string or bytes.
pub const MAX_SORT_KEY_BYTES: usize = 1024;

/// Bytes of hash that every stored key begins with.
const HASH_BYTES: usize = 2;

/// After 0x00: the 0x00 stands for itself.
const ESCAPED_ZERO: u8 = 0xFF;
/// After 0x00: the string ends here. Below [`ESCAPED_ZERO`], so that a string comes before those it begins.
const END: u8 = 0x01;

/// The range (0 to `RANGES - 1`) that a stored key lies in: its first byte.
#[must_use]
pub fn range_of(key: &KeyBytes) -> u16 {
    key.0.first().copied().unwrap_or(0).into()
}

/// The stored form of a key. Layout: 2 bytes of hash of the partition key's encoding (xxh3-64, high bits, big-endian),
/// the partition key's parts, the sort key's parts; each part self-delimiting and order-preserving (strings and bytes:
/// 0x00 written as 0x00 0xFF, ended by 0x00 0x01; numbers: [`Number::encode_key`]). In an index, the base table's key
/// follows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBytes(pub Bytes);

/// The types that a key attribute can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum KeyType {
    /// A string, ordered by its UTF-8 bytes.
    S,
    /// A number, ordered by value.
    N,
    /// Bytes, ordered as unsigned bytes.
    B,
}

impl KeyType {
    /// The type's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }
}

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyPart {
    /// The attribute's name.
    pub name: String,
    /// The type that it must have.
    pub kind: KeyType,
}

/// The key of a table or index. A base table has one partition attribute and at most one sort attribute; a global index
/// up to four of each.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeySchema {
    /// The attributes whose values, taken together, name a partition. Only an index of the store's own has none: it is one
    /// partition.
    pub partition: Vec<KeyPart>,
    /// The attributes that order the items of a partition.
    pub sort: Vec<KeyPart>,
}

/// Why an item has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The attribute is not there.
    #[error("missing the key {name}")]
    Missing {
        /// The attribute.
        name: String,
    },
    /// The attribute is of another type than the schema says.
    #[error("type mismatch for key {name} expected: {expected} actual: {actual}")]
    TypeMismatch {
        /// The attribute.
        name: String,
        /// The schema's type.
        expected: &'static str,
        /// The value's type.
        actual: &'static str,
    },
    /// A string or bytes of length 0.
    #[error("empty value for key {name}")]
    Empty {
        /// The attribute.
        name: String,
    },
    /// Above 2048 bytes in a partition key, 1024 in a sort key.
    #[error("size of key {name} exceeds {limit} bytes")]
    TooLong {
        /// The attribute.
        name: String,
        /// The greatest length, bytes.
        limit: usize,
    },
}

impl KeySchema {
    /// The stored key of an item (or of a `Key` map) under this schema.
    ///
    /// # Errors
    /// [`KeyError`] for the first attribute, in the schema's order, that is not as the schema says.
    pub fn key_of(&self, item: &Item) -> Result<KeyBytes, KeyError> {
        self.encode(item, &[])
    }

    /// The stored key of `item` in an index with this schema over a table whose key is `base`: the index key, then
    /// `base` whole.
    ///
    /// # Errors
    /// As [`Self::key_of`]. [`KeyError::Missing`] means that the item has no entry in the index.
    pub fn index_key_of(&self, item: &Item, base: &KeyBytes) -> Result<KeyBytes, KeyError> {
        self.encode(item, &base.0)
    }

    /// Splits an index's stored key into its own part and the base table's key. `None` where it is no such key.
    #[must_use]
    pub fn split_index_key(&self, stored: &KeyBytes) -> Option<(KeyBytes, KeyBytes)> {
        let mut rest = stored.0.get(HASH_BYTES..)?;
        for part in self.parts() {
            skip_part(part.kind, &mut rest)?;
        }
        if rest.len() <= HASH_BYTES {
            return None;
        }
        let at = stored.0.len() - rest.len();
        Some((KeyBytes(stored.0.slice(..at)), KeyBytes(stored.0.slice(at..))))
    }

    /// The attributes of the key that `stored` encodes (for display and `LastEvaluatedKey`). `None` where it is no key
    /// of this schema; an index's stored key is to be split first.
    #[must_use]
    pub fn attributes_of(&self, stored: &KeyBytes) -> Option<Item> {
        let mut rest = stored.0.get(HASH_BYTES..)?;
        let mut attributes = Item::new();
        for part in self.parts() {
            attributes.insert(part.name.clone(), decode_part(part.kind, &mut rest)?);
        }
        rest.is_empty().then_some(attributes)
    }

    /// The prefix that all keys of one partition share (hash, then partition parts); `values` in the schema's order.
    ///
    /// # Errors
    /// As [`Self::key_of`]; [`KeyError::Missing`] where there are fewer values than parts.
    pub fn partition_prefix(&self, values: &[&AttributeValue]) -> Result<Vec<u8>, KeyError> {
        let mut out = vec![0; HASH_BYTES];
        for (index, part) in self.partition.iter().enumerate() {
            encode_part(part, values.get(index).copied(), MAX_PARTITION_KEY_BYTES, &mut out)?;
        }
        write_hash(&mut out);
        Ok(out)
    }

    /// Appends a sort part completely (terminated).
    ///
    /// # Errors
    /// As [`Self::key_of`]; [`KeyError::Missing`] where the schema has no such part.
    pub fn push_sort(&self, part: usize, value: &AttributeValue, out: &mut Vec<u8>) -> Result<(), KeyError> {
        encode_part(self.sort_part(part)?, Some(value), MAX_SORT_KEY_BYTES, out)
    }

    /// Appends a sort part's bytes without their terminator: the prefix of all parts that begin with `value`
    /// (S and B only).
    ///
    /// # Errors
    /// As [`Self::push_sort`], but an empty value is the prefix of all; [`KeyError::TypeMismatch`] for a number, which
    /// has no prefix.
    pub fn push_sort_prefix(&self, part: usize, value: &AttributeValue, out: &mut Vec<u8>) -> Result<(), KeyError> {
        let part = self.sort_part(part)?;
        match (part.kind, value) {
            (KeyType::S, AttributeValue::S(text)) => escape(text.as_bytes(), out),
            (KeyType::B, AttributeValue::B(bytes)) => escape(bytes, out),
            _ => return Err(mismatch(part, value)),
        }
        Ok(())
    }

    /// All attributes: the partition's, then the sort's.
    pub fn parts(&self) -> impl Iterator<Item = &KeyPart> {
        self.partition.iter().chain(&self.sort)
    }

    fn sort_part(&self, part: usize) -> Result<&KeyPart, KeyError> {
        self.sort.get(part).ok_or_else(|| KeyError::Missing {
            name: format!("sort attribute {}", part + 1),
        })
    }

    fn encode(&self, item: &Item, suffix: &[u8]) -> Result<KeyBytes, KeyError> {
        let mut out = Vec::with_capacity(64 + suffix.len());
        out.resize(HASH_BYTES, 0);
        for part in &self.partition {
            encode_part(part, item.get(&part.name), MAX_PARTITION_KEY_BYTES, &mut out)?;
        }
        write_hash(&mut out);
        for part in &self.sort {
            encode_part(part, item.get(&part.name), MAX_SORT_KEY_BYTES, &mut out)?;
        }
        out.extend_from_slice(suffix);
        Ok(KeyBytes(out.into()))
    }
}

impl KeyBytes {
    /// The smallest byte string greater than every string that begins with `prefix`; `None` where there is none.
    #[must_use]
    pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
        let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
        let mut after = prefix[..=last].to_vec();
        after[last] += 1;
        Some(after)
    }
}

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for KeyBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for KeyBytes {
    /// Hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Fills in the hash of the partition parts, which are all that `out` holds so far behind the hash's place.
fn write_hash(out: &mut [u8]) {
    let hash = xxh3_64(&out[HASH_BYTES..]).to_be_bytes();
    out[..HASH_BYTES].copy_from_slice(&hash[..HASH_BYTES]);
}

fn encode_part(
    part: &KeyPart,
    value: Option<&AttributeValue>,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), KeyError> {
    let value = value.ok_or_else(|| KeyError::Missing {
        name: part.name.clone(),
    })?;
    let bytes: &[u8] = match (part.kind, value) {
        (KeyType::N, AttributeValue::N(number)) => {
            number.encode_key(out);
            return Ok(());
        }
        (KeyType::S, AttributeValue::S(text)) => text.as_bytes(),
        (KeyType::B, AttributeValue::B(bytes)) => bytes,
        _ => return Err(mismatch(part, value)),
    };
    if bytes.is_empty() {
        return Err(KeyError::Empty {
            name: part.name.clone(),
        });
    }
    if bytes.len() > limit {
        return Err(KeyError::TooLong {
            name: part.name.clone(),
            limit,
        });
    }
    escape(bytes, out);
    out.extend_from_slice(&[0, END]);
    Ok(())
}

fn mismatch(part: &KeyPart, value: &AttributeValue) -> KeyError {
    KeyError::TypeMismatch {
        name: part.name.clone(),
        expected: part.kind.as_str(),
        actual: value.type_name(),
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut runs = bytes.split(|&byte| byte == 0);
    out.extend_from_slice(runs.next().unwrap_or_default());
    for run in runs {
        out.extend_from_slice(&[0, ESCAPED_ZERO]);
        out.extend_from_slice(run);
    }
}

/// Moves `input` behind the terminator and gives what was before it, still escaped.
fn take_escaped<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut at = 0;
    loop {
        at += input.get(at..)?.iter().position(|&byte| byte == 0)?;
        match *input.get(at + 1)? {
            END => break,
            ESCAPED_ZERO => at += 2,
            _ => return None,
        }
    }
    let (escaped, rest) = (&input[..at], &input[at + 2..]);
    *input = rest;
    Some(escaped)
}

fn unescape(escaped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut after_zero = false;
    for &byte in escaped {
        if !after_zero {
            bytes.push(byte);
        }
        after_zero = byte == 0;
    }
    bytes
}

fn skip_part(kind: KeyType, input: &mut &[u8]) -> Option<()> {
    match kind {
        KeyType::N => Number::decode_key(input).map(drop),
        KeyType::S | KeyType::B => take_escaped(input).map(drop),
    }
}

fn decode_part(kind: KeyType, input: &mut &[u8]) -> Option<AttributeValue> {
    Some(match kind {
        KeyType::N => AttributeValue::N(Number::decode_key(input)?),
        KeyType::S => AttributeValue::S(String::from_utf8(unescape(take_escaped(input)?)).ok()?),
        KeyType::B => AttributeValue::B(unescape(take_escaped(input)?).into()),
    })
}
