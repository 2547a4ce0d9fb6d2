//! Digests of tables, with which regions compare their replicas.

use beringia_item::VersionVector;

/// The digest of one range of a table: the sum (mod 2^128) of the hashes of (key, row fingerprint)
/// of its live items, and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields' names say it all")]
pub struct RangeDigest {
    pub sum: u128,
    pub items: u64,
}

/// The digests of all ranges of a table and its vector, from the same snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDigest {
    /// The version vector of what was applied to the table.
    pub vector: VersionVector,
    /// [`beringia_item::RANGES`] digests, indexed by range.
    pub ranges: Vec<RangeDigest>,
}
