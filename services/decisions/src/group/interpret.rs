//! Carries out definitions: tables and indexes are added and removed as their aspects say,
//! whichever region wrote them.

use std::sync::Arc;

use beringia_item::{KeyBytes, TableId, VersionVector, decode_item};
use beringia_storage::{Aspect, EXPIRY_INDEX, GlobalIndex, IndexState, backend::Detail, expiry_keys};

use super::{
    event::StoreEvent,
    workspace::{Group, Result},
};
use crate::{
    aspects,
    state::{Definition, Home, Index, IndexDefinition, IndexSize, Job, LocalReplica, TableState, Tip},
    unshipped::UnshippedFilter,
};

/// The author of a change of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// This region, when it created the table.
    Creation,
    /// This region, by a later change.
    Own,
    /// Other regions, as far as is known.
    Others,
}

impl Group<'_> {
    /// Interprets the tables whose definitions are among these rows.
    pub(super) fn reinterpret<'k>(&mut self, rows: impl Iterator<Item = (TableId, &'k KeyBytes)>) -> Result<()> {
        let mut affected = Vec::new();
        for (table, key) in rows {
            let Some(home) = Home::of(table) else { continue };
            let Some((id, name)) = aspects::parse_key(key).filter(|(id, _)| Home::of(*id).is_none()) else {
                tracing::warn!(?key, "a definition has an aspect that this version does not know");
                continue;
            };
            let aspect = self.current_aspect(table, key)?.filter(|aspect| aspect.name() == name);
            let definition = self.state.definition_mut(id);
            match aspect {
                Some(aspect) => drop(definition.home_mut(home).insert(name, aspect)),
                None => drop(definition.home_mut(home).remove(&name)),
            }
            if !affected.contains(&id) {
                affected.push(id);
            }
        }
        for id in affected {
            self.interpret(id, By::Others)?;
        }
        Ok(())
    }

    /// The current aspect under a key.
    fn current_aspect(&self, table: TableId, key: &KeyBytes) -> Result<Option<Aspect>> {
        let row_key = self.table(table)?.row_key(key);
        let current = self.current(&row_key, Detail::Item)?;
        let image = current.as_ref().and_then(|current| current.image());
        Ok(image
            .and_then(|image| decode_item(image).ok())
            .and_then(|item| aspects::from_item(&item)))
    }

    /// Makes this region's replica exactly what the definition of a table says.
    pub(super) fn interpret(&mut self, id: TableId, by: By) -> Result<()> {
        let definition = self.definition(id);
        let wanted = definition.wants_rows_in(&self.environment.region);
        let is_held = self.state.tables().contains_key(&id);
        if definition.is_dropped(&self.environment.region) {
            // The table stays as it is until everything that arrived together has been read.
        } else if is_held && !wanted {
            let shipped = self.shipped_before_removal(id, &definition, by)?;
            self.remove_replica(id, &definition, shipped)?;
            self.hand_on_name(id)?;
        } else if let Some(core) = definition.core().filter(|_| wanted && !is_held)
            && self.take_name(id, &core.name)?
        {
            self.add_replica(id, &definition, by == By::Creation || !definition.is_global());
        }
        if let (Some(table), Some(core)) = (self.state.table_mut(id), definition.core()) {
            // If the core was lost to damage, it is back now.
            table.keys = Arc::new(core.keys.clone());
            table.policy = definition.conflict_policy().unwrap_or_default();
        }
        self.reconcile_indexes(id)?;
        self.reconcile_stream(id)?;
        if self
            .state
            .definitions()
            .get(&id)
            .is_some_and(|definition| definition.is_empty())
        {
            self.state.set_definition(id, Definition::default());
        }
        self.state.refresh_catalog(id);
        Ok(())
    }

    /// Adds a replica in this region.
    fn add_replica(&mut self, id: TableId, definition: &Definition, bootstrapped: bool) {
        let Some(core) = definition.core() else { return };
        let number = self.state.next_table;
        self.state.next_table += 1;
        let mut table = TableState::new(id, number, Arc::new(core.keys.clone()));
        table.bootstrapped = bootstrapped;
        self.state.insert_table(table);
        self.events.push(StoreEvent::ReplicaAdded {
            table: id,
            name: core.name.clone(),
            bootstrapped,
        });
    }

    /// Removes this region's replica of a table. Its rows are removed in the background, its local
    /// settings now. Writes that `shipped` does not cover are kept as unshipped.
    pub(super) fn remove_replica(
        &mut self,
        id: TableId,
        definition: &Definition,
        shipped: Option<VersionVector>,
    ) -> Result<()> {
        let Some(table) = self.state.remove_table(id) else {
            return Ok(());
        };
        // The definition may be gone; the catalog is refreshed after this.
        let name = self.state.catalog.by_id.get(&id).map(|shown| shown.core.name.clone());
        let unshipped = shipped.map(|has| {
            let keys = definition.core().map_or(&*table.keys, |core| &core.keys).clone();
            UnshippedFilter::of(id, keys, name.unwrap_or_default(), has)
        });
        let mut row = table.row(Tip::default());
        row.local = LocalReplica::Removed {
            unshipped: unshipped.as_deref().cloned(),
        };
        row.write(table.number, &mut self.writes)?;
        Arc::make_mut(&mut self.state.leaving).retain(|(leaving, _)| *leaving != id);
        let stays = |job: &Job| match job {
            Job::Backfill { table, .. } | Job::CountEntries { table } => *table != id,
            Job::PurgeIndex { .. } | Job::PurgeTable { .. } => true,
        };
        let jobs = Arc::make_mut(&mut self.state.jobs);
        jobs.retain(stays);
        jobs.push(Job::PurgeTable {
            table: table.number,
            unshipped,
            journal: table.journal,
        });
        self.events.push(StoreEvent::ReplicaRemoved(id));
        if definition.is_global() && !definition.local.is_empty() {
            let shared_only = Definition {
                shared: definition.shared.clone(),
                ..Definition::default()
            };
            self.write_consequences(&[(id, shared_only)].into())?;
        }
        Ok(())
    }

    /// Makes the indexes of a held table those that its definition names.
    fn reconcile_indexes(&mut self, id: TableId) -> Result<()> {
        let wanted = wanted_indexes(&self.definition(id));
        let Some(table) = self.state.tables().get(&id) else {
            return Ok(());
        };
        let is_kept = |made: &Index| {
            let shows = |global: &Option<GlobalIndex>| global.as_ref().map(|index| index.projection.clone());
            wanted.iter().any(|wanted| {
                let made = &made.definition;
                wanted.name == made.name && wanted.keys == made.keys && shows(&wanted.global) == shows(&made.global)
            })
        };
        let is_same = table.indexes.len() == wanted.len()
            && wanted
                .iter()
                .all(|wanted| table.indexes.iter().any(|made| *made.definition == *wanted));
        if is_same {
            return Ok(());
        }
        let (kept, gone): (Vec<Index>, Vec<Index>) = table.indexes.iter().cloned().partition(is_kept);
        self.table_mut(id)?.indexes = kept;
        for wanted in wanted {
            let indexes = &mut self.table_mut(id)?.indexes;
            let made = indexes.iter_mut().find(|made| made.definition.name == wanted.name);
            match made {
                Some(made) if made.definition.global != wanted.global => {
                    made.definition = Arc::new(wanted);
                    made.clone().write(&mut self.writes)?;
                }
                Some(_) => {}
                None => self.make_index(id, wanted)?,
            }
        }
        for index in gone {
            self.remove_index(id, index)?;
        }
        Ok(())
    }

    fn make_index(&mut self, id: TableId, definition: IndexDefinition) -> Result<()> {
        let number = self.state.next_index;
        self.state.next_index += 1;
        let projected = self.state.projected_by(id, &definition);
        let table = self.table_mut(id)?;
        let empty = table.digests.totals().0 == 0;
        let state = if empty {
            IndexState::Active
        } else {
            IndexState::Backfilling
        };
        let added = StoreEvent::IndexAdded {
            table: id,
            index: definition.name.clone(),
            state,
        };
        let index = Index {
            number,
            table: table.number,
            definition: Arc::new(definition),
            state,
            cursor: None,
            projected,
            size: IndexSize::default(),
            recount: None,
            shown: Arc::default(),
        };
        table.indexes.push(index.clone());
        self.events.push(added);
        index.write(&mut self.writes)?;
        if !empty {
            self.state.add_job(Job::Backfill {
                table: id,
                index: number,
            });
        }
        Ok(())
    }

    fn remove_index(&mut self, id: TableId, mut index: Index) -> Result<()> {
        self.events.push(StoreEvent::IndexLeaves {
            table: id,
            index: index.definition.name.clone(),
        });
        index.state = IndexState::Deleting;
        index.write(&mut self.writes)?;
        let number = index.number;
        let jobs = Arc::make_mut(&mut self.state.jobs);
        jobs.retain(|job| {
            *job != Job::Backfill {
                table: id,
                index: number,
            }
        });
        jobs.push(Job::PurgeIndex { index: number });
        Arc::make_mut(&mut self.state.leaving).push((id, index));
        Ok(())
    }
}

/// The indexes that a definition asks for.
fn wanted_indexes(definition: &Definition) -> Vec<IndexDefinition> {
    let local = definition.core().into_iter().flat_map(|core| &core.local_indexes);
    let local = local.map(|(name, index)| IndexDefinition {
        name: name.clone(),
        keys: index.keys.clone(),
        global: None,
    });
    let global = definition.global_indexes().map(|(name, index)| IndexDefinition {
        name: name.clone(),
        keys: index.keys.clone(),
        global: Some(index.clone()),
    });
    let expiry = definition.time_to_live().map(|attribute| IndexDefinition {
        name: EXPIRY_INDEX.to_owned(),
        keys: expiry_keys(attribute),
        global: None,
    });
    local.chain(global).chain(expiry).collect()
}
