//! The state that readers know without asking the backend, as of the last commit.

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::HybridClock;
use beringia_decisions::{KeptStreams, LogHolds, LogTimes, State, TableState};
use beringia_item::{TableId, VersionVector};
use beringia_storage::{Catalog, LogHold, LogState, OwnSequences, StoreError, backend::OriginNumber};

/// The state as of one commit.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) streams: Arc<KeptStreams>,
    pub(crate) log_times: Arc<LogTimes>,
    /// The held tables, as the committer has them.
    pub(crate) held: Arc<BTreeMap<TableId, Arc<TableState>>>,
    /// The vectors of all tables except the local one.
    pub(crate) vectors: Arc<BTreeMap<TableId, VersionVector>>,
    /// The hybrid clock, with the latest time that was issued or taken in.
    pub(crate) clock: HybridClock,
    /// The last position of the log.
    pub(crate) end: u64,
    /// The position up to which the log is trimmed, except for tables that are held up.
    pub(crate) trimmed: u64,
    /// The tables that are held up.
    pub(crate) holds: LogHolds,
    /// Whether unshipped writes of removed rows are still being saved.
    pub(crate) keeps_unshipped: bool,
    /// The store epoch and the own sequences.
    pub(crate) own: Arc<OwnSequences>,
    /// The number of the region's own origin.
    own_number: OriginNumber,
}

impl View {
    /// The current state. It shares with `before` everything that did not change.
    pub(crate) fn of(state: &State, before: Option<&Self>) -> Self {
        let held = state.tables();
        let same = before.filter(|before| Arc::ptr_eq(&before.held, held));
        let vectors = same.map_or_else(|| Arc::new(vectors(state, before)), |same| same.vectors.clone());
        Self {
            catalog: state.catalog.clone(),
            streams: state.streams.kept().clone(),
            log_times: state.log.times().clone(),
            held: held.clone(),
            vectors,
            clock: state.clock(),
            end: state.log.last,
            trimmed: state.log.trimmed,
            holds: state.log.holds.clone(),
            keeps_unshipped: state.keeps_unshipped(),
            own: state.own.clone(),
            own_number: state.origins.own(),
        }
    }

    /// What the database knows about the region's own sequences.
    pub(crate) fn own_sequences(&self) -> OwnSequences {
        let copied = |(id, table): (&TableId, &Arc<TableState>)| {
            let low_watermark = table.progress.origin(self.own_number).low_watermark;
            (low_watermark > 0).then_some((*id, low_watermark))
        };
        OwnSequences {
            copied: self.held.iter().filter_map(copied).collect(),
            ..OwnSequences::clone(&self.own)
        }
    }

    /// The progress of the trim.
    pub(crate) fn log_state(&self) -> LogState {
        let id_of = |number| {
            let mut tables = self.held.values();
            tables.find(|table| table.number == number).map(|table| table.id)
        };
        let holds = self.holds.iter().map(|(number, hold)| LogHold {
            table: id_of(number),
            reason: hold.reason.clone(),
            since_ms: hold.since_ms,
            positions: (self.end + 1).saturating_sub(hold.position),
        });
        LogState {
            untrimmed: self.end.saturating_sub(self.trimmed),
            holds: holds.collect(),
        }
    }

    /// The state of a held table.
    pub(crate) fn table(&self, id: TableId) -> Result<&TableState, StoreError> {
        let table = self.held.get(&id).ok_or(StoreError::UnknownTable(id))?;
        Ok(table)
    }
}

/// The vectors of all tables except the local one. If a table changed, its new size is published to
/// catalogs.
fn vectors(state: &State, before: Option<&View>) -> BTreeMap<TableId, VersionVector> {
    let mut vectors = BTreeMap::new();
    for (id, table) in state.tables().iter() {
        let was = before.and_then(|before| before.held.get(id));
        if !was.is_some_and(|was| Arc::ptr_eq(was, table)) {
            table.show_sizes();
        }
        if *id != TableId::LOCAL {
            vectors.insert(*id, table.progress.vector().clone());
        }
    }
    vectors
}
