//! Keys: attribute values encoded as bytes in the order of the values.

use std::fmt;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::{AttributeValue, Item, Number};

/// The number of ranges into which the hash of the partition key divides a table. Digests, repair
/// and parallel scans work by range.
pub const RANGES: u16 = 256;

/// The greatest length of a partition key's string or bytes, in bytes (developer guide, "Quotas").
pub const MAX_PARTITION_KEY_BYTES: usize = 2048;
/// The greatest length of a sort key's string or bytes, in bytes.
pub const MAX_SORT_KEY_BYTES: usize = 1024;

/// The bytes of hash at the start of every stored key.
const HASH_BYTES: usize = 2;

/// After 0x00: an escaped 0x00.
const ESCAPED_ZERO: u8 = 0xFF;
/// After 0x00: the end of the string. Less than [`ESCAPED_ZERO`], so that a string sorts before the
/// strings of which it is a prefix.
const END: u8 = 0x01;

/// The range of a stored key, 0 to `RANGES - 1`: its first byte.
#[must_use]
pub fn range_of(key: &KeyBytes) -> u16 {
    key.0.first().copied().unwrap_or(0).into()
}

/// The stored form of a key. Layout: 2 bytes of hash of the partition key's encoding (xxh3-64, high
/// bits, big-endian), the partition key's parts, the sort key's parts. Each part is self-delimiting
/// and order-preserving (strings and bytes: 0x00 written as 0x00 0xFF, ended by 0x00 0x01; numbers:
/// [`Number::encode_key`]). In an index, the base table's key follows.
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
    /// The type's name on the wire: `S`, `N` or `B`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }
}

/// A key attribute: its name and type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the fields' names say it all")]
pub struct KeyPart {
    pub name: String,
    pub kind: KeyType,
}

/// The key of a table or index. A base table has one partition attribute and at most one sort
/// attribute; a global index has up to four of each.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeySchema {
    /// The attributes whose values together identify a partition. Only an internal index of the
    /// store has none: it is one partition.
    pub partition: Vec<KeyPart>,
    /// The attributes that order the items of a partition.
    pub sort: Vec<KeyPart>,
}

/// Why an item has no key under a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The item does not have the attribute.
    #[error("missing the key {name}")]
    Missing {
        /// The name of the missing key attribute.
        name: String,
    },
    /// The attribute has another type than the schema requires.
    #[error("type mismatch for key {name} expected: {expected} actual: {actual}")]
    TypeMismatch {
        /// The name of the key attribute.
        name: String,
        /// The type that the schema requires: `S`, `N` or `B`.
        expected: &'static str,
        /// The type of the item's value, such as `BOOL`.
        actual: &'static str,
    },
    /// A string or bytes of length 0.
    #[error("empty value for key {name}")]
    Empty {
        /// The name of the key attribute.
        name: String,
    },
    /// The value exceeds 2048 bytes in a partition key, or 1024 in a sort key.
    #[error("size of key {name} exceeds {limit} bytes")]
    TooLong {
        /// The name of the key attribute.
        name: String,
        /// The greatest length, in bytes.
        limit: usize,
    },
}

impl KeySchema {
    /// The stored key of an item (or of a `Key` map) under this schema.
    ///
    /// # Errors
    /// [`KeyError`] for the first attribute, in the schema's order, that does not fit the schema.
    pub fn key_of(&self, item: &Item) -> Result<KeyBytes, KeyError> {
        self.encode(item, &[])
    }

    /// The stored key of `item` in an index with this schema over a table in which the item's key
    /// is `base`: the index key, followed by all of `base`.
    ///
    /// # Errors
    /// As [`Self::key_of`]. [`KeyError::Missing`] means that the item has no entry in the index.
    pub fn index_key_of(&self, item: &Item, base: &KeyBytes) -> Result<KeyBytes, KeyError> {
        self.encode(item, &base.0)
    }

    /// Splits an index's stored key into its own part and the base table's key. `None` if it is not
    /// such a key.
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

    /// Decodes the attributes of a stored key, for display and `LastEvaluatedKey`. `None` if it is
    /// not a key of this schema. Split an index's stored key first.
    #[must_use]
    pub fn attributes_of(&self, stored: &KeyBytes) -> Option<Item> {
        let mut rest = stored.0.get(HASH_BYTES..)?;
        let mut attributes = Item::new();
        for part in self.parts() {
            attributes.insert(part.name.clone(), decode_part(part.kind, &mut rest)?);
        }
        rest.is_empty().then_some(attributes)
    }

    /// The prefix that all keys of one partition share: the hash and the partition parts. `values`
    /// are in the schema's order.
    ///
    /// # Errors
    /// As [`Self::key_of`]; [`KeyError::Missing`] if there are fewer values than parts.
    pub fn partition_prefix(&self, values: &[&AttributeValue]) -> Result<Vec<u8>, KeyError> {
        let mut out = vec![0; HASH_BYTES];
        for (index, part) in self.partition.iter().enumerate() {
            encode_part(part, values.get(index).copied(), MAX_PARTITION_KEY_BYTES, &mut out)?;
        }
        write_hash(&mut out);
        Ok(out)
    }

    /// Appends a complete, terminated sort part.
    ///
    /// # Errors
    /// As [`Self::key_of`]; [`KeyError::Missing`] if the schema has no such part.
    pub fn push_sort(&self, part: usize, value: &AttributeValue, out: &mut Vec<u8>) -> Result<(), KeyError> {
        encode_part(self.sort_part(part)?, Some(value), MAX_SORT_KEY_BYTES, out)
    }

    /// Appends a sort part without its terminator: the prefix of all parts that begin with `value`
    /// (S and B only).
    ///
    /// # Errors
    /// As [`Self::push_sort`], except that an empty value is allowed: it is a prefix of all parts.
    /// [`KeyError::TypeMismatch`] for a number, which has no prefix.
    pub fn push_sort_prefix(&self, part: usize, value: &AttributeValue, out: &mut Vec<u8>) -> Result<(), KeyError> {
        let part = self.sort_part(part)?;
        match (part.kind, value) {
            (KeyType::S, AttributeValue::S(text)) => escape(text.as_bytes(), out),
            (KeyType::B, AttributeValue::B(bytes)) => escape(bytes, out),
            _ => return Err(mismatch(part, value)),
        }
        Ok(())
    }

    /// All attributes: the partition's, then the sort key's.
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
    /// The smallest byte string greater than every string that begins with `prefix`; `None` if
    /// there is no such string.
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
    /// Formats the bytes as hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Fills in the hash of the partition parts. `out` holds the space for the hash, then these parts
/// and nothing else.
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

/// Advances `input` past the terminator and returns the bytes before it, still escaped.
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
