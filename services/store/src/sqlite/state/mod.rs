//! What the committer keeps in memory: a copy of what the database says, that moves with each group and is read anew where a group
//! fails.

mod definitions;
mod log;
mod regions;
mod streams;
mod table;

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::{HybridClock, HybridTime};
use beringia_item::{Region, TableId};
use rusqlite::Connection;

pub(super) use self::{
    definitions::{Definition, Home},
    log::Log,
    regions::Regions,
    streams::{KeptStreams, StreamStates},
    table::{Index, IndexSize, Progress, TableState, encode_state, projected_size},
};
use super::committer::Kept;
use super::{
    fail::Result,
    layout::{IndexNumber, TableNumber, sql, unsigned},
};
use crate::Catalog;

/// Work that is done in small steps between the groups. All of it can be found again in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Makes the entries of an index for the rows that were there before it.
    Backfill { table: TableId, index: IndexNumber },
    /// Removes the entries of an index.
    PurgeIndex { index: IndexNumber },
    /// Removes the rows of a table, its indexes' entries before them.
    PurgeTable {
        table: TableNumber,
        /// What of them is kept aside.
        kept: Option<Arc<Kept>>,
    },
    /// Counts what the indexes of a table show, after damage was mended. This one is not in the database: a crash before it leaves
    /// the sizes of the indexes to the next time.
    CountEntries { table: TableId },
}

/// The committer's memory.
pub(super) struct State {
    pub(super) regions: Regions,
    pub(super) clock: HybridClock,
    pub(super) log: Log,
    /// The tables that this region holds, the two tables of definitions among them.
    pub(super) tables: BTreeMap<TableId, TableState>,
    pub(super) definitions: BTreeMap<TableId, Definition>,
    /// Indexes whose definition is gone and whose entries are being removed, with their tables.
    pub(super) leaving: Vec<(TableId, Index)>,
    pub(super) jobs: Vec<Job>,
    pub(super) streams: StreamStates,
    pub(super) catalog: Arc<Catalog>,
    /// Whether the catalog, or what readers must know of tables, changed in this group.
    pub(super) definitions_changed: bool,
    pub(super) next_table: TableNumber,
    pub(super) next_index: IndexNumber,
    /// The own sequence's last number.
    pub(super) sequence: u64,
}

impl State {
    /// Reads everything from the database. The clock and the sequence never go below `clock` and `sequence`: numbers that a failed
    /// group used are not used again.
    pub(super) fn load(connection: &Connection, own: &Region, mut clock: HybridClock, sequence: u64) -> Result<Self> {
        let regions = Regions::load(connection, own)?;
        let (stored_sequence, bound, log, next_table, next_index) = connection.query_row(
            "SELECT sequence, clock, last_position, trimmed, next_table, next_index FROM state",
            [],
            |row| {
                let log = Log::new(unsigned(row, 2)?, unsigned(row, 3)?);
                Ok((unsigned(row, 0)?, unsigned(row, 1)?, log, row.get(4)?, row.get(5)?))
            },
        )?;
        if clock.upper_bound() < HybridTime::from_u64(bound) {
            clock = HybridClock::restore(clock.wall().clone(), HybridTime::from_u64(bound), clock.max_offset_ms());
        }
        let mut state = Self {
            regions,
            clock,
            log,
            tables: BTreeMap::new(),
            definitions: BTreeMap::new(),
            leaving: Vec::new(),
            jobs: Vec::new(),
            streams: StreamStates::load(connection)?,
            catalog: Arc::default(),
            definitions_changed: true,
            next_table,
            next_index,
            sequence: sequence.max(stored_sequence),
        };
        state.log.load(connection)?;
        state.load_tables(connection)?;
        state.load_definitions(connection)?;
        state.load_indexes(connection)?;
        state.rebuild_catalog();
        Ok(state)
    }

    /// Writes what this group moved. Part of the group's transaction.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<()> {
        for table in self.tables.values_mut() {
            table.flush(connection)?;
        }
        connection
            .prepare_cached(
                "UPDATE state SET sequence = ?1, clock = ?2, last_position = ?3, trimmed = ?4, next_table = ?5,
                 next_index = ?6",
            )?
            .execute((
                sql(self.sequence),
                sql(self.clock.upper_bound().as_u64()),
                sql(self.log.last),
                sql(self.log.trimmed),
                self.next_table,
                self.next_index,
            ))?;
        Ok(())
    }
}
