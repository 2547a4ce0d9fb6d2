//! What a group did that an operator should know, reported once it is committed.

use beringia_item::{Region, TableId};
use beringia_storage::IndexState;

/// Something that a decision did, besides what it answers. It has happened once the decision is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The region has a replica of a table now.
    ReplicaAdded {
        /// Which table.
        table: TableId,
        /// The table's name.
        name: String,
        /// Whether its rows are complete already.
        bootstrapped: bool,
    },
    /// The region has no replica of a table any more; its rows are removed in the background.
    ReplicaRemoved(TableId),
    /// The rows of a removed replica are gone.
    RowsPurged,
    /// The rows of a replica are complete.
    Bootstrapped(TableId),
    /// The end of a copy was ignored, since the replica was re-bootstrapped after the copy began.
    FormerCopyIgnored(TableId),
    /// Other regions dropped the region's replica, and it is re-bootstrapped.
    Rebootstrapped {
        /// Which table.
        table: TableId,
        /// Whether its rows stay, since no other replica has them.
        keeps_rows: bool,
    },
    /// A replica cannot be created, since another table has its name.
    NameTaken {
        /// Which table.
        table: TableId,
        /// The name.
        name: String,
    },
    /// The name of a replica that could not be created is free, and the replica is created.
    NameFreed(TableId),
    /// A secondary index was added.
    IndexAdded {
        /// Of which table.
        table: TableId,
        /// The index's name.
        index: String,
        /// Its first state.
        state: IndexState,
    },
    /// All entries of an index are there.
    IndexComplete {
        /// Of which table.
        table: TableId,
        /// The index's name.
        index: String,
    },
    /// An index is being removed.
    IndexLeaves {
        /// Of which table.
        table: TableId,
        /// The index's name.
        index: String,
    },
    /// An index is gone.
    IndexRemoved {
        /// Of which table.
        table: TableId,
        /// The index's name.
        index: String,
    },
    /// A range was repaired that did not agree with the log.
    RangeRepaired {
        /// Of which table.
        table: TableId,
        /// Which range.
        range: u16,
        /// How many rows were removed.
        rows: usize,
        /// How many index entries were added.
        missing_entries: usize,
        /// How many index entries were removed.
        stray_entries: usize,
    },
}

impl Event {
    /// Logs it, for `region`.
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
