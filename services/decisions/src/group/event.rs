//! Events of a group for the operator, reported once the group is committed.

use beringia_item::{Region, TableId};
use beringia_storage::{Catalog, IndexState};

/// An effect of a decision besides its answers. It has happened once the decision is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// The region now has a replica of a table.
    ReplicaAdded {
        /// The id of the table, the same in all regions.
        table: TableId,
        /// The name of the table in its definition.
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
        /// The id of the table, the same in all regions.
        table: TableId,
        /// Whether its rows stay, since no other replica has them.
        keeps_rows: bool,
    },
    /// The database is an older copy: another region has an own write of this region that this
    /// database never made.
    StoreEpochBegan {
        /// The new store epoch.
        epoch: u64,
        /// The sequence of that write.
        known: u64,
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
    /// A secondary index was added; `state` says whether its entries still have to be built.
    IndexAdded {
        /// The table that the index belongs to.
        table: TableId,
        /// The name of the index, unique within its table.
        index: String,
        /// The initial state of the index.
        state: IndexState,
    },
    /// All entries of an index exist.
    IndexComplete {
        /// The table that the index belongs to.
        table: TableId,
        /// The name of the index, unique within its table.
        index: String,
    },
    /// An index is no longer usable, and its entries are removed in the background.
    IndexLeaves {
        /// The table that the index belongs to.
        table: TableId,
        /// The name of the index, unique within its table.
        index: String,
    },
    /// The entries of an index are gone.
    IndexRemoved {
        /// The table that the index belongs to.
        table: TableId,
        /// The name of the index, unique within its table.
        index: String,
    },
    /// A range that did not agree with the log was repaired.
    RangeRepaired {
        /// The table of which the range is one of 256 parts.
        table: TableId,
        /// The number of the range, from 0 to 255.
        range: u16,
        /// The number of rows that were removed.
        rows: usize,
        /// The number of index entries that were added.
        missing_entries: usize,
        /// The number of index entries that were removed.
        stray_entries: usize,
    },
}

impl StoreEvent {
    /// Logs the event for `region`. The catalogs before and after the group supply the names of
    /// tables.
    pub fn log(&self, region: &Region, before: &Catalog, after: &Catalog) {
        let name = self.table_name(before, after);
        let table = name.as_str();
        match self {
            Self::ReplicaAdded { bootstrapped, .. } => tracing::info!(%region, table, bootstrapped, "replica added"),
            Self::ReplicaRemoved(_) => tracing::info!(%region, table, "replica removed"),
            Self::RowsPurged => tracing::info!(%region, "the rows of a removed replica are gone"),
            Self::Bootstrapped(_) => tracing::info!(%region, table, "replica bootstrapped"),
            Self::FormerCopyIgnored(_) => {
                tracing::info!(%region, table, "end of a copy ignored: the replica was re-bootstrapped since it began");
            }
            Self::Rebootstrapped { keeps_rows, .. } => {
                tracing::warn!(%region, table, keeps_rows, "replica re-bootstrapped: other regions dropped it");
            }
            Self::StoreEpochBegan { epoch, known } => tracing::error!(
                %region, epoch, known,
                "a store epoch began: the database is an older copy, and other regions have later writes of this region"
            ),
            Self::NameTaken { table: id, .. } => {
                tracing::warn!(%region, table, %id, "replica not created: another table has its name");
            }
            Self::NameFreed(_) => tracing::info!(%region, table, "replica created: its name is free now"),
            Self::IndexAdded { index, state, .. } => tracing::info!(%region, table, index, ?state, "index added"),
            Self::IndexComplete { index, .. } => tracing::info!(%region, table, index, "index complete"),
            Self::IndexLeaves { index, .. } => tracing::info!(%region, table, index, "index is being removed"),
            Self::IndexRemoved { index, .. } => tracing::info!(%region, table, index, "index removed"),
            Self::RangeRepaired {
                range,
                rows,
                missing_entries,
                stray_entries,
                ..
            } => tracing::warn!(
                %region, table, range, rows, missing_entries, stray_entries,
                "range repaired: it did not agree with the log"
            ),
        }
    }

    /// The name of the event's table, or its id if neither catalog has it. Empty if the event has
    /// no table.
    fn table_name(&self, before: &Catalog, after: &Catalog) -> String {
        match self {
            Self::RowsPurged | Self::StoreEpochBegan { .. } => String::new(),
            Self::ReplicaAdded { name, .. } | Self::NameTaken { name, .. } => name.clone(),
            Self::ReplicaRemoved(table)
            | Self::Bootstrapped(table)
            | Self::FormerCopyIgnored(table)
            | Self::NameFreed(table)
            | Self::Rebootstrapped { table, .. }
            | Self::IndexAdded { table, .. }
            | Self::IndexComplete { table, .. }
            | Self::IndexLeaves { table, .. }
            | Self::IndexRemoved { table, .. }
            | Self::RangeRepaired { table, .. } => {
                let name = after.name_of(*table).or_else(|| before.name_of(*table));
                name.map_or_else(|| table.to_string(), str::to_owned)
            }
        }
    }
}
