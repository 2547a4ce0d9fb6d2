//! Versions: who wrote what when, totally ordered.

use beringia_clock::HybridTime;

use crate::Origin;

/// The version of an item: when it was written, where, and as which of that region's writes.
/// The order of the fields is the order of comparison: hybrid time, then origin, then sequence.
/// Two different writes never have the same version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Hybrid time at the origin when the write was committed.
    pub time: HybridTime,
    /// Where the write was taken from a client and got its number.
    pub origin: Origin,
    /// The origin's own number for this write. It only grows; a new database starts at its wall clock's milliseconds
    /// times 2^20, so that a region which lost its disk does not use a number twice.
    pub sequence: u64,
}

/// Which state a row is in. Rows with equal stamps hold the same item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The greatest version of the writes that are in it.
    pub version: Version,
    /// [`crate::ItemState::hash`]: tells apart what different writes were joined to that version; 0 where it alone says everything.
    pub state: u64,
}

impl From<Version> for Stamp {
    /// The stamp of a row that is as that version wrote it, whole.
    fn from(version: Version) -> Self {
        Self { version, state: 0 }
    }
}
