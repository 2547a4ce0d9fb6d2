//! Digests of tables, with which regions compare their replicas.

use std::collections::BTreeSet;

use beringia_item::VersionVector;

/// The digest of one range of a table: the sum (mod 2^128) of the hashes of (key, row fingerprint)
/// of its live items, and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields' names say it all")]
pub struct RangeDigest {
    pub sum: u128,
    pub items: u64,
}

/// The digests of all ranges of a table, and the vector that they belong to: they are those of a
/// replica that has applied just what the vector covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDigest {
    /// The version vector of what the digests include.
    pub vector: VersionVector,
    /// [`beringia_item::RANGES`] digests, indexed by range.
    pub ranges: Vec<RangeDigest>,
    /// The ranges whose digests at this vector are not known, since records of the log that they
    /// follow from are gone.
    pub unknown: BTreeSet<u16>,
}
