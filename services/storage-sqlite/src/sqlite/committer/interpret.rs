//! What definitions mean: tables and indexes come and go as their aspects do, whoever wrote them.

use std::sync::Arc;

use beringia_item::{KeyBytes, KeySchema, TableId, VersionVector, decode_item};

use super::{Group, Kept, write_json};
use crate::{
    Aspect, EXPIRY_INDEX, GlobalIndex, IndexState, expiry_keys,
    sqlite::{
        aspects,
        fail::Result,
        records::{self, ItemRow},
        state::{Definition, Home, Index, IndexSize, Job, TableState, encode_state},
    },
};

/// Who changed a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// This region, which made the table.
    Creation,
    /// This region.
    Own,
    /// Others, as far as is known.
    Others,
}

impl Group<'_> {
    /// Takes in what the rows of definitions among these say now.
    pub(super) fn reinterpret<'k>(&mut self, rows: impl Iterator<Item = (TableId, &'k KeyBytes)>) -> Result<()> {
        let mut affected = Vec::new();
        for (table, key) in rows {
            let Some(home) = Home::of(table) else { continue };
            let Some((id, name)) = aspects::parse_key(key).filter(|(id, _)| Home::of(*id).is_none()) else {
                tracing::warn!(?key, "a definition has an aspect that this version does not know");
                continue;
            };
            let aspect = self.standing_aspect(table, key)?.filter(|aspect| aspect.name() == name);
            let definition = self.state.definitions.entry(id).or_default();
            match aspect {
                Some(aspect) => drop(definition.home_mut(home).insert(name, aspect)),
                None => drop(definition.home_mut(home).remove(&name)),
            }
            if !affected.contains(&id) {
                affected.push(id);
            }
        }
        for id in affected {
            self.reconcile(id, By::Others)?;
        }
        Ok(())
    }

    /// The aspect that stands under a key.
    fn standing_aspect(&self, table: TableId, key: &KeyBytes) -> Result<Option<Aspect>> {
        let row_key = self.table(table)?.row_key(key);
        let Some(row) = ItemRow::find(self.connection, &row_key)? else {
            return Ok(None);
        };
        let image = records::image(self.connection, &row)?;
        Ok(image
            .and_then(|image| decode_item(&image).ok())
            .and_then(|item| aspects::from_item(&item)))
    }

    /// Makes this region hold what the definition of a table says, no more and no less.
    pub(super) fn reconcile(&mut self, id: TableId, by: By) -> Result<()> {
        let definition = self.definition(id);
        let wanted = definition.wants_rows_in(&self.shared.region);
        let is_held = self.state.tables.contains_key(&id);
        if definition.is_dropped(&self.shared.region) {
            // It stays as it is until everything that came with this is known.
        } else if is_held && !wanted {
            self.let_go(id, &definition, self.shipped_before_removal(id, &definition, by))?;
            self.hand_on_name(id)?;
        } else if let Some(core) = definition.core().filter(|_| wanted && !is_held)
            && self.take_name(id, &core.name)?
        {
            self.hold(id, &definition, by == By::Creation || !definition.is_global())?;
        }
        if let (Some(table), Some(core)) = (self.state.tables.get_mut(&id), definition.core()) {
            // Where the core was lost to damage, it is back now.
            table.keys.clone_from(&core.keys);
            table.policy = definition.conflict_policy().unwrap_or_default();
        }
        self.reconcile_indexes(id)?;
        self.reconcile_stream(id)?;
        if self.state.definitions.get(&id).is_some_and(Definition::is_empty) {
            self.state.definitions.remove(&id);
        }
        self.state.refresh_catalog(id);
        Ok(())
    }

    fn hold(&mut self, id: TableId, definition: &Definition, joined: bool) -> Result<()> {
        let Some(core) = definition.core() else { return Ok(()) };
        let number = self.state.next_table;
        self.state.next_table += 1;
        let mut table = TableState::new(id, number, core.keys.clone());
        table.joined = joined;
        table.insert(self.connection)?;
        self.state.tables.insert(id, table);
        tracing::info!(region = %self.shared.region, table = %id, name = core.name, joined, "holds a table");
        Ok(())
    }

    /// Stops holding a table. Its rows go in the background, its local settings now. What `keep` does not cover is kept
    /// aside.
    pub(super) fn let_go(&mut self, id: TableId, definition: &Definition, keep: Option<VersionVector>) -> Result<()> {
        let Some(table) = self.state.tables.remove(&id) else {
            return Ok(());
        };
        // The definition may be gone; the catalog is refreshed after this.
        let name = self.state.catalog.by_id.get(&id).map(|shown| shown.core.name.clone());
        let kept = keep.map(|has| Kept::of(definition, &table.keys, name.unwrap_or_default(), has));
        self.write_kept(table.number, kept.as_deref())?;
        self.state.leaving.retain(|(leaving, _)| *leaving != id);
        let stays = |job: &Job| match job {
            Job::Backfill { table, .. } | Job::CountEntries { table } => *table != id,
            Job::PurgeIndex { .. } | Job::PurgeTable { .. } => true,
        };
        self.state.jobs.retain(stays);
        self.state.jobs.push(Job::PurgeTable {
            table: table.number,
            kept,
        });
        tracing::info!(region = %self.shared.region, table = %id, "no longer holds a table");
        if definition.is_global() && !definition.local.is_empty() {
            let shared_only = Definition {
                shared: definition.shared.clone(),
                ..Definition::default()
            };
            self.write_definitions(&[(id, shared_only)].into())?;
        }
        Ok(())
    }

    /// Makes the indexes of a held table those that its definition names.
    fn reconcile_indexes(&mut self, id: TableId) -> Result<()> {
        let wanted = wanted_indexes(&self.definition(id));
        let Some(table) = self.state.tables.get_mut(&id) else {
            return Ok(());
        };
        let (kept, gone): (Vec<Index>, Vec<Index>) = std::mem::take(&mut table.indexes).into_iter().partition(|made| {
            let shows = |global: &Option<GlobalIndex>| global.as_ref().map(|index| index.projection.clone());
            wanted.iter().any(|(name, keys, global)| {
                *name == made.name && *keys == made.keys && shows(global) == shows(&made.global)
            })
        });
        table.indexes = kept;
        for (name, keys, global) in wanted {
            let made = self.table_mut(id)?.indexes.iter_mut().find(|made| made.name == name);
            match made {
                Some(made) if made.global != global => {
                    made.global.clone_from(&global);
                    let number = made.number;
                    self.connection.execute(
                        "UPDATE indexes SET definition = ?2 WHERE n = ?1",
                        (number, write_json(&global)?),
                    )?;
                }
                Some(_) => {}
                None => self.make_index(id, name, keys, global)?,
            }
        }
        for index in gone {
            self.remove_index(id, index)?;
        }
        Ok(())
    }

    fn make_index(&mut self, id: TableId, name: String, keys: KeySchema, global: Option<GlobalIndex>) -> Result<()> {
        let number = self.state.next_index;
        self.state.next_index += 1;
        let projected = self.state.projected_by(id, &name, &keys, global.as_ref());
        let table = self.table_mut(id)?;
        let empty = table.digests.totals().0 == 0;
        let state = if empty {
            IndexState::Active
        } else {
            IndexState::Backfilling
        };
        let (table_number, keys_text, definition) = (table.number, write_json(&keys)?, write_json(&global)?);
        tracing::info!(table = %id, index = name, ?state, "makes an index");
        table.indexes.push(Index {
            number,
            name: name.clone(),
            keys,
            state,
            global,
            cursor: None,
            projected,
            size: IndexSize::default(),
            shown: Arc::default(),
        });
        self.connection.execute(
            "INSERT INTO indexes (n, t, name, state, cursor, keys, definition, entries, bytes)
             VALUES (?1, ?2, ?3, ?4, NULL, ?5, ?6, 0, 0)",
            (number, table_number, name, encode_state(state), keys_text, definition),
        )?;
        if !empty {
            self.state.jobs.push(Job::Backfill {
                table: id,
                index: number,
            });
        }
        Ok(())
    }

    fn remove_index(&mut self, id: TableId, mut index: Index) -> Result<()> {
        tracing::info!(table = %id, index = index.name, "removes an index");
        let number = index.number;
        index.state = IndexState::Deleting;
        let state = encode_state(IndexState::Deleting);
        self.connection
            .execute("UPDATE indexes SET state = ?2 WHERE n = ?1", (number, state))?;
        self.state.jobs.retain(|job| {
            *job != Job::Backfill {
                table: id,
                index: number,
            }
        });
        self.state.jobs.push(Job::PurgeIndex { index: number });
        self.state.leaving.push((id, index));
        Ok(())
    }
}

/// The indexes that a definition asks for: name, key, and what a global one is.
fn wanted_indexes(definition: &Definition) -> Vec<(String, KeySchema, Option<GlobalIndex>)> {
    let local = definition.core().into_iter().flat_map(|core| &core.local_indexes);
    let local = local.map(|(name, index)| (name.clone(), index.keys.clone(), None));
    let global = definition
        .global_indexes()
        .map(|(name, index)| (name.clone(), index.keys.clone(), Some(index.clone())));
    let expiry = definition
        .time_to_live()
        .map(|attribute| (EXPIRY_INDEX.to_owned(), expiry_keys(attribute), None));
    local.chain(global).chain(expiry).collect()
}
