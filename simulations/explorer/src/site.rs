//! A region as a value: its store, its replicator, its clocks, and the record of what it wrote and
//! received.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use beringia_decisions::{CommandAnswer, StoreCommand};
use beringia_item::{Cause, Origin, Region, TableId, VersionVector};
use beringia_replication::{AcceptId, Config, DialId, Now, Replicator, TableView, Tuning};
use beringia_storage::{
    ItemWrite, LogFilter, LogPosition, PlantedBug, RemoteBatch, RemoteKind, ReplicaStatus, SchemaChange, StoreError,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    bounds::{Kind, SITES},
    change::ClientWrite,
    shown::Shown,
    store::{Store, environment},
    table::{TABLE, key_bytes},
    written::{Ledger, Writes, Written},
};

type Result<T> = std::result::Result<T, StoreError>;

/// A region. Two with the same [`Site::fingerprint`] behave alike.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The place of the region among all.
    pub(crate) place: usize,
    pub(crate) region: Region,
    pub(crate) origin: Origin,
    pub(crate) store: Store,
    pub(crate) replicator: Replicator,
    /// By source, the stream that was dialled.
    pub(crate) dialled: [Option<DialId>; SITES],
    /// By receiver, the stream that was accepted.
    pub(crate) accepted: [Option<AcceptId>; SITES],
    /// How often the process was started again.
    restarts: u32,
    pub(crate) wall_ms: u64,
    /// The monotonic clock, which only [`Input::Wait`](crate::driver::Input) advances.
    pub(crate) elapsed_ms: u64,
    planted_bug: Option<PlantedBug>,
    /// The writes that the region has received since its disk was empty, its own among them.
    pub(crate) received: Writes,
    /// All writes that the region acknowledged, in their order.
    pub(crate) written: Vec<Arc<Written>>,
    /// The conflicts that its journal must have, as pairs of winner and loser.
    pub(crate) conflicts: BTreeSet<(Writes, Writes)>,
    /// Whether rows came by copy or repair, whose conflicts other regions may have journalled.
    pub(crate) took_rows: bool,
    /// What can be seen of its store.
    pub(crate) shown: Arc<Shown>,
    /// What its replicator takes for durable in the regions that have a stream from it.
    pub(crate) acknowledged: BTreeMap<usize, VersionVector>,
}

/// The replicator of a process that starts on a store.
fn replicator(region: &Region, regions: &[Region], store: &Store, incarnation: u128, now: Now) -> Replicator {
    // A batch is one transaction, and a commit one batch. A stream that ended is dialled again at
    // once.
    let tuning = Tuning {
        batch_bytes: 1,
        apply_bytes: 1,
        retry_ms_min: 0,
        retry_ms_max: 0,
        unreachable_ms_max: u64::MAX,
        ..Tuning::default()
    };
    let config = Config {
        region: region.clone(),
        peers: regions.iter().cloned().collect(),
        incarnation,
        tuning,
        unreachable_ms: BTreeMap::new(),
        own: store.reader().own_sequences(),
    };
    Replicator::new(config, now)
}

impl Site {
    /// A region with an empty disk.
    pub(crate) fn empty(
        place: usize,
        regions: &[Region],
        wall_ms: u64,
        planted_bug: Option<PlantedBug>,
    ) -> Result<Self> {
        let region = &regions[place];
        let origin = Origin::of_only_shard(region);
        let store = Store::empty(&origin, wall_ms)?;
        let now = Now { elapsed_ms: 0, wall_ms };
        Ok(Self {
            place,
            region: region.clone(),
            replicator: replicator(region, regions, &store, 0, now),
            store,
            origin,
            dialled: [None; SITES],
            accepted: [None; SITES],
            restarts: 0,
            wall_ms,
            elapsed_ms: 0,
            planted_bug,
            received: Writes::default(),
            written: Vec::new(),
            conflicts: BTreeSet::new(),
            took_rows: false,
            shown: Arc::default(),
            acknowledged: BTreeMap::new(),
        })
    }

    /// Replaces the disk by an empty one, and the record of what was received with it. The clock
    /// has gone on by a millisecond, so that no sequence is used twice.
    pub(crate) fn lose_disk(&mut self) -> Result<()> {
        self.wall_ms += 1;
        self.store = Store::empty(&self.origin, self.wall_ms)?;
        self.received = Writes::default();
        self.conflicts.clear();
        self.took_rows = true;
        Ok(())
    }

    /// Starts the process again on its disk.
    pub(crate) fn restart(&mut self, regions: &[Region]) -> Result<()> {
        self.store = Store::load(self.store.data.clone(), &self.origin)?;
        self.restarts += 1;
        let incarnation = u128::from(self.restarts);
        self.replicator = replicator(&self.region, regions, &self.store, incarnation, self.now());
        self.dialled = [None; SITES];
        self.accepted = [None; SITES];
        Ok(())
    }

    /// The time on the region's clocks.
    pub(crate) const fn now(&self) -> Now {
        Now {
            elapsed_ms: self.elapsed_ms,
            wall_ms: self.wall_ms,
        }
    }

    /// Notes what can be seen of the store, after a change of it.
    pub(crate) fn look(&mut self) -> Result<()> {
        self.shown = Arc::new(Shown::of(self)?);
        Ok(())
    }

    /// Notes what the replicator takes for acknowledged.
    pub(crate) fn note_acknowledged(&mut self, regions: &[Region]) {
        let mut by_peer = self.replicator.acknowledged_by_peer();
        let mut of = |place: usize| {
            self.accepted[place]?;
            let vectors = by_peer.remove(&regions[place])??;
            Some((place, vectors.get(&TABLE)?.clone()))
        };
        self.acknowledged = (0..SITES).filter_map(&mut of).collect();
    }

    /// A hash of everything that the region's behaviour depends on.
    pub(crate) fn fingerprint(&self) -> u128 {
        // A stream is known by the region at its other end.
        let mut text = self.replicator.description();
        let _ = write!(
            text,
            " {} {} {} {:?} {:?} {}",
            self.shown.fingerprint,
            self.wall_ms,
            self.elapsed_ms,
            self.dialled.map(|link| link.is_some()),
            self.accepted.map(|link| link.is_some()),
            self.restarts,
        );
        xxh3_128(text.as_bytes())
    }

    /// Has the store carry out a command. What can be seen is not noted yet.
    pub(crate) fn carry_out(&mut self, command: StoreCommand) -> Result<CommandAnswer> {
        let environment = environment(&self.region, self.wall_ms, self.planted_bug);
        let (store, answer) = self.store.carry_out(command, &environment)?;
        self.store = store;
        Ok(answer)
    }

    /// Changes definitions, and fails if the change is refused.
    pub(crate) fn redefine(&mut self, change: impl SchemaChange + 'static) -> Result<()> {
        match self.carry_out(StoreCommand::Schema(Box::new(change)))? {
            CommandAnswer::Schema(Ok(_)) => Ok(()),
            other => Err(StoreError::Database(format!(
                "the definitions did not change: {other:?}"
            ))),
        }
    }

    /// A client writes. Returns whether it wrote anything. `ledger` has the writes of all regions.
    pub(crate) fn write(&mut self, ledger: &Ledger, key: u8, kind: Kind) -> Result<bool> {
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
        let CommandAnswer::Transaction(Ok(results)) = self.carry_out(StoreCommand::Transaction(vec![write]))? else {
            return Ok(false);
        };
        let Some(result) = results.into_iter().next().filter(|result| result.version.is_some()) else {
            return Ok(false);
        };
        let Some(mutation) = self.last_mutation()? else {
            return Err(StoreError::damaged("an acknowledged write is not in the log"));
        };
        let id = Writes::one(self.place, number);
        let replaced = self
            .shown
            .rows
            .get(&key_bytes(key)?)
            .and_then(|row| ledger.find(&row.fingerprint.version));
        let before_it = replaced.map_or_else(Writes::default, |replaced| replaced.past.with(replaced.id));
        let after = result.after.map(Arc::unwrap_or_clone);
        let past = self.received.with(before_it);
        let written = Written::new((id, key, kind), mutation, after, past);
        self.written.push(Arc::new(written));
        self.received = self.received.with(id);
        Ok(true)
    }

    /// The last record of the log, as it travels.
    fn last_mutation(&self) -> Result<Option<beringia_item::Mutation>> {
        let filter = LogFilter {
            origins: vec![self.origin.clone()],
            tables: [(TABLE, VersionVector::default())].into(),
        };
        let last = LogPosition(self.store.state.log.last);
        let page = self.store.reader().read_log(last, &filter, usize::MAX)?;
        Ok(page.mutations.into_iter().next())
    }

    /// Records what a batch of other regions brought, which the store has applied since what is
    /// shown.
    /// `excused` are the writes that a vector may cover although their region lost them.
    pub(crate) fn note_received(&mut self, batch: &RemoteBatch, ledger: &Ledger, excused: Writes) {
        let of_table = batch.mutations.iter().filter(|mutation| mutation.table == TABLE);
        match batch.kind {
            RemoteKind::Stream => {
                if !self.is_bootstrapped() {
                    return;
                }
                let vector = self.shown.vector(TABLE);
                for mutation in of_table.filter(|mutation| !vector.covers(&mutation.version)) {
                    if let Some(written) = ledger.find(&mutation.version) {
                        self.note_conflict(written, ledger);
                        self.received = self.received.with(written.id);
                    }
                }
            }
            RemoteKind::Copy | RemoteKind::Repair => {
                let rows = of_table.filter_map(|mutation| ledger.find(&mutation.version));
                let rows = rows.fold(Writes::default(), |all, written| all.with(written.id));
                let progress = batch.progress.iter().filter(|(table, ..)| *table == TABLE);
                let covered: VersionVector = progress.map(|(_, origin, last)| (origin.clone(), *last)).collect();
                let covered = ledger.0.iter().filter(|written| covered.covers(written.version()));
                let covered = covered.fold(Writes::default(), |all, written| all.with(written.id));
                let is_of_table = rows != Writes::default() || batch.progress.iter().any(|(table, ..)| *table == TABLE);
                self.took_rows |= is_of_table;
                self.received = self.received.with(rows).with(covered.without(excused));
            }
        }
    }

    /// Records the conflict that the region must journal if it receives a write by a stream.
    fn note_conflict(&mut self, written: &Written, ledger: &Ledger) {
        let has_row = self.shown.rows.contains_key(&written.mutation.key);
        let current = ledger.greatest(self.received, written.key).filter(|_| has_row);
        if let Some(current) = current.filter(|current| current.is_concurrent(written)) {
            let (winner, loser) = if current.version() > written.version() {
                (current.id, written.id)
            } else {
                (written.id, current.id)
            };
            self.conflicts.insert((winner, loser));
        }
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

    /// The table as replication sees it.
    pub(crate) fn catalog(&self) -> BTreeMap<TableId, TableView> {
        let table = self.store.state.catalog.by_id.get(&TABLE).filter(|table| table.held);
        let view = table
            .and_then(|table| TableView::of(&table.replicas, &self.region, table.bootstrapped, table.replica_epoch));
        view.map(|view| (TABLE, view)).into_iter().collect()
    }
}
