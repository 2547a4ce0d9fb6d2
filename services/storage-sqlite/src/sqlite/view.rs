//! What readers know without asking the database: the state as of the last commit.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::{KeySchema, TableId, VersionVector};

use super::{
    layout::{IndexNumber, TableNumber},
    state::{Index, Job, KeptStreams, State},
};
use crate::{Catalog, StoreError};

/// An index as readers need it.
#[derive(Debug)]
pub(super) struct IndexView {
    pub(super) number: IndexNumber,
    pub(super) name: String,
    pub(super) keys: KeySchema,
    /// The attributes that it projects; `None` for all.
    pub(super) projected: Option<Vec<String>>,
}

/// A table as readers need it.
#[derive(Debug)]
pub(super) struct TableView {
    pub(super) number: TableNumber,
    pub(super) indexes: Vec<IndexView>,
}

/// What changes with definitions only.
#[derive(Debug, Default)]
pub(super) struct TableViews {
    pub(super) by_id: BTreeMap<TableId, TableView>,
    pub(super) by_number: BTreeMap<TableNumber, TableId>,
}

impl TableViews {
    pub(super) fn table(&self, id: TableId) -> Result<&TableView, StoreError> {
        self.by_id.get(&id).ok_or(StoreError::UnknownTable(id))
    }
}

/// The state as of one commit.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) tables: Arc<TableViews>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) streams: Arc<KeptStreams>,
    /// Of all tables but the local one.
    pub(super) vectors: Arc<BTreeMap<TableId, VersionVector>>,
    /// The log's last position.
    pub(super) end: u64,
    /// Whether rows that are removed are being put aside.
    pub(super) puts_aside: bool,
}

impl View {
    /// The state as it is now, which shares with `before` what did not change.
    pub(super) fn of(state: &mut State, before: Option<&Self>) -> Self {
        let tables = match before {
            Some(before) if !state.definitions_changed => before.tables.clone(),
            _ => Arc::new(table_views(state)),
        };
        let mut vectors: BTreeMap<_, _> = BTreeMap::new();
        for table in state.tables.values_mut() {
            let moved = std::mem::take(&mut table.moved);
            if moved {
                table.show_size();
                table.indexes.iter().for_each(Index::show_size);
            }
            if table.id == TableId::LOCAL {
                continue;
            }
            vectors.insert(table.id, table.progress.vector().clone());
        }
        state.definitions_changed = false;
        Self {
            tables,
            catalog: state.catalog.clone(),
            streams: state.streams.kept().clone(),
            vectors: Arc::new(vectors),
            end: state.log.last,
            puts_aside: state.jobs.iter().any(Job::puts_aside),
        }
    }
}

fn table_views(state: &State) -> TableViews {
    let mut views = TableViews::default();
    for table in state.tables.values() {
        let indexes = table.indexes.iter().map(|index| IndexView {
            number: index.number,
            name: index.name.clone(),
            keys: index.keys.clone(),
            projected: index.projected.clone(),
        });
        views.by_id.insert(
            table.id,
            TableView {
                number: table.number,
                indexes: indexes.collect(),
            },
        );
        views.by_number.insert(table.number, table.id);
    }
    views
}
