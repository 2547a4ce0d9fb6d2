//! All of a region's state: reading it, and writing a group's changes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use beringia_clock::{HybridClock, HybridTime};
use beringia_item::{Origin, Region, TableId};
use beringia_storage::{
    Catalog, IndexState, OwnSequences, StoreError, Stream,
    backend::{IndexNumber, KeyRange, Keyspace, Snapshot, TableNumber, WriteSet},
};
use imbl::OrdMap;

use super::{
    definitions::Definition,
    digests::Digests,
    index::{Index, IndexDefinition, projected},
    job::Job,
    log::Log,
    origins::{self, Origins},
    progress::TableProgress,
    streams::StreamStates,
    table::{LocalReplica, TableRow, TableState, table_number},
    tip::{RegionRow, Tip},
};
use crate::{
    aspects,
    layout::{FIRST_TABLE, Fields},
};

/// The sequences of a database that is opened start at least at the wall clock's milliseconds,
/// shifted left by this many bits.
const SEQUENCE_SHIFT: u32 = 20;

/// The wall clock's milliseconds from which on a clock is taken to be wrong, in the year 2248. Its
/// sequences would leave no room for others.
const WRONG_CLOCK_MS: u64 = 1 << (63 - SEQUENCE_SHIFT);

/// The sequence that a database starts at which is opened at `now_ms`; 0 if the clock is wrong.
const fn first_sequence(now_ms: u64) -> u64 {
    if now_ms < WRONG_CLOCK_MS {
        now_ms << SEQUENCE_SHIFT
    } else {
        0
    }
}

/// The first rows of a new database of `own`, created at `now_ms`.
///
/// # Errors
/// Those of encoding a row, which do not occur in practice.
pub fn first_rows(own: &Origin, now_ms: u64) -> Result<WriteSet, StoreError> {
    let mut writes = WriteSet::default();
    let tip = Tip {
        sequence: first_sequence(now_ms),
        ..Tip::default()
    };
    let row = RegionRow {
        tip,
        trimmed: 0,
        expired: 0,
        next_table: FIRST_TABLE,
        next_index: 1,
        next_conflict: 1,
        next_unshipped: 1,
        own: Arc::new(OwnSequences::new(tip.sequence)),
    };
    row.write(&mut writes);
    origins::write(0, own, &mut writes);
    let keys = Arc::new(aspects::KEYS.clone());
    for (number, id) in [(1, TableId::CATALOG), (2, TableId::LOCAL)] {
        let table = TableState::new(id, number, keys.clone());
        table.row(Tip::default()).write(number, &mut writes)?;
    }
    Ok(writes)
}

/// The tables that a region holds. A copy shares all tables with the original, and a change copies
/// the way to one table: neither depends on the number of tables.
pub type HeldTables = OrdMap<TableId, Arc<TableState>>;

/// A region's state in memory.
#[derive(Debug, Clone)]
pub struct State {
    /// The origins that rows refer to.
    pub origins: Origins,
    pub(crate) clock: HybridClock,
    /// The ends of the log.
    pub log: Log,
    pub(super) tables: HeldTables,
    /// The held tables by number.
    numbers: Arc<BTreeMap<TableNumber, TableId>>,
    /// The tables that the group may have changed, added or removed.
    touched: BTreeSet<TableId>,
    pub(super) definitions: Arc<BTreeMap<TableId, Arc<Definition>>>,
    /// Indexes whose definition is gone and whose entries are being removed, with their tables.
    pub(crate) leaving: Arc<Vec<(TableId, Index)>>,
    pub(crate) jobs: Arc<Vec<Job>>,
    /// All streams that can be read.
    pub streams: StreamStates,
    /// The tables as callers see them.
    pub catalog: Arc<Catalog>,
    pub(crate) unreachable: Arc<BTreeMap<Region, u64>>,
    pub(crate) next_table: TableNumber,
    pub(crate) next_index: IndexNumber,
    pub(crate) next_conflict: u64,
    pub(crate) next_unshipped: u64,
    /// Until this wall time, in ms, no conflict or unshipped write can be due for removal.
    pub(crate) prune_ms: u64,
    /// The last own sequence that was assigned or skipped.
    pub(crate) sequence: u64,
    /// The store epoch, and the own sequences that were skipped.
    pub own: Arc<OwnSequences>,
    /// The region's row as it is stored.
    stored: RegionRow,
}

impl State {
    /// Reads the state. `max_offset_ms` is how far another region's time may be ahead of the wall
    /// clock.
    ///
    /// # Errors
    /// [`StoreError::Database`] if the backend fails; [`StoreError::Unreadable`] if its contents
    /// are damaged.
    pub fn load(snapshot: &dyn Snapshot, own: &Origin, max_offset_ms: u64) -> Result<Self, StoreError> {
        let stored = RegionRow::read(snapshot)?.ok_or_else(|| StoreError::damaged("it has no state"))?;
        let mut rows = Vec::new();
        snapshot.scan(Keyspace::Tables, &KeyRange::all(), &mut |key, row| {
            rows.push((table_number(key)?, TableRow::decode(row?)?));
            Ok(ControlFlow::Continue(()))
        })?;
        let tip = rows.iter().fold(stored.tip, |tip, (_, row)| tip.max(row.tip));
        let stored = RegionRow { tip, ..stored };
        let mut unreachable = BTreeMap::new();
        snapshot.scan(Keyspace::Unreachable, &KeyRange::all(), &mut |key, row| {
            let name = std::str::from_utf8(key).map_err(|error| StoreError::damaged(&error.to_string()))?;
            let region = Region::new(name).map_err(|error| StoreError::damaged(&error.to_string()))?;
            unreachable.insert(region, Fields(row?).u64()?);
            Ok(ControlFlow::Continue(()))
        })?;
        let mut state = Self {
            origins: Origins::load(snapshot, own)?,
            clock: HybridClock::restore(HybridTime::from_u64(tip.clock), max_offset_ms),
            log: Log::load(snapshot, tip.position, &stored)?,
            tables: HeldTables::new(),
            numbers: Arc::default(),
            touched: BTreeSet::new(),
            definitions: Arc::default(),
            leaving: Arc::default(),
            jobs: Arc::default(),
            streams: StreamStates::load(snapshot)?,
            catalog: Arc::default(),
            unreachable: Arc::new(unreachable),
            next_table: stored.next_table,
            next_index: stored.next_index,
            next_conflict: stored.next_conflict,
            next_unshipped: stored.next_unshipped,
            prune_ms: 0,
            sequence: tip.sequence,
            own: Arc::new(OwnSequences {
                opened: tip.sequence,
                ..OwnSequences::clone(&stored.own)
            }),
            stored,
        };
        state.load_tables(snapshot, rows)?;
        state.load_definitions(snapshot)?;
        state.load_indexes(snapshot)?;
        state.rebuild_catalog();
        Ok(state)
    }

    /// Continues the own sequence at the wall clock, so that a database that is an older copy
    /// reuses no sequence of the writes that it is missing (docs/decisions/0019). The skipped
    /// sequences are stored with the next group.
    pub fn start(&mut self, now_ms: u64) {
        let first = first_sequence(now_ms);
        if first > self.sequence {
            Arc::make_mut(&mut self.own).skip(self.sequence, first);
            self.sequence = first;
        }
        Arc::make_mut(&mut self.own).opened = self.sequence;
    }

    /// Begins a store epoch, since another region has this region's own write `known`, which this
    /// database never made. Returns the epoch, or `None` if the write belongs to this or an earlier
    /// epoch.
    pub(crate) fn begin_epoch(&mut self, known: u64) -> Option<u64> {
        let is_foreign = known > self.sequence || self.own.has_skipped(known);
        if !is_foreign || known <= self.own.epoch_start {
            return None;
        }
        let own = Arc::make_mut(&mut self.own);
        if known > self.sequence {
            own.skip(self.sequence, known);
            self.sequence = known;
        }
        own.epoch += 1;
        own.epoch_start = self.sequence;
        Some(own.epoch)
    }

    /// Advances the state so that it reuses no number or time that `former` may have used.
    #[must_use]
    pub fn beyond(mut self, former: &Self) -> Self {
        self.sequence = self.sequence.max(former.sequence);
        Arc::make_mut(&mut self.own).keep_gaps_of(&former.own);
        self.clock.take_in(former.clock.upper_bound());
        self
    }

    /// Reads the held tables, and the jobs of those that are being removed. Their keys come with
    /// the definitions.
    fn load_tables(&mut self, snapshot: &dyn Snapshot, rows: Vec<(TableNumber, TableRow)>) -> Result<(), StoreError> {
        let keys = Arc::new(aspects::KEYS.clone());
        for (number, row) in rows {
            if let LocalReplica::Removed { unshipped } = row.local {
                self.add_job(Job::PurgeTable {
                    table: number,
                    unshipped: unshipped.map(Arc::new),
                    journal: row.journal,
                });
                continue;
            }
            let mut table = TableState::new(row.id, number, keys.clone());
            table.changed = false;
            table.journal = row.journal;
            table.bootstrapped = row.bootstrapped;
            table.progress = TableProgress::decode(&row.progress, self.origins.names())?;
            table.digests = Digests::load(snapshot, number, &row.pending)?;
            table.show_sizes();
            self.insert_table(table);
        }
        Ok(())
    }

    /// Reads the indexes of the tables, and the jobs of those that are being filled or removed.
    fn load_indexes(&mut self, snapshot: &dyn Snapshot) -> Result<(), StoreError> {
        let mut indexes = Vec::new();
        snapshot.scan(Keyspace::Indexes, &KeyRange::all(), &mut |key, row| {
            indexes.push(Index::read(table_number(key)?, row?)?);
            Ok(ControlFlow::Continue(()))
        })?;
        for mut index in indexes {
            // The indexes of a table that is being removed are removed with it.
            let Some(table) = self.numbers.get(&index.table).copied() else {
                continue;
            };
            index.projected = self.projected_by(table, &index.definition);
            match index.state {
                IndexState::Deleting => {
                    self.add_job(Job::PurgeIndex { index: index.number });
                    Arc::make_mut(&mut self.leaving).push((table, index));
                    continue;
                }
                IndexState::Backfilling => self.add_job(Job::Backfill {
                    table,
                    index: index.number,
                }),
                IndexState::Active if index.recount.is_some() => self.add_job(Job::CountEntries { table }),
                IndexState::Active => {}
            }
            if let Some(table) = self.table_mut(table) {
                table.indexes.push(index);
            }
        }
        Ok(())
    }

    /// Adds a job at the end, unless it is there already.
    pub(crate) fn add_job(&mut self, job: Job) {
        if !self.jobs.contains(&job) {
            Arc::make_mut(&mut self.jobs).push(job);
        }
    }

    /// The attributes that an index projects; `None` for all.
    pub(crate) fn projected_by(&self, table: TableId, index: &IndexDefinition) -> Option<Arc<[String]>> {
        let core = self.definitions.get(&table)?.core()?;
        let local = core.local_indexes.get(&index.name).map(|index| &index.projection);
        let projection = index.global.as_ref().map(|index| &index.projection).or(local)?;
        projected(projection, &core.keys, &index.keys)
    }

    /// The tables that this region holds, including the two tables of definitions.
    #[must_use]
    pub const fn tables(&self) -> &HeldTables {
        &self.tables
    }

    /// The held tables by their numbers.
    #[must_use]
    pub const fn numbers(&self) -> &Arc<BTreeMap<TableNumber, TableId>> {
        &self.numbers
    }

    /// The tables that the last group may have changed, added or removed. All others are as they
    /// were before it.
    #[must_use]
    pub const fn touched(&self) -> &BTreeSet<TableId> {
        &self.touched
    }

    /// A copy of the state for a group, which has touched no table yet.
    pub(crate) fn for_group(&self) -> Self {
        let mut state = self.clone();
        state.touched.clear();
        state
    }

    pub(crate) fn table_mut(&mut self, id: TableId) -> Option<&mut TableState> {
        let table = self.tables.get_mut(&id)?;
        self.touched.insert(id);
        Some(Arc::make_mut(table))
    }

    pub(crate) fn insert_table(&mut self, table: TableState) {
        self.touched.insert(table.id);
        Arc::make_mut(&mut self.numbers).insert(table.number, table.id);
        self.tables.insert(table.id, Arc::new(table));
    }

    pub(crate) fn remove_table(&mut self, id: TableId) -> Option<Arc<TableState>> {
        let table = self.tables.remove(&id)?;
        self.touched.insert(id);
        Arc::make_mut(&mut self.numbers).remove(&table.number);
        Some(table)
    }

    pub(crate) fn definitions(&self) -> &BTreeMap<TableId, Arc<Definition>> {
        &self.definitions
    }

    pub(crate) fn definition_mut(&mut self, id: TableId) -> &mut Definition {
        let definition = Arc::make_mut(&mut self.definitions).entry(id).or_default();
        Arc::make_mut(definition)
    }

    pub(crate) fn set_definition(&mut self, id: TableId, definition: Definition) {
        let definitions = Arc::make_mut(&mut self.definitions);
        if definition.is_empty() {
            definitions.remove(&id);
        } else {
            definitions.insert(id, Arc::new(definition));
        }
    }

    /// The region's hybrid clock.
    #[must_use]
    pub const fn clock(&self) -> HybridClock {
        self.clock
    }

    /// Whether there is background work.
    #[must_use]
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Whether the unshipped writes of removed rows are still being saved.
    #[must_use]
    pub fn keeps_unshipped(&self) -> bool {
        self.jobs.iter().any(Job::keeps_unshipped)
    }

    /// The stream of a table that is enabled, or else the last one that can still be read.
    pub(super) fn latest_stream(&self, table: TableId) -> Option<Stream> {
        self.streams.of(table).next_back().map(|shown| shown.stream)
    }

    fn tip(&self) -> Tip {
        Tip {
            sequence: self.sequence,
            clock: self.clock.upper_bound().as_u64(),
            position: self.log.last,
        }
    }

    /// Writes what the group changed. The tip is added to rows that are written anyway. A group
    /// that only writes items therefore changes no other row, and one that changed nothing writes
    /// nothing.
    pub(crate) fn flush(&mut self, before: &Self, now_ms: u64, writes: &mut WriteSet) -> Result<(), StoreError> {
        self.log.note_time(now_ms, writes);
        let tip = self.tip();
        debug_assert!(tip.max(before.tip()) == tip, "sequence, clock and log only grow");
        for id in &self.touched {
            if let Some(table) = self.tables.get_mut(id)
                && Arc::make_mut(table).flush(tip, writes)?
            {
                self.stored.tip = tip;
            }
        }
        let row = RegionRow {
            tip,
            trimmed: self.log.trimmed,
            expired: self.log.expired,
            next_table: self.next_table,
            next_index: self.next_index,
            next_conflict: self.next_conflict,
            next_unshipped: self.next_unshipped,
            own: self.own.clone(),
        };
        if self.stored != row {
            row.write(writes);
            self.stored = row;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_follow_the_clock_unless_it_is_wrong() {
        assert_eq!(first_sequence(1_700_000_000_000), 1_700_000_000_000 << 20);
        let last = first_sequence(WRONG_CLOCK_MS - 1);
        assert!(last > first_sequence(WRONG_CLOCK_MS - 2) && i64::try_from(last).is_ok());
        for wrong_ms in [WRONG_CLOCK_MS, 1_000_000_000_000_000, u64::MAX] {
            assert_eq!(first_sequence(wrong_ms), 0);
        }
    }
}
