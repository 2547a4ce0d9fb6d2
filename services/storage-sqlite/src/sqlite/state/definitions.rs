//! Definitions in memory: the aspects of each table, by where they are kept, and the catalog made of them.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::{ConflictPolicy, Region, TableId, decode_item};
use rusqlite::Connection;

use super::{State, TableState};
use crate::{
    Aspect, AspectName, Catalog, Core, EXPIRY_INDEX, GlobalIndex, IndexState, Replica, ReplicaStatus, Stream, Table,
    TableSize, Throughput,
    sqlite::{
        aspects,
        fail::{Fail, Result},
        layout::{row_key, stored_key},
    },
};

/// Which of the two tables of definitions an aspect is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Home {
    /// [`TableId::CATALOG`].
    Catalog,
    /// [`TableId::LOCAL`].
    Local,
}

impl Home {
    pub(in crate::sqlite) const fn table(self) -> TableId {
        match self {
            Self::Catalog => TableId::CATALOG,
            Self::Local => TableId::LOCAL,
        }
    }

    pub(in crate::sqlite) const fn of(table: TableId) -> Option<Self> {
        match table {
            TableId::CATALOG => Some(Self::Catalog),
            TableId::LOCAL => Some(Self::Local),
            _ => None,
        }
    }
}

/// Everything that is known of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sqlite) struct Definition {
    /// The aspects that all regions share.
    pub(in crate::sqlite) shared: BTreeMap<AspectName, Aspect>,
    /// The aspects that are this region's alone: all of a regional table, the local settings of a global one.
    pub(in crate::sqlite) local: BTreeMap<AspectName, Aspect>,
}

impl Definition {
    pub(in crate::sqlite) const fn home_mut(&mut self, home: Home) -> &mut BTreeMap<AspectName, Aspect> {
        match home {
            Home::Catalog => &mut self.shared,
            Home::Local => &mut self.local,
        }
    }

    pub(in crate::sqlite) fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.local.is_empty()
    }

    /// Whether it is in the catalog.
    pub(in crate::sqlite) fn is_global(&self) -> bool {
        !self.shared.is_empty()
    }

    fn aspect(&self, name: &AspectName) -> Option<&Aspect> {
        if *name == AspectName::Local || !self.is_global() {
            self.local.get(name)
        } else {
            self.shared.get(name)
        }
    }

    pub(in crate::sqlite) fn core(&self) -> Option<&Core> {
        match self.aspect(&AspectName::Core) {
            Some(Aspect::Core(core)) => Some(core),
            _ => None,
        }
    }

    /// The attribute that says when an item expires.
    pub(in crate::sqlite) fn time_to_live(&self) -> Option<&str> {
        match self.aspect(&AspectName::TimeToLive) {
            Some(Aspect::TimeToLive(attribute)) => attribute.as_deref(),
            _ => None,
        }
    }

    /// The stream, where it is on.
    pub(in crate::sqlite) fn stream(&self) -> Option<Stream> {
        match self.aspect(&AspectName::Stream) {
            Some(Aspect::Stream(stream)) => *stream,
            _ => None,
        }
    }

    /// All replicas; what the others say of one that they dropped goes before what it says itself.
    pub(in crate::sqlite) fn replicas(&self) -> impl Iterator<Item = (&Region, &Replica)> {
        self.shared.values().filter_map(|aspect| match aspect {
            Aspect::Replica { region, replica } => Some((region, self.dropped(region).unwrap_or(replica))),
            _ => None,
        })
    }

    fn dropped(&self, region: &Region) -> Option<&Replica> {
        match self.shared.get(&AspectName::Dropped(region.clone())) {
            Some(Aspect::Dropped { replica, .. }) => Some(replica),
            _ => None,
        }
    }

    pub(in crate::sqlite) fn replica(&self, region: &Region) -> Option<&Replica> {
        self.replicas()
            .find(|(name, _)| *name == region)
            .map(|(_, replica)| replica)
    }

    pub(in crate::sqlite) fn global_indexes(&self) -> impl Iterator<Item = (&String, &GlobalIndex)> {
        let aspects = if self.is_global() { &self.shared } else { &self.local };
        aspects.values().filter_map(|aspect| match aspect {
            Aspect::GlobalIndex { name, index } => Some((name, index)),
            _ => None,
        })
    }

    pub(in crate::sqlite) fn conflict_policy(&self) -> Option<ConflictPolicy> {
        match self.aspect(&AspectName::ConflictPolicy) {
            Some(Aspect::ConflictPolicy(policy)) => *policy,
            _ => None,
        }
    }

    /// Whether the others dropped that region's replica.
    pub(in crate::sqlite) fn is_dropped(&self, region: &Region) -> bool {
        let replica = self.replica(region);
        replica.is_some_and(|replica| matches!(replica.status, ReplicaStatus::Dropped { .. }))
    }

    /// Whether the definition asks `own` to hold the table's rows.
    pub(in crate::sqlite) fn wants_rows_in(&self, own: &Region) -> bool {
        // One that the others dropped keeps its rows until it begins anew.
        let wants = |replica: &Replica| {
            replica.status.is_member() || matches!(replica.status, ReplicaStatus::Dropped { returns: true, .. })
        };
        self.core().is_some() && (!self.is_global() || self.replica(own).is_some_and(wants))
    }
}

impl State {
    /// The aspects of all tables, from the rows of the two tables of definitions.
    pub(super) fn load_definitions(&mut self, connection: &Connection) -> Result<()> {
        for home in [Home::Catalog, Home::Local] {
            let Some(table) = self.tables.get(&home.table()) else {
                return Err(Fail::damaged("it has no table of definitions"));
            };
            let mut statement = connection.prepare(
                "SELECT i.k, l.image FROM item i JOIN log l ON l.pos = i.pos WHERE i.k >= ?1 AND i.k < ?2 AND i.size > 0",
            )?;
            let mut rows = statement.query((row_key(table.number, &[]), row_key(table.number + 1, &[])))?;
            while let Some(row) = rows.next()? {
                let key = stored_key(&row.get::<_, Vec<u8>>(0)?);
                let image: Vec<u8> = row.get(1)?;
                let item = decode_item(&image).map_err(|error| Fail::damaged(&error.to_string()))?;
                let (Some((id, name)), Some(aspect)) = (aspects::parse_key(&key), aspects::from_item(&item)) else {
                    tracing::warn!(?key, "a definition has an aspect that this version does not know");
                    continue;
                };
                self.definitions
                    .entry(id)
                    .or_default()
                    .home_mut(home)
                    .insert(name, aspect);
            }
        }
        for (id, definition) in &self.definitions {
            if let (Some(table), Some(core)) = (self.tables.get_mut(id), definition.core()) {
                table.keys = core.keys.clone();
                table.policy = definition.conflict_policy().unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Makes the whole catalog anew.
    pub(super) fn rebuild_catalog(&mut self) {
        let tables: Vec<Table> = self.definitions.keys().filter_map(|id| self.describe(*id)).collect();
        self.catalog = Arc::new(tables.into_iter().collect());
    }

    /// Puts what is known now of one table into the catalog.
    pub(in crate::sqlite) fn refresh_catalog(&mut self, id: TableId) {
        let described = self.describe(id).map(Arc::new);
        let catalog = Arc::make_mut(&mut self.catalog);
        remove(catalog, id);
        if let Some(table) = described {
            if table.held {
                catalog.by_name.insert(table.core.name.clone(), table.clone());
            }
            catalog.by_id.insert(id, table);
        }
        self.definitions_changed = true;
    }

    /// One table as the catalog shows it; `None` where its core is not known.
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
                _ => crate::Billing::default(),
            },
            throughput: match definition.aspect(&AspectName::Throughput) {
                Some(Aspect::Throughput(throughput)) => *throughput,
                _ => Throughput::OnDemand,
            },
            time_to_live: definition.time_to_live().map(str::to_owned),
            stream: definition.stream(),
            latest_stream: definition.stream().or_else(|| self.latest_stream(id)),
            global_indexes: self.describe_indexes(id, definition),
            conflict_policy: definition.conflict_policy(),
            index_sizes: held.map(index_sizes).unwrap_or_default(),
            replicas,
            local: match definition.aspect(&AspectName::Local) {
                Some(Aspect::Local(settings)) => settings.clone(),
                _ => crate::LocalSettings::default(),
            },
            held: held.is_some(),
            holding: held.map_or(0, |table| table.number),
            joined: held.is_some_and(|table| table.joined),
            size: held.map_or_else(|| Arc::new(TableSize::default()), |table| table.size.clone()),
        })
    }

    fn describe_indexes(&self, id: TableId, definition: &Definition) -> BTreeMap<String, (GlobalIndex, IndexState)> {
        let mut indexes = BTreeMap::new();
        for (table, index) in &self.leaving {
            if let (true, Some(global)) = (*table == id, &index.global) {
                indexes.insert(index.name.clone(), (global.clone(), IndexState::Deleting));
            }
        }
        let held = self.tables.get(&id);
        for (name, global) in definition.global_indexes() {
            let made = held.and_then(|table| table.indexes.iter().find(|index| index.name == *name));
            let state = made.map_or(IndexState::Active, |index| index.state);
            indexes.insert(name.clone(), (global.clone(), state));
        }
        indexes
    }
}

/// How much each index of a table shows, but for the store's own.
fn index_sizes(table: &TableState) -> BTreeMap<String, Arc<TableSize>> {
    let clients = table.indexes.iter().filter(|index| index.name != EXPIRY_INDEX);
    clients.map(|index| (index.name.clone(), index.shown.clone())).collect()
}

fn remove(catalog: &mut Catalog, id: TableId) {
    if let Some(old) = catalog.by_id.remove(&id)
        && catalog.by_name.get(&old.core.name).is_some_and(|table| table.id == id)
    {
        catalog.by_name.remove(&old.core.name);
    }
}
