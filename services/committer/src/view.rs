//! What readers know without asking the backend: the state as of the last commit.

use std::{collections::BTreeMap, sync::Arc};

use beringia_decisions::{IndexDefinition, KeptStreams, LogTimes, State, TableState};
use beringia_item::{TableId, VersionVector};
use beringia_storage::{
    Catalog, StoreError,
    backend::{IndexNumber, TableNumber},
};

/// An index as readers need it.
#[derive(Debug)]
pub(crate) struct IndexView {
    pub(crate) number: IndexNumber,
    pub(crate) definition: Arc<IndexDefinition>,
    /// The attributes that it projects; `None` for all.
    pub(crate) projected: Option<Arc<[String]>>,
}

/// A table as readers need it.
#[derive(Debug)]
pub(crate) struct TableView {
    pub(crate) number: TableNumber,
    /// Under which number its conflict journal is kept.
    pub(crate) journal: TableNumber,
    pub(crate) indexes: Vec<IndexView>,
}

/// What changes with definitions only.
#[derive(Debug, Default)]
pub(crate) struct TableViews {
    pub(crate) by_id: BTreeMap<TableId, TableView>,
    pub(crate) by_journal: BTreeMap<TableNumber, TableId>,
}

impl TableViews {
    pub(crate) fn table(&self, id: TableId) -> Result<&TableView, StoreError> {
        self.by_id.get(&id).ok_or(StoreError::UnknownTable(id))
    }
}

/// The state as of one commit.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) tables: Arc<TableViews>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) streams: Arc<KeptStreams>,
    pub(crate) log_times: Arc<LogTimes>,
    /// The tables as the committer has them.
    pub(crate) held: Arc<BTreeMap<TableId, Arc<TableState>>>,
    /// Of all tables but the local one.
    pub(crate) vectors: Arc<BTreeMap<TableId, VersionVector>>,
    /// The log's last position.
    pub(crate) end: u64,
    /// Whether unshipped writes of removed rows are being kept.
    pub(crate) keeps_unshipped: bool,
}

impl View {
    /// The state as it is now, which shares with `before` what did not change.
    pub(crate) fn of(state: &State, before: Option<&Self>) -> Self {
        let unchanged = before.filter(|before| Arc::ptr_eq(&before.catalog, &state.catalog));
        let tables = unchanged.map_or_else(|| Arc::new(table_views(state)), |before| before.tables.clone());
        let held = state.tables();
        let same = before.filter(|before| Arc::ptr_eq(&before.held, held));
        let vectors = same.map_or_else(|| Arc::new(vectors(state, before)), |same| same.vectors.clone());
        Self {
            tables,
            catalog: state.catalog.clone(),
            streams: state.streams.kept().clone(),
            log_times: state.log.times().clone(),
            held: held.clone(),
            vectors,
            end: state.log.last,
            keeps_unshipped: state.keeps_unshipped(),
        }
    }
}

/// The vectors of all tables but the local one. Where a table changed, catalogs show its new size.
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

fn table_views(state: &State) -> TableViews {
    let mut views = TableViews::default();
    for table in state.tables().values() {
        let indexes = table.indexes.iter().map(|index| IndexView {
            number: index.number,
            definition: index.definition.clone(),
            projected: index.projected.clone(),
        });
        views.by_id.insert(
            table.id,
            TableView {
                number: table.number,
                journal: table.journal,
                indexes: indexes.collect(),
            },
        );
        views.by_journal.insert(table.journal, table.id);
    }
    views
}
