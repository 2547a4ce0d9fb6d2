//! Removing conflicts and unshipped writes by their age.

use std::ops::AddAssign;

use beringia_item::TableId;

/// Which conflicts and unshipped writes to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneFilter {
    /// Those that the region recorded at this wall time of its own or before, in ms since the Unix
    /// epoch.
    pub until_ms: u64,
    /// Only those of this table; `None` for all tables.
    pub table: Option<PruneTable>,
    /// Whether they are only counted, and stay.
    pub dry_run: bool,
}

/// The table whose conflicts and unshipped writes are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneTable {
    /// The id of the table with this name, whose conflicts are removed; `None` if there is none.
    pub id: Option<TableId>,
    /// The name of the table. Unshipped writes have that name also after the table was deleted.
    pub name: String,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The number of conflicts.
    pub conflicts: u64,
    /// The number of unshipped writes.
    pub unshipped: u64,
    /// The bytes of their records, images included.
    pub bytes: u64,
}

impl AddAssign for Pruned {
    fn add_assign(&mut self, other: Self) {
        self.conflicts += other.conflicts;
        self.unshipped += other.unshipped;
        self.bytes += other.bytes;
    }
}
