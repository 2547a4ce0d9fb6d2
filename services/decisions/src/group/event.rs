//! Events of a group for the operator, reported once the group is committed.

use beringia_item::{Region, TableId};
use beringia_storage::IndexState;

/// An effect of a decision besides its answers. It has happened once the decision is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The region now has a replica of a table.
    ReplicaAdded {
        /// The id of the table.
        table: TableId,
        /// The name of the table.
        name: String,
        /// Whether the replica's rows are complete already.
        bootstrapped: bool,
    },
    /// The region no longer has a replica of a table; its rows are removed in the background.
    ReplicaRemoved(TableId),
    /// The rows of a removed replica are gone.
    RowsPurged,
    /// The rows of a replica are complete.
    Bootstrapped(TableId),
    /// The end of a copy was ignored, since the replica was re-bootstrapped after the copy began.
    FormerCopyIgnored(TableId),
    /// Other regions dropped the region's replica, and it is re-bootstrapped.
    Rebootstrapped {
        /// The id of the table.
        table: TableId,
        /// Whether its rows stay, since no other replica has them.
        keeps_rows: bool,
    },
    /// A replica cannot be created, since another table has its name.
    NameTaken {
        /// The id of the table without a replica.
        table: TableId,
        /// The name that both tables have.
        name: String,
    },
    /// The name of a replica that could not be created is free, and the replica is created.
    NameFreed(TableId),
    /// A secondary index was added.
    IndexAdded {
        /// The table of the index.
        table: TableId,
        /// The name of the index.
        index: String,
        /// The initial state of the index.
        state: IndexState,
    },
    /// All entries of an index exist.
    IndexComplete {
        /// The table of the index.
        table: TableId,
        /// The name of the index.
        index: String,
    },
    /// An index is being removed.
    IndexLeaves {
        /// The table of the index.
        table: TableId,
        /// The name of the index.
        index: String,
    },
    /// The entries of an index are gone.
    IndexRemoved {
        /// The table of the index.
        table: TableId,
        /// The name of the index.
        index: String,
    },
    /// A range that did not agree with the log was repaired.
    RangeRepaired {
        /// The table of the range.
        table: TableId,
        /// The number of the range.
        range: u16,
        /// The number of rows that were removed.
        rows: usize,
        /// The number of index entries that were added.
        missing_entries: usize,
        /// The number of index entries that were removed.
        stray_entries: usize,
    },
}

impl Event {
    /// Logs the event for `region`.
    pub fn log(&self, region: &Region) {
        match self {
            Self::ReplicaAdded {
                table,
                name,
                bootstrapped,
            } => tracing::info!(%region, %table, name, bootstrapped, "replica added"),
            Self::ReplicaRemoved(table) => tracing::info!(%region, %table, "replica removed"),
            Self::RowsPurged => tracing::info!(%region, "the rows of a removed replica are gone"),
            Self::Bootstrapped(table) => tracing::info!(%region, %table, "replica bootstrapped"),
            Self::FormerCopyIgnored(table) => {
                tracing::info!(%region, %table, "end of a copy ignored: the replica was re-bootstrapped since it began");
            }
            Self::Rebootstrapped { table, keeps_rows } => {
                tracing::warn!(%region, %table, keeps_rows, "replica re-bootstrapped: other regions dropped it");
            }
            Self::NameTaken { table, name } => {
                tracing::warn!(%region, %table, name, "replica not created: another table has its name");
            }
            Self::NameFreed(table) => tracing::info!(%region, %table, "replica created: its name is free now"),
            Self::IndexAdded { table, index, state } => {
                tracing::info!(%region, %table, index, ?state, "index added");
            }
            Self::IndexComplete { table, index } => tracing::info!(%region, %table, index, "index complete"),
            Self::IndexLeaves { table, index } => tracing::info!(%region, %table, index, "index is being removed"),
            Self::IndexRemoved { table, index } => tracing::info!(%region, %table, index, "index removed"),
            Self::RangeRepaired {
                table,
                range,
                rows,
                missing_entries,
                stray_entries,
            } => tracing::warn!(
                %region, %table, range, rows, missing_entries, stray_entries,
                "range repaired: it did not agree with the log"
            ),
        }
    }
}
