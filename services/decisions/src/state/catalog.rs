//! The catalog that callers see, built from the definitions.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use beringia_item::{TableId, decode_item};
use beringia_storage::{
    Aspect, AspectName, Billing, Catalog, EXPIRY_INDEX, GlobalIndex, IndexState, LocalSettings, StoreError, Table,
    TableSize, Throughput,
    backend::{Detail, Snapshot},
};

use super::{
    definitions::{Definition, Home},
    region::State,
    table::TableState,
};
use crate::{
    aspects,
    layout::{all_keys, stored_key},
};

impl State {
    /// Reads the aspects of all tables from the two tables of definitions.
    pub(super) fn load_definitions(&mut self, snapshot: &dyn Snapshot) -> Result<(), StoreError> {
        let mut definitions: BTreeMap<TableId, Definition> = BTreeMap::new();
        for home in [Home::Catalog, Home::Local] {
            let Some(table) = self.tables.get(&home.table()) else {
                return Err(StoreError::damaged("it has no table of definitions"));
            };
            snapshot.scan_items(&all_keys(table.number), Detail::Item, &mut |key, row, record| {
                if !row?.is_live() {
                    return Ok(ControlFlow::Continue(()));
                }
                let key = stored_key(key);
                let image = record.map(|record| record.current_image()).transpose()?.flatten();
                let image = image.ok_or_else(|| StoreError::damaged("the record of a definition is missing"))?;
                let item = decode_item(image).map_err(|error| StoreError::damaged(&error.to_string()))?;
                let (Some((id, name)), Some(aspect)) = (aspects::parse_key(&key), aspects::from_item(&item)) else {
                    tracing::warn!(?key, "a definition has an aspect that this version does not know");
                    return Ok(ControlFlow::Continue(()));
                };
                definitions.entry(id).or_default().home_mut(home).insert(name, aspect);
                Ok(ControlFlow::Continue(()))
            })?;
        }
        for (id, definition) in &definitions {
            if let Some(core) = definition.core()
                && let Some(table) = self.table_mut(*id)
            {
                table.keys = Arc::new(core.keys.clone());
                table.policy = definition.conflict_policy().unwrap_or_default();
            }
        }
        let shared = definitions
            .into_iter()
            .map(|(id, definition)| (id, Arc::new(definition)));
        self.definitions = Arc::new(shared.collect());
        Ok(())
    }

    /// Builds the whole catalog again.
    pub(crate) fn rebuild_catalog(&mut self) {
        let tables: Vec<Table> = self.definitions.keys().filter_map(|id| self.describe(*id)).collect();
        self.catalog = Arc::new(tables.into_iter().collect());
    }

    /// Updates one table in the catalog.
    pub(crate) fn refresh_catalog(&mut self, id: TableId) {
        let described = self.describe(id).map(Arc::new);
        let catalog = Arc::make_mut(&mut self.catalog);
        remove(catalog, id);
        if let Some(table) = described {
            if table.held {
                catalog.by_name.insert(table.core.name.clone(), table.clone());
            }
            catalog.by_id.insert(id, table);
        }
        debug_assert!(
            catalog.by_name.len() <= catalog.by_id.len(),
            "each table with a name has an id"
        );
    }

    /// One table as the catalog shows it; `None` if its core is not known.
    fn describe(&self, id: TableId) -> Option<Table> {
        let definition = self.definitions.get(&id)?;
        let held = self.tables.get(&id);
        let replicas = definition
            .replicas()
            .map(|(region, replica)| (region.clone(), replica.clone()))
            .collect();
        Some(Table {
            id,
            core: definition.core()?.clone(),
            billing: match definition.aspect(&AspectName::Billing) {
                Some(Aspect::Billing(billing)) => *billing,
                _ => Billing::default(),
            },
            throughput: match definition.aspect(&AspectName::Throughput) {
                Some(Aspect::Throughput(throughput)) => *throughput,
                _ => Throughput::OnDemand,
            },
            time_to_live: definition.time_to_live().map(str::to_owned),
            encryption: match definition.aspect(&AspectName::Encryption) {
                Some(Aspect::Encryption(key)) => key.clone(),
                _ => None,
            },
            stream: definition.stream(),
            latest_stream: definition.stream().or_else(|| self.latest_stream(id)),
            global_indexes: self.describe_indexes(id, definition),
            conflict_policy: definition.conflict_policy(),
            index_sizes: held.map(|table| index_sizes(table)).unwrap_or_default(),
            replicas,
            local: match definition.aspect(&AspectName::Local) {
                Some(Aspect::Local(settings)) => settings.clone(),
                _ => LocalSettings::default(),
            },
            held: held.is_some(),
            replica_epoch: held.map_or(0, |table| table.number),
            bootstrapped: held.is_some_and(|table| table.bootstrapped),
            size: held.map_or_else(|| Arc::new(TableSize::default()), |table| table.size.clone()),
        })
    }

    fn describe_indexes(&self, id: TableId, definition: &Definition) -> BTreeMap<String, (GlobalIndex, IndexState)> {
        let mut indexes = BTreeMap::new();
        for (table, index) in self.leaving.iter() {
            if let (true, Some(global)) = (*table == id, &index.definition.global) {
                indexes.insert(index.definition.name.clone(), (global.clone(), IndexState::Deleting));
            }
        }
        let held = self.tables.get(&id);
        for (name, global) in definition.global_indexes() {
            let made = held.and_then(|table| table.indexes.iter().find(|index| index.definition.name == *name));
            let state = made.map_or(IndexState::Active, |index| index.state);
            indexes.insert(name.clone(), (global.clone(), state));
        }
        indexes
    }
}

/// The sizes of a table's indexes, except the internal one.
fn index_sizes(table: &TableState) -> BTreeMap<String, Arc<TableSize>> {
    let clients = table
        .indexes
        .iter()
        .filter(|index| index.definition.name != EXPIRY_INDEX);
    clients
        .map(|index| (index.definition.name.clone(), index.shown.clone()))
        .collect()
}

fn remove(catalog: &mut Catalog, id: TableId) {
    if let Some(old) = catalog.by_id.remove(&id)
        && catalog.by_name.get(&old.core.name).is_some_and(|table| table.id == id)
    {
        catalog.by_name.remove(&old.core.name);
    }
}
