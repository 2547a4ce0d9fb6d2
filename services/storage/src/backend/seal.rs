//! The seal of stored values: a format, a key id and a checksum before the value.
//!
//! Backends that keep bytes on a disk seal all that they store: item rows, index entries, images
//! and other parts of log records, and all other rows. The checksum also covers the place, so a
//! value that was moved to another key does not pass. Disks, file systems and SQLite return changed
//! bits without an error, and only a checksum of our own finds them.
//!
//! ```text
//! format (1 byte) │ key id (4 bytes) │ checksum (8 bytes) │ value
//! ```
//!
//! Numbers are big-endian. Key id 0 means that the value is not encrypted, and no other exists yet.
//! The checksum is XXH3, which finds accidents, not attackers.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Keyspace;
use crate::StoreError;

/// The format of seals that this version writes and reads.
const FORMAT: u8 = 1;
/// The key id of values that are not encrypted.
const NOT_ENCRYPTED: u32 = 0;
/// The number of bytes before the value.
const SEAL_BYTES: usize = 13;

/// A stored value is damaged: its bytes are not those that were written to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the checksum of a stored value does not match")]
pub struct Damaged;

impl From<Damaged> for StoreError {
    fn from(damaged: Damaged) -> Self {
        Self::damaged(&damaged.to_string())
    }
}

/// The place of a value, which its seal is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// The row of an item.
    Item {
        /// Table number and stored key.
        key: &'a [u8],
        /// The position of the record that the row points to, which is stored beside the value.
        position: u64,
    },
    /// The parts of a log record other than its images.
    Record {
        /// The record's position in the log.
        position: u64,
    },
    /// An image of a log record.
    Image {
        /// The record's position in the log.
        position: u64,
    },
    /// A row of a keyspace.
    Row {
        /// The keyspace, since keys of several keyspaces may be equal.
        keyspace: Keyspace,
        /// The key within the keyspace.
        key: &'a [u8],
    },
}

impl Place<'_> {
    /// A hash that differs between places.
    fn seed(&self) -> u64 {
        let (kind, number, key): (u8, u64, &[u8]) = match self {
            Self::Item { key, position } => (1, *position, key),
            Self::Record { position } => (2, *position, &[]),
            Self::Image { position } => (3, *position, &[]),
            Self::Row { keyspace, key } => (4, *keyspace as u64, key),
        };
        xxh3_64_with_seed(key, number ^ (u64::from(kind) << 56))
    }

    /// Seals a value for this place. The seal makes it 13 bytes longer.
    #[must_use]
    pub fn seal(&self, value: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(SEAL_BYTES + value.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&NOT_ENCRYPTED.to_be_bytes());
        sealed.extend_from_slice(&self.checksum(value).to_be_bytes());
        sealed.extend_from_slice(value);
        sealed
    }

    /// The value that was sealed for this place.
    ///
    /// # Errors
    /// [`Damaged`] if these are not the bytes that [`Place::seal`] returned for it.
    pub fn open<'s>(&self, sealed: &'s [u8]) -> Result<&'s [u8], Damaged> {
        let (&[format], rest) = sealed.split_first_chunk().ok_or(Damaged)?;
        let (key_id, rest) = rest.split_first_chunk().ok_or(Damaged)?;
        let (checksum, value) = rest.split_first_chunk().ok_or(Damaged)?;
        let is_known = format == FORMAT && u32::from_be_bytes(*key_id) == NOT_ENCRYPTED;
        if is_known && u64::from_be_bytes(*checksum) == self.checksum(value) {
            Ok(value)
        } else {
            Err(Damaged)
        }
    }

    fn checksum(&self, value: &[u8]) -> u64 {
        xxh3_64_with_seed(value, self.seed())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACES: [Place<'_>; 7] = [
        Place::Item { key: b"a", position: 1 },
        Place::Item { key: b"b", position: 1 },
        Place::Item { key: b"a", position: 2 },
        Place::Record { position: 1 },
        Place::Image { position: 1 },
        Place::Row {
            keyspace: Keyspace::Entries,
            key: b"a",
        },
        Place::Row {
            keyspace: Keyspace::Shards,
            key: b"a",
        },
    ];

    #[test]
    fn a_value_opens_only_where_it_was_sealed() {
        for (number, place) in PLACES.iter().enumerate() {
            for value in [&b""[..], b"value"] {
                let sealed = place.seal(value);
                assert_eq!(sealed.len(), SEAL_BYTES + value.len());
                for (other_number, other) in PLACES.iter().enumerate() {
                    let expected = if number == other_number {
                        Ok(value)
                    } else {
                        Err(Damaged)
                    };
                    assert_eq!(other.open(&sealed), expected, "{place:?} {other:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn changed_bytes_do_not_open(value: Vec<u8>, at: prop::sample::Index, bit in 0..8_u8) {
            let place = PLACES[0];
            let mut sealed = place.seal(&value);
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(place.open(&sealed), Err(Damaged));
        }

        #[test]
        fn a_part_of_a_value_does_not_open(value: Vec<u8>, end: prop::sample::Index) {
            let place = PLACES[0];
            let sealed = place.seal(&value);
            prop_assert_eq!(place.open(&sealed[..end.index(sealed.len())]), Err(Damaged));
        }
    }
}
