//! Changes of definitions made in this region: planned as a whole, written as one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_item::{Cause, TableId};
use beringia_storage::{
    Aspect, AspectName, Catalog, Edit, Replica, ReplicaStatus, SchemaChange, SchemaError, StoreError, backend::Detail,
};

use super::{
    interpret::By,
    transaction::LocalWrite,
    workspace::{Fail, Group, Misses, Result},
};
use crate::{
    aspects,
    state::{Definition, Home},
};

/// The definitions that a change touches, as they will be after it.
type Plan = BTreeMap<TableId, Definition>;

impl Group<'_> {
    /// Carries out a change of definitions. The returned catalog is the one right after it,
    /// regardless of the rest of the group.
    pub(super) fn change_schema(
        &mut self,
        change: &mut dyn SchemaChange,
    ) -> Result<std::result::Result<Arc<Catalog>, SchemaError>> {
        let edits = match change.decide(&self.state.catalog) {
            Ok(edits) => edits,
            Err(reason) => return Ok(Err(SchemaError::Refused(reason))),
        };
        let plan = self.plan(edits)?;
        self.check_plan(&plan)?;
        let created: BTreeSet<TableId> = plan
            .iter()
            .filter(|(id, after)| after.core().is_some() && self.definition(**id).core().is_none())
            .map(|(id, _)| *id)
            .collect();
        self.write_definitions(&plan)?;
        for id in plan.keys() {
            let by = if created.contains(id) { By::Creation } else { By::Own };
            self.interpret(*id, by)?;
        }
        Ok(Ok(self.state.catalog.clone()))
    }

    /// The definition of a table; empty for an unknown one.
    pub(super) fn definition(&self, id: TableId) -> Definition {
        let definition = self.state.definitions().get(&id);
        definition
            .map(|definition| Definition::clone(definition))
            .unwrap_or_default()
    }

    fn plan(&self, edits: Vec<Edit>) -> Result<Plan> {
        let mut plan = Plan::new();
        for edit in edits {
            let (Edit::Set { table, .. }
            | Edit::Remove { table, .. }
            | Edit::Drop { table }
            | Edit::Leave { table, .. }) = &edit;
            if Home::of(*table).is_some() {
                return Err(Fail::Command(StoreError::UnknownTable(*table)));
            }
            let definition = plan.entry(*table).or_insert_with(|| self.definition(*table));
            match edit {
                Edit::Set { table, aspect } if self.never_activates(table, &aspect) => {}
                Edit::Set { aspect, .. } => set(definition, aspect),
                Edit::Remove {
                    aspect: AspectName::Local,
                    ..
                } => drop(definition.local.remove(&AspectName::Local)),
                Edit::Remove { aspect, .. } => {
                    let home = if definition.is_global() {
                        Home::Catalog
                    } else {
                        Home::Local
                    };
                    definition.home_mut(home).remove(&aspect);
                }
                Edit::Drop { .. } => self.leave(definition),
                Edit::Leave { table, acknowledged } => {
                    if self.may_leave(table, definition, acknowledged) {
                        self.leave(definition);
                    }
                }
            }
        }
        for (id, definition) in &mut plan {
            let before = self.definition(*id);
            let newly_global = definition.is_global() && !before.is_global();
            let own = AspectName::Replica(self.environment.region.clone());
            if newly_global && !definition.shared.contains_key(&own) {
                let since_ms = self.environment.now_ms;
                let replica = Replica {
                    status: ReplicaStatus::Active,
                    since_ms,
                };
                set(
                    definition,
                    Aspect::Replica {
                        region: self.environment.region.clone(),
                        replica,
                    },
                );
            }
        }
        Ok(plan)
    }

    /// Whether this region's replica is being deleted, and has no write above `acknowledged` (the
    /// writes that this group decided before count), or is being filled and no other region has the
    /// table.
    fn may_leave(&self, id: TableId, definition: &Definition, acknowledged: u64) -> bool {
        let Some(replica) = definition.replica(&self.environment.region) else {
            return false;
        };
        let table = self.state.tables().get(&id);
        match replica.status {
            ReplicaStatus::Deleting => {
                let own = self.state.origins.own();
                table.is_none_or(|table| table.progress.origin(own).applied <= acknowledged)
            }
            ReplicaStatus::Creating { .. } => {
                let mut alone = definition.clone();
                self.leave(&mut alone);
                alone.is_empty() && table.is_none_or(|table| !table.bootstrapped)
            }
            _ => false,
        }
    }

    /// Removes this region's replica from a definition, and the whole definition if no other region
    /// holds the table.
    pub(super) fn leave(&self, definition: &mut Definition) {
        definition.local.clear();
        let own = self.environment.region.clone();
        definition.shared.remove(&AspectName::Dropped(own.clone()));
        definition.shared.remove(&AspectName::Replica(own));
        // A dropped replica may return, and then has the table alone.
        let held = |replica: &Replica| {
            replica.status.is_member() || matches!(replica.status, ReplicaStatus::Dropped { returns: true, .. })
        };
        if !definition.replicas().any(|(_, replica)| held(replica)) {
            definition.shared.clear();
        }
    }

    /// Refuses a plan that would make the definitions inconsistent.
    fn check_plan(&self, plan: &Plan) -> Result<()> {
        let refuse = |what: String| Err(Fail::Command(StoreError::Definition(what)));
        let own = &self.environment.region;
        let mut names: BTreeMap<&str, TableId> = self
            .state
            .catalog
            .by_name
            .iter()
            .map(|(name, table)| (name.as_str(), table.id))
            .collect();
        names.retain(|_, id| plan.get(id).is_none_or(|definition| definition.wants_rows_in(own)));
        for (id, definition) in plan {
            let Some(core) = definition.core() else {
                if definition.is_empty() {
                    continue;
                }
                return refuse(format!("table {id} has no core"));
            };
            if definition.wants_rows_in(own) && names.insert(&core.name, *id).is_some_and(|other| other != *id) {
                return refuse(format!("a table named {} exists already", core.name));
            }
            let before = self.state.definitions().get(id);
            let changed = before
                .and_then(|before| before.core())
                .is_some_and(|before| before != core);
            if changed {
                return refuse(format!(
                    "the name, keys and local indexes of table {} cannot be changed",
                    core.name
                ));
            }
        }
        Ok(())
    }

    /// Writes definitions in consequence of others that arrived, which must not stay without their
    /// consequences.
    pub(super) fn write_consequences(&mut self, plan: &Plan) -> Result<()> {
        self.write_definitions(plan).map_err(|fail| match fail {
            Fail::Command(error) => Fail::Written(error),
            fail => fail,
        })
    }

    /// Writes the difference between the current and the planned definitions, as one transaction.
    pub(super) fn write_definitions(&mut self, plan: &Plan) -> Result<()> {
        let mut writes = Vec::new();
        let mut misses = Misses::default();
        for (id, after) in plan {
            let before = self.definition(*id);
            for (home, before, after) in [
                (Home::Catalog, &before.shared, &after.shared),
                (Home::Local, &before.local, &after.local),
            ] {
                let set = after.iter().filter(|(name, aspect)| before.get(name) != Some(aspect));
                let set = set.map(|(name, aspect)| (name, Some(aspect)));
                let removed = before.keys().filter(|name| !after.contains_key(name));
                for (name, aspect) in set.chain(removed.map(|name| (name, None))) {
                    let write = misses.note(self.definition_write(home, *id, name, aspect))?;
                    writes.extend(write.flatten());
                }
            }
        }
        misses.check()?;
        self.write_transaction(writes.iter())?;
        for (id, after) in plan {
            self.state.set_definition(*id, after.clone());
        }
        Ok(())
    }

    /// The write of one aspect; `None` if there is nothing to delete.
    fn definition_write(
        &self,
        home: Home,
        id: TableId,
        name: &AspectName,
        aspect: Option<&Aspect>,
    ) -> Result<Option<LocalWrite>> {
        let key = aspects::key(id, name).map_err(Fail::Command)?;
        let row_key = self.table(home.table())?.row_key(&key);
        let current = self.current(&row_key, Detail::Context)?;
        if aspect.is_none() && !current.as_ref().is_some_and(|current| current.row.is_live()) {
            return Ok(None);
        }
        let after = aspect
            .map(|aspect| aspects::to_item(id, aspect))
            .transpose()
            .map_err(Fail::Command)?;
        let cause = Cause::Client;
        Ok(Some(LocalWrite {
            table: home.table(),
            key,
            row_key,
            cause,
            current,
            before: None,
            after: after.map(Arc::new),
            touched: None,
        }))
    }
}

/// Sets an aspect in its home. The first replica makes the table global.
fn set(definition: &mut Definition, aspect: Aspect) {
    let name = aspect.name();
    if name == AspectName::Local {
        definition.local.insert(name, aspect);
        return;
    }
    if matches!(name, AspectName::Replica(_)) && !definition.is_global() {
        let settings = definition.local.remove(&AspectName::Local);
        definition.shared = std::mem::take(&mut definition.local);
        definition
            .local
            .extend(settings.map(|settings| (AspectName::Local, settings)));
    }
    let home = if definition.is_global() || matches!(name, AspectName::Replica(_)) {
        Home::Catalog
    } else {
        Home::Local
    };
    definition.home_mut(home).insert(name, aspect);
}
