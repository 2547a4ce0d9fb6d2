//! Digests of tables, by which regions compare what they hold.

use beringia_item::VersionVector;

/// The digest of one range of a table: the sum (mod 2^128) of the hashes of (key, stamp) of its
/// live items, and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RangeDigest {
    /// The sum.
    pub sum: u128,
    /// How many live items.
    pub items: u64,
}

/// All ranges of a table, with the vector at the same moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDigest {
    /// What was applied.
    pub vector: VersionVector,
    /// [`beringia_item::RANGES`] of them, by range.
    pub ranges: Vec<RangeDigest>,
}
