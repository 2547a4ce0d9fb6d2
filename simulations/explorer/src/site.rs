//! A region as a value: its store, its clock, and the record of what it wrote and received.

use std::{collections::BTreeSet, sync::Arc};

use beringia_decisions::{CommandAnswer, StoreCommand};
use beringia_item::{Cause, Origin, Region};
use beringia_storage::{ItemWrite, PlantedBug, ReplicaStatus, StoreError};

use crate::{
    bounds::Kind,
    change::ClientWrite,
    shown::Shown,
    store::{Store, environment},
    table::{self, TABLE, key_bytes},
    written::{Ledger, Writes, Written},
};

/// A region. Two with the same [`Shown::fingerprint`] behave alike.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The place of the region among all.
    pub(crate) place: usize,
    pub(crate) region: Region,
    pub(crate) origin: Origin,
    pub(crate) store: Store,
    pub(crate) wall_ms: u64,
    planted_bug: Option<PlantedBug>,
    /// The writes that the region has received since its disk was empty, its own among them.
    pub(crate) received: Writes,
    /// All writes that the region acknowledged, in their order.
    pub(crate) written: Vec<Arc<Written>>,
    /// The conflicts that its journal must have, as pairs of winner and loser.
    pub(crate) conflicts: BTreeSet<(Writes, Writes)>,
    /// Whether rows came by copy or repair, whose conflicts other regions may have journalled.
    pub(crate) took_rows: bool,
    /// What can be seen of it.
    pub(crate) shown: Arc<Shown>,
}

impl Site {
    /// A region with an empty disk.
    pub(crate) fn empty(
        place: usize,
        region: &Region,
        wall_ms: u64,
        planted_bug: Option<PlantedBug>,
    ) -> Result<Self, StoreError> {
        let origin = Origin::of_only_shard(region);
        let mut site = Self {
            place,
            region: region.clone(),
            store: Store::empty(&origin, wall_ms)?,
            origin,
            wall_ms,
            planted_bug,
            received: Writes::default(),
            written: Vec::new(),
            conflicts: BTreeSet::new(),
            took_rows: false,
            shown: Arc::default(),
        };
        site.look()?;
        Ok(site)
    }

    /// Notes again what can be seen, after a change.
    pub(crate) fn look(&mut self) -> Result<(), StoreError> {
        self.shown = Arc::new(Shown::of(self)?);
        Ok(())
    }

    /// The region after a command, and the answer. What can be seen is not noted yet.
    pub(crate) fn carry_out(&self, command: StoreCommand) -> Result<(Self, CommandAnswer), StoreError> {
        let environment = environment(&self.region, self.wall_ms, self.planted_bug);
        let (store, answer) = self.store.carry_out(command, &environment)?;
        let site = Self { store, ..self.clone() };
        Ok((site, answer))
    }

    /// The region after a change of definitions.
    pub(crate) fn redefined(&self, edits: Vec<beringia_storage::Edit>) -> Result<Self, StoreError> {
        let (site, answer) = self.carry_out(StoreCommand::Schema(Box::new(table::Edits(edits))))?;
        match answer {
            CommandAnswer::Schema(Ok(_)) => Ok(site),
            other => Err(StoreError::Database(format!(
                "the definitions did not change: {other:?}"
            ))),
        }
    }

    /// The region after a write of a client; `None` if it wrote nothing or refused. `ledger` has
    /// the writes of all regions.
    pub(crate) fn after_write(&self, ledger: &Ledger, key: u8, kind: Kind) -> Result<Option<Self>, StoreError> {
        let number = self.written.len();
        let write = ItemWrite {
            table: TABLE,
            replica_epoch: None,
            key: key_bytes(key)?,
            cause: Cause::Client,
            change: Box::new(ClientWrite {
                kind,
                key,
                attribute: format!("by-{}", self.region),
                value: format!("{}#{number}", self.region),
            }),
        };
        let (mut site, answer) = self.carry_out(StoreCommand::Transaction(vec![write]))?;
        let CommandAnswer::Transaction(Ok(results)) = answer else {
            return Ok(None);
        };
        let Some(result) = results.into_iter().next().filter(|result| result.version.is_some()) else {
            return Ok(None);
        };
        let Some(mutation) = site.last_mutation()? else {
            return Err(StoreError::damaged("an acknowledged write is not in the log"));
        };
        let id = Writes::one(self.place, number);
        let replaced = self
            .shown
            .rows
            .get(&key_bytes(key)?)
            .and_then(|row| ledger.find(&row.fingerprint.version));
        let before_it = replaced.map_or_else(Writes::default, |replaced| replaced.past.with(replaced.id));
        let written = Written {
            id,
            key,
            kind,
            mutation,
            after: result.after.map(Arc::unwrap_or_clone),
            past: self.received.with(before_it),
        };
        site.written.push(Arc::new(written));
        site.received = site.received.with(id);
        Ok(Some(site))
    }

    /// The last record of the log, as it travels.
    fn last_mutation(&self) -> Result<Option<beringia_item::Mutation>, StoreError> {
        let filter = beringia_storage::LogFilter {
            origins: vec![self.origin.clone()],
            tables: [(TABLE, beringia_item::VersionVector::default())].into(),
        };
        let last = beringia_storage::LogPosition(self.store.state.log.last);
        let page = self.store.reader().read_log(last, &filter, usize::MAX)?;
        Ok(page.mutations.into_iter().next())
    }

    /// The status of a region's replica, as this region knows it.
    pub(crate) fn status_of(&self, region: &Region) -> Option<&ReplicaStatus> {
        let table = self.store.state.catalog.by_id.get(&TABLE)?;
        table.replicas.get(region).map(|replica| &replica.status)
    }

    /// Whether the replica has been bootstrapped.
    pub(crate) fn is_bootstrapped(&self) -> bool {
        let table = self.store.state.catalog.by_id.get(&TABLE);
        table.is_some_and(|table| table.held && table.bootstrapped)
    }

    /// Whether others may read the table here, and clients may write to it.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_bootstrapped() && self.status_of(&self.region) == Some(&ReplicaStatus::Active)
    }
}
