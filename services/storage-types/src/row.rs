//! Rows as a copy or a repair reads them.

use beringia_item::{KeyBytes, RowFingerprint};

/// A row as a copy or a repair reads it. Tombstones are included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    /// The stored key of the row.
    pub key: KeyBytes,
    /// Version and state of the row; for a tombstone, those of the delete.
    pub fingerprint: RowFingerprint,
    /// Whether the row has an item; false for a tombstone.
    pub live: bool,
}
