//! A replica of this region that the others dropped while it was out of reach: it begins anew, and what it had not shipped is kept
//! to be offered (docs/decisions/0007).

use std::sync::Arc;

use beringia_item::{KeySchema, Region, TableId, VersionVector, encode_item};
use serde::{Deserialize, Serialize};

use super::{Group, interpret::By, write_json};
use crate::{
    Aspect, AspectName, Replica, ReplicaStatus,
    sqlite::{
        fail::Result,
        layout::{TableNumber, sql, stored_key},
        records::{self, ItemRow},
        state::Definition,
    },
};

/// What is to be kept of a table's rows as they are removed: those that `has` does not cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sqlite) struct Kept {
    /// The table's name.
    name: String,
    keys: KeySchema,
    has: VersionVector,
}

impl Kept {
    /// What to keep of a table; nothing where its definition is gone.
    pub(super) fn of(definition: &Definition, keys: &KeySchema, name: String, has: VersionVector) -> Arc<Self> {
        let keys = definition.core().map_or(keys, |core| &core.keys).clone();
        Arc::new(Self { name, keys, has })
    }
}

impl Group<'_> {
    /// Takes in that the others dropped replicas of this region.
    pub(super) fn begin_dropped_anew(&mut self) -> Result<()> {
        let definitions = self.state.definitions.iter();
        let dropped: Vec<TableId> = definitions
            .filter(|(_, definition)| definition.is_dropped(&self.shared.region))
            .map(|(id, _)| *id)
            .collect();
        for id in dropped {
            let former = self.begin_anew(id)?;
            self.reconcile(id, By::Own)?;
            if let Some(former) = former {
                self.move_journal(former, id)?;
            }
        }
        Ok(())
    }

    /// The same of one. The number that the table had, where its rows go.
    fn begin_anew(&mut self, id: TableId) -> Result<Option<TableNumber>> {
        let region = self.shared.region.clone();
        let definition = self.definition(id);
        let Some(ReplicaStatus::Dropped { mut has, returns }) =
            definition.replica(&region).map(|replica| replica.status.clone())
        else {
            return Ok(None);
        };
        let mut after = definition.clone();
        after.shared.remove(&AspectName::Dropped(region.clone()));
        let mut keeps_rows = false;
        if returns {
            let Some(status) = next_status(&definition, &region) else {
                return Ok(None);
            };
            keeps_rows = status == ReplicaStatus::Active;
            tracing::warn!(%region, table = %id, keeps_rows, "the others dropped this replica: it begins anew");
            let since_ms = self.state.clock.wall().now_ms();
            let replica = Replica { status, since_ms };
            let name = AspectName::Replica(region.clone());
            after.shared.insert(name, Aspect::Replica { region, replica });
        } else {
            self.leave(&mut after);
        }
        // Local settings stay, where the table does.
        let shared_only = Definition {
            shared: after.shared.clone(),
            ..Definition::default()
        };
        self.write_definitions(&[(id, after)].into())?;
        let Some(former) = self.state.tables.get(&id).map(|table| table.number) else {
            return Ok(None);
        };
        if keeps_rows {
            return Ok(None);
        }
        // What others wrote since they dropped it may have arrived here before that. They have their own writes.
        for (other, _) in definition
            .replicas()
            .filter(|(other, replica)| **other != self.shared.region && replica.status == ReplicaStatus::Active)
        {
            has.advance(other, u64::MAX);
        }
        self.let_go(id, &shared_only, Some(has))?;
        self.reconcile_stream(id)?;
        Ok(Some(former))
    }

    /// Where others removed a replica that this region had not handed over: what they have for certain, which is of its own writes
    /// what its log has forgotten.
    pub(super) fn shipped_before_removal(&self, id: TableId, definition: &Definition, by: By) -> Option<VersionVector> {
        let table = self.state.tables.get(&id).filter(|table| table.joined)?;
        let is_removed = by == By::Others && definition.replica(&self.shared.region).is_none();
        let own = &self.shared.region;
        let floor = table.progress.origin(self.state.regions.own()).floor;
        let others = table.progress.vector().iter().filter(|(origin, _)| *origin != own);
        let has = others.chain([(own, floor)]);
        is_removed.then(|| has.map(|(origin, sequence)| (origin.clone(), sequence)).collect())
    }

    /// The conflict journal of a table goes over to what takes its place.
    fn move_journal(&self, former: TableNumber, id: TableId) -> Result<()> {
        if let Some(table) = self.state.tables.get(&id) {
            self.connection.execute(
                "UPDATE OR IGNORE conflict SET t = ?2 WHERE t = ?1",
                (former, table.number),
            )?;
        }
        Ok(())
    }

    /// Keeps a row that is about to go, where it holds a write that was not shipped.
    pub(super) fn keep_unshipped(
        &mut self,
        number: TableNumber,
        kept: &Kept,
        row_key: &[u8],
        row: &ItemRow,
    ) -> Result<()> {
        let mut is_unshipped = !kept.has.covers(&row.version(self.state.regions.names())?);
        if !is_unshipped && row.state != 0 {
            let standing = records::standing(self.connection, row)?;
            let known = standing.map(|standing| standing.known(self.state.regions.names()));
            is_unshipped = known.transpose()?.is_some_and(|known| !kept.has.dominates(&known));
        }
        if !is_unshipped {
            return Ok(());
        }
        let key = stored_key(row_key);
        let attributes = kept.keys.attributes_of(&key).unwrap_or_default();
        let image = if row.live() {
            records::image(self.connection, row)?
        } else {
            None
        };
        let seen_ms = self.state.clock.wall().now_ms();
        self.connection
            .prepare_cached(
                "INSERT INTO unshipped (id, table_id, name, k, time, o, seq, image, seen)
                 SELECT NULL, id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM tables WHERE n = ?1",
            )?
            .execute((
                number,
                &kept.name,
                encode_item(&attributes).as_ref(),
                sql(row.time),
                row.origin,
                sql(row.sequence),
                image.as_deref(),
                sql(seen_ms),
            ))?;
        Ok(())
    }

    /// What the store is to remember of it until the rows are gone.
    pub(super) fn write_kept(&self, number: TableNumber, kept: Option<&Kept>) -> Result<()> {
        let text = kept.map(write_json).transpose()?;
        self.connection
            .execute("UPDATE tables SET purging = 1, keep = ?2 WHERE n = ?1", (number, text))?;
        Ok(())
    }
}

/// What a dropped replica becomes: it is filled from one that is active. Where none is, and none hands its writes over, the first by
/// name of those that were dropped goes on with what it has. `None`: it has to wait for another.
fn next_status(definition: &Definition, own: &Region) -> Option<ReplicaStatus> {
    let others = || definition.replicas().filter(|(region, _)| *region != own);
    if let Some((from, _)) = others().find(|(_, replica)| replica.status == ReplicaStatus::Active) {
        return Some(ReplicaStatus::Creating { from: from.clone() });
    }
    let goes_first = |(region, replica): (&Region, &Replica)| match replica.status {
        ReplicaStatus::Dropped { returns: true, .. } => region < own,
        ReplicaStatus::Active | ReplicaStatus::Deleting => true,
        ReplicaStatus::Dropped { .. } | ReplicaStatus::CreationFailed { .. } | ReplicaStatus::Creating { .. } => false,
    };
    (!others().any(goes_first)).then_some(ReplicaStatus::Active)
}
