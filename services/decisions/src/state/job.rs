//! Work that is done in small steps between the groups.

use std::sync::Arc;

use beringia_item::TableId;
use beringia_storage::backend::{IndexNumber, TableNumber};

use crate::unshipped::UnshippedFilter;

/// Work that is done in small steps between the groups. All of it can be found again in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// Makes the entries of an index for the rows that were there before it.
    Backfill { table: TableId, index: IndexNumber },
    /// Removes the entries of an index.
    PurgeIndex { index: IndexNumber },
    /// Removes the rows of a table, its indexes' entries before them.
    PurgeTable {
        table: TableNumber,
        /// Which of them are unshipped.
        unshipped: Option<Arc<UnshippedFilter>>,
        /// The conflict journal that goes too; 0 for none.
        journal: TableNumber,
    },
    /// Counts what the indexes of a table show, after damage was repaired. This one is not in rows: a
    /// crash before it leaves the sizes of the indexes to the next time.
    CountEntries { table: TableId },
}

impl Job {
    /// Whether it keeps some of what it removes.
    pub(crate) const fn keeps_unshipped(&self) -> bool {
        matches!(self, Self::PurgeTable { unshipped: Some(_), .. })
    }
}
