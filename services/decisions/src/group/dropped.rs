//! Replicas of this region that the others dropped while they were unreachable. They are
//! re-bootstrapped, and their unshipped writes are kept (docs/decisions/0007).

use std::sync::Arc;

use beringia_item::{Origin, Region, TableId, VersionVector};
use beringia_storage::{
    Aspect, AspectName, Replica, ReplicaStatus,
    backend::{Detail, Keyspace, TableNumber},
};

use super::{
    event::StoreEvent,
    interpret::By,
    workspace::{Group, Result},
};
use crate::{
    journal::Side,
    layout::{number_key, stored_key},
    rows::CurrentRow,
    state::{Definition, Job, TableRow},
    unshipped::{self, UnshippedFilter},
};

impl Group<'_> {
    /// Restarts all replicas of this region that the others dropped.
    pub(super) fn restart_dropped(&mut self) -> Result<()> {
        let definitions = self.state.definitions().iter();
        let dropped: Vec<TableId> = definitions
            .filter(|(_, definition)| definition.is_dropped(&self.environment.region))
            .map(|(id, _)| *id)
            .collect();
        for id in dropped {
            let former = self.restart(id)?;
            self.interpret(id, By::Own)?;
            if let Some(former) = former {
                self.continue_journal(former, id)?;
            }
        }
        Ok(())
    }

    /// Keeps the conflict journal of a table whose rows are removed, if the table has a new replica
    /// here.
    fn continue_journal(&mut self, former: TableNumber, id: TableId) -> Result<()> {
        let Self { state, writes, .. } = self;
        if !state.tables().contains_key(&id) {
            return Ok(());
        }
        let jobs = Arc::make_mut(&mut state.jobs);
        let journal = jobs.iter_mut().find_map(|job| match job {
            Job::PurgeTable { table, journal, .. } if *table == former => Some(std::mem::take(journal)),
            _ => None,
        });
        // The row was written together with the job.
        let row = writes.rows.get(&(Keyspace::Tables, number_key(former.into())));
        if let (Some(journal), Some(row)) = (journal, row.and_then(Option::as_ref)) {
            let row = TableRow {
                journal: 0,
                ..TableRow::decode(row)?
            };
            row.write(former, writes)?;
            if let Some(table) = state.table_mut(id) {
                table.journal = journal;
                table.changed = true;
            }
        }
        Ok(())
    }

    /// Restarts one dropped replica. Returns the table's former number if its rows are removed.
    fn restart(&mut self, id: TableId) -> Result<Option<TableNumber>> {
        let region = self.environment.region.clone();
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
            self.events.push(StoreEvent::Rebootstrapped { table: id, keeps_rows });
            let since_ms = self.environment.now_ms;
            let replica = Replica { status, since_ms };
            let name = AspectName::Replica(region.clone());
            after.shared.insert(name, Aspect::Replica { region, replica });
        } else {
            self.leave(&mut after);
        }
        // The local settings stay if the table does.
        let shared_only = Definition {
            shared: after.shared.clone(),
            ..Definition::default()
        };
        self.write_consequences(&[(id, after)].into())?;
        let Some(former) = self.state.tables().get(&id).map(|table| table.number) else {
            return Ok(None);
        };
        if keeps_rows {
            return Ok(None);
        }
        // Writes that others made since they dropped the replica may have arrived here before the
        // drop. The others have those themselves.
        for (other, _) in definition
            .replicas()
            .filter(|(other, replica)| **other != self.environment.region && replica.status == ReplicaStatus::Active)
        {
            has.advance(&Origin::of_only_shard(other), u64::MAX);
        }
        self.remove_replica(id, &shared_only, Some(has))?;
        self.reconcile_stream(id)?;
        Ok(Some(former))
    }

    /// For a replica that others removed before this region had shipped everything: the writes that
    /// the others certainly have. Of its own writes, these are the ones that its log has trimmed.
    pub(super) fn shipped_before_removal(
        &self,
        id: TableId,
        definition: &Definition,
        by: By,
    ) -> Result<Option<VersionVector>> {
        let table = self.state.tables().get(&id).filter(|table| table.bootstrapped);
        let is_removed = by == By::Others && definition.replica(&self.environment.region).is_none();
        let Some(table) = table.filter(|_| is_removed) else {
            return Ok(None);
        };
        let number = self.state.origins.own();
        let own = self.state.origins.name(number)?;
        let low_watermark = table.progress.origin(number).low_watermark;
        let others = table.progress.vector().iter().filter(|(origin, _)| *origin != own);
        let has = others.chain([(own, low_watermark)]);
        Ok(Some(has.map(|(origin, sequence)| (origin.clone(), sequence)).collect()))
    }

    /// Keeps a row that is about to be removed, if it contains an unshipped write.
    pub(super) fn keep_unshipped(
        &mut self,
        filter: &UnshippedFilter,
        row_key: &[u8],
        current: &CurrentRow,
    ) -> Result<()> {
        let CurrentRow { row, record, .. } = current;
        let names = self.state.origins.names();
        let record = record.as_ref();
        let mut is_unshipped = !filter.has.covers(&row.version(names)?);
        if !is_unshipped && row.state != 0 {
            let covered = record
                .filter(|record| record.is_of(row))
                .map(|record| record.covered(names));
            is_unshipped = covered
                .transpose()?
                .is_some_and(|covered| !filter.has.dominates(&covered));
        }
        if !is_unshipped {
            return Ok(());
        }
        let attributes = filter.keys.attributes_of(&stored_key(row_key)).unwrap_or_default();
        let image = record
            .filter(|_| row.is_live())
            .and_then(|record| record.image.as_deref());
        let side = Side {
            time: row.time,
            origin: row.origin,
            sequence: row.sequence,
            image,
        };
        let number = self.state.next_unshipped;
        self.state.next_unshipped += 1;
        unshipped::write(
            number,
            filter,
            &attributes,
            &side,
            self.environment.now_ms,
            &mut self.writes,
        );
        Ok(())
    }
}

/// How much of the removed rows must be read.
pub(super) const fn detail_of_removed(unshipped: Option<&UnshippedFilter>) -> Detail {
    match unshipped {
        Some(_) => Detail::Record,
        None => Detail::Row,
    }
}

/// The next status of a dropped replica. It is filled from an active replica. If there is none, and
/// none is being removed, the first dropped one by region name continues with its rows. `None`: it
/// has to wait for another.
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
