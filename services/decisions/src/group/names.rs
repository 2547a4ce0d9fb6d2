//! Ownership of table names. A region holds one table of each name. A second replica of that name
//! fails, and is tried again when the name is free.
//!
//! Definitions arrive in any order (a region that lost its disk receives them by stream, copy and
//! repair), so the first to arrive may be a table that was deleted long ago. The second therefore
//! waits for a table that is being removed. If neither is complete here yet, the definitions decide
//! which of the two the region takes, not the order of arrival.

use std::sync::Arc;

use beringia_item::TableId;
use beringia_storage::{Aspect, AspectName, Replica, ReplicaStatus};

use super::{
    event::StoreEvent,
    interpret::By,
    workspace::{Group, Result},
};
use crate::state::Definition;

/// The order of two tables of one name of which neither is complete here, the least first: a
/// regional table or an active replica, then the older table.
type Claim = (bool, u64, TableId);

impl Group<'_> {
    /// Whether the table may be held under its name now. If not, its replica here fails, waits, or
    /// is removed.
    pub(super) fn take_name(&mut self, id: TableId, name: &str) -> Result<bool> {
        let held = self.state.tables().keys().copied();
        let is_other = |other: &TableId| *other != id && self.definition_name(*other) == Some(name);
        let Some(other) = held.into_iter().find(is_other) else {
            return Ok(true);
        };
        let region = self.environment.region.clone();
        let (definition, others) = (self.definition(id), self.definition(other));
        let is_leaving = |definition: &Definition| {
            definition
                .replica(&region)
                .is_some_and(|replica: &Replica| replica.status == ReplicaStatus::Deleting)
        };
        if is_leaving(&definition) {
            // Nothing of it is here that others could need.
            let mut without = definition;
            without.shared.remove(&AspectName::Replica(region.clone()));
            let stays = without.replicas().any(|(_, replica)| !has_failed(replica));
            if stays {
                self.write_consequences(&[(id, without)].into())?;
            }
            return Ok(false);
        }
        if is_leaving(&others) {
            return Ok(false);
        }
        let is_whole = self.state.tables().get(&other).is_none_or(|table| table.bootstrapped);
        if is_whole || self.claim(other, &others) < self.claim(id, &definition) {
            self.fail_replica(id, definition, name)?;
            return Ok(false);
        }
        self.fail_replica(other, others, name)?;
        let others = self.definition(other);
        self.remove_replica(other, &others, None)?;
        self.state.refresh_catalog(other);
        Ok(true)
    }

    /// The table gives up its name here; a table that waits for the name gets it.
    pub(super) fn hand_on_name(&mut self, id: TableId) -> Result<()> {
        // The definition may be gone; the catalog is refreshed after this.
        let Some(name) = self.state.catalog.by_id.get(&id).map(|table| table.core.name.clone()) else {
            return Ok(());
        };
        let waits = |(other, definition): &(&TableId, &Arc<Definition>)| {
            **other != id
                && definition.core().is_some_and(|core| core.name == name)
                && (!definition.is_global() || definition.replica(&self.environment.region).is_some())
                && !self.state.tables().contains_key(*other)
        };
        let waiting = self.state.definitions().iter().filter(waits);
        let Some(next) = waiting
            .map(|(other, definition)| self.claim(*other, definition))
            .min()
            .map(|(_, _, next)| next)
        else {
            return Ok(());
        };
        self.revive_replica(next)?;
        self.interpret(next, By::Own)
    }

    fn definition_name(&self, id: TableId) -> Option<&str> {
        let core = self
            .state
            .definitions()
            .get(&id)
            .and_then(|definition| definition.core());
        core.map(|core| core.name.as_str())
    }

    fn claim(&self, id: TableId, definition: &Definition) -> Claim {
        let replica = definition.replica(&self.environment.region);
        let is_active = replica.is_some_and(|replica| replica.status == ReplicaStatus::Active);
        let created_ms = definition.core().map_or(u64::MAX, |core| core.created_ms);
        (definition.is_global() && !is_active, created_ms, id)
    }

    /// Marks a replica as failed because another table has its name.
    fn fail_replica(&mut self, id: TableId, definition: Definition, name: &str) -> Result<()> {
        let region = &self.environment.region;
        let reason = format!("Region {region} has another table named {name}");
        self.events.push(StoreEvent::NameTaken {
            table: id,
            name: name.to_owned(),
        });
        self.write_own_replica(id, definition, ReplicaStatus::CreationFailed { reason })
    }

    /// Retries a replica whose creation failed.
    fn revive_replica(&mut self, id: TableId) -> Result<()> {
        let definition = self.definition(id);
        let region = &self.environment.region;
        if !definition.replica(region).is_some_and(has_failed) {
            return Ok(());
        }
        let others = || definition.replicas().filter(|(other, _)| *other != region);
        let active = others().find(|(_, replica)| replica.status == ReplicaStatus::Active);
        let from = active
            .or_else(|| others().next())
            .map_or(region, |(from, _)| from)
            .clone();
        self.events.push(StoreEvent::NameFreed(id));
        self.write_own_replica(id, definition, ReplicaStatus::Creating { from })
    }

    pub(super) fn write_own_replica(
        &mut self,
        id: TableId,
        mut definition: Definition,
        status: ReplicaStatus,
    ) -> Result<()> {
        let region = self.environment.region.clone();
        let since_ms = self.environment.now_ms;
        let replica = Replica { status, since_ms };
        definition
            .shared
            .insert(AspectName::Replica(region.clone()), Aspect::Replica { region, replica });
        self.write_consequences(&[(id, definition)].into())
    }
}

const fn has_failed(replica: &Replica) -> bool {
    matches!(replica.status, ReplicaStatus::CreationFailed { .. })
}
