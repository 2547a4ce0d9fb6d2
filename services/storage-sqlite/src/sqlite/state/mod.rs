//! What the committer keeps in memory: a copy of what the database says, that moves with each group and is read anew where a group
//! fails.

mod definitions;
mod digests;
mod log;
mod regions;
mod streams;
mod table;

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::{HybridClock, HybridTime};
use beringia_item::{Region, TableId};
use rusqlite::{Connection, Row};

pub(super) use self::{
    definitions::{Definition, Home},
    digests::Digests,
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

impl Job {
    /// Whether it keeps some of what it removes.
    pub(super) const fn puts_aside(&self) -> bool {
        matches!(self, Self::PurgeTable { kept: Some(_), .. })
    }
}

/// What nearly every group moves. It only grows, and whatever row of the database has the greatest of it has it last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tip {
    /// The own sequence's last number.
    pub(super) sequence: u64,
    /// The clock's upper bound.
    pub(super) clock: u64,
    /// The log's last position.
    pub(super) position: u64,
}

impl Tip {
    /// From the columns sequence, clock and last_position, beginning with column `first`.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            sequence: unsigned(row, first)?,
            clock: unsigned(row, first + 1)?,
            position: unsigned(row, first + 2)?,
        })
    }

    fn max(self, other: Self) -> Self {
        Self {
            sequence: self.sequence.max(other.sequence),
            clock: self.clock.max(other.clock),
            position: self.position.max(other.position),
        }
    }
}

/// What the database's one row of state says, the tip apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    trimmed: u64,
    next_table: TableNumber,
    next_index: IndexNumber,
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
    /// What the database says of these.
    stored: (Tip, Numbers),
}

impl State {
    /// Reads everything from the database. The clock and the sequence never go below `clock` and `sequence`: numbers that a failed
    /// group used are not used again.
    pub(super) fn load(connection: &Connection, own: &Region, mut clock: HybridClock, sequence: u64) -> Result<Self> {
        let regions = Regions::load(connection, own)?;
        let (tip, numbers) = connection.query_row(
            "SELECT sequence, clock, last_position, trimmed, next_table, next_index FROM state",
            [],
            |row| {
                let numbers = Numbers {
                    trimmed: unsigned(row, 3)?,
                    next_table: row.get(4)?,
                    next_index: row.get(5)?,
                };
                Ok((Tip::read(row, 0)?, numbers))
            },
        )?;
        let mut tips = connection.prepare("SELECT sequence, clock, last_position FROM tables")?;
        let tip = tips
            .query_map([], |row| Tip::read(row, 0))?
            .try_fold(tip, |greatest, tip| tip.map(|tip| greatest.max(tip)))?;
        let bound = HybridTime::from_u64(tip.clock);
        if clock.upper_bound() < bound {
            clock = HybridClock::restore(clock.wall().clone(), bound, clock.max_offset_ms());
        }
        let mut state = Self {
            regions,
            clock,
            log: Log::new(tip.position, numbers.trimmed),
            tables: BTreeMap::new(),
            definitions: BTreeMap::new(),
            leaving: Vec::new(),
            jobs: Vec::new(),
            streams: StreamStates::load(connection)?,
            catalog: Arc::default(),
            definitions_changed: true,
            next_table: numbers.next_table,
            next_index: numbers.next_index,
            sequence: sequence.max(tip.sequence),
            stored: (tip, numbers),
        };
        state.log.load(connection)?;
        state.load_tables(connection)?;
        state.load_definitions(connection)?;
        state.load_indexes(connection)?;
        state.rebuild_catalog();
        Ok(state)
    }

    /// Writes what this group moved. Part of the group's transaction. The tip goes into the rows that are written anyway; so a group
    /// that only writes items changes no other row, and one that changed nothing writes nothing.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<()> {
        let tip = Tip {
            sequence: self.sequence,
            clock: self.clock.upper_bound().as_u64(),
            position: self.log.last,
        };
        for table in self.tables.values_mut() {
            if table.flush(connection, &tip)? {
                self.stored.0 = tip;
            }
        }
        let numbers = Numbers {
            trimmed: self.log.trimmed,
            next_table: self.next_table,
            next_index: self.next_index,
        };
        if self.stored == (tip, numbers) {
            return Ok(());
        }
        connection
            .prepare_cached(
                "UPDATE state SET sequence = ?1, clock = ?2, last_position = ?3, trimmed = ?4, next_table = ?5,
                 next_index = ?6 WHERE id = 1",
            )?
            .execute((
                sql(tip.sequence),
                sql(tip.clock),
                sql(tip.position),
                sql(numbers.trimmed),
                numbers.next_table,
                numbers.next_index,
            ))?;
        self.stored = (tip, numbers);
        Ok(())
    }
}
