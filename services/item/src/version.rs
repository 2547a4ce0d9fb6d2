//! Versions, which order all writes.

use beringia_clock::HybridTime;

use crate::Origin;

/// The version of an item: the time, origin and sequence of the write that made it. The order of
/// the fields is the order of comparison: hybrid time, then origin, then sequence. Two different
/// writes never have the same version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Hybrid time at the origin when the write was committed.
    pub time: HybridTime,
    /// The origin that accepted the write from a client and numbered it.
    pub origin: Origin,
    /// The origin's own number for this write. It only grows. A new database starts at its wall
    /// clock's milliseconds times 2^20, so that a region that lost its disk does not use a number
    /// twice.
    pub sequence: u64,
}

/// A row fingerprint, which identifies the state of a row. Rows with equal fingerprints hold the
/// same item, except where hashes collide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowFingerprint {
    /// The greatest version of the writes in the row.
    pub version: Version,
    /// [`crate::ItemState::hash`]: distinguishes merged rows of the same version; 0 if the version
    /// determines the row.
    pub state: u64,
    /// The hash of the item's image ([`crate::content_hash`]), which differs where a region's disk
    /// changed the image; 0 for a tombstone.
    pub content: u64,
}

impl From<Version> for RowFingerprint {
    /// The fingerprint of a tombstone.
    fn from(version: Version) -> Self {
        Self {
            version,
            state: 0,
            content: 0,
        }
    }
}
