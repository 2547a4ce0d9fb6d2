//! The state that readers know without asking the backend, as of the last commit.

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::HybridClock;
use beringia_decisions::{HeldTables, KeptStreams, LogHolds, LogTimes, State, TableState};
use beringia_item::TableId;
use beringia_storage::{
    Catalog, LogHold, LogState, OwnSequences, SharedVectors, StoreError,
    backend::{OriginNumber, TableNumber},
};

/// The state as of one commit.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) streams: Arc<KeptStreams>,
    pub(crate) log_times: Arc<LogTimes>,
    /// The held tables, as the committer has them.
    pub(crate) held: HeldTables,
    /// The held tables by number.
    pub(crate) numbers: Arc<BTreeMap<TableNumber, TableId>>,
    /// The vectors of all tables except the local one.
    pub(crate) vectors: SharedVectors,
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
    /// The state as it was read.
    pub(crate) fn of(state: &State) -> Self {
        Self::with(state, vectors(state, SharedVectors::new(), state.tables().keys()))
    }

    /// The state after the group that followed this view. Only the tables that the group touched
    /// are visited.
    pub(crate) fn after(&self, state: &State) -> Self {
        Self::with(state, vectors(state, self.vectors.clone(), state.touched()))
    }

    fn with(state: &State, vectors: SharedVectors) -> Self {
        Self {
            catalog: state.catalog.clone(),
            streams: state.streams.kept().clone(),
            log_times: state.log.times().clone(),
            held: state.tables().clone(),
            numbers: state.numbers().clone(),
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
        let holds = self.holds.iter().map(|(number, hold)| LogHold {
            table: self.numbers.get(&number).copied(),
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

/// The vectors with those of these tables, which changed. Their new sizes are published to
/// catalogs. The local table has no vector.
fn vectors<'t>(
    state: &State,
    mut vectors: SharedVectors,
    changed: impl IntoIterator<Item = &'t TableId>,
) -> SharedVectors {
    for id in changed {
        let Some(table) = state.tables().get(id) else {
            vectors.remove(id);
            continue;
        };
        table.show_sizes();
        let vector = table.progress.vector();
        if *id != TableId::LOCAL && vectors.get(id) != Some(vector) {
            vectors.insert(*id, vector.clone());
        }
    }
    vectors
}
