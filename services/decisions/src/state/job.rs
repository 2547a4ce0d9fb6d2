//! Background jobs, done in small steps between groups.

use std::sync::Arc;

use beringia_item::TableId;
use beringia_storage::backend::{IndexNumber, TableNumber};

use crate::unshipped::UnshippedFilter;

/// A background job, done in small steps between groups. Jobs are restored from rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// Creates the entries of an index for rows that existed before it.
    Backfill { table: TableId, index: IndexNumber },
    /// Removes the entries of an index.
    PurgeIndex { index: IndexNumber },
    /// Removes the rows of a table, after the entries of its indexes.
    PurgeTable {
        table: TableNumber,
        /// The filter for rows that are unshipped, and are kept.
        unshipped: Option<Arc<UnshippedFilter>>,
        /// The conflict journal to remove; 0 for none.
        journal: TableNumber,
    },
    /// Counts the entries of a table's indexes after damage was repaired.
    CountEntries { table: TableId },
}

impl Job {
    /// Whether the job leads to free space.
    pub(crate) const fn relieves(&self) -> bool {
        match self {
            Self::PurgeIndex { .. } | Self::PurgeTable { .. } | Self::CountEntries { .. } => true,
            Self::Backfill { .. } => false,
        }
    }

    /// Whether the job keeps unshipped writes among the rows that it removes.
    pub(crate) const fn keeps_unshipped(&self) -> bool {
        matches!(self, Self::PurgeTable { unshipped: Some(_), .. })
    }
}
