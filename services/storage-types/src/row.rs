//! Rows as a copy or a repair sees them.

use beringia_item::{KeyBytes, Stamp};

/// A row as a copy or a repair sees it: tombstones too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    /// The stored key.
    pub key: KeyBytes,
    /// Version and state; of a tombstone the delete's.
    pub stamp: Stamp,
    /// False for a tombstone.
    pub live: bool,
}
