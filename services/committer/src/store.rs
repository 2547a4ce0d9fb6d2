//! `RegionStore`, which implements the `Store` trait.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use beringia_clock::HybridOffset;
use beringia_decisions::{PrunePlace, RegionRow, first_rows};
use beringia_item::{Item, KeyBytes, Mutation, Origin, Region, TableId, Version, VersionVector};
use beringia_storage::{
    Acknowledged, Applied, Backlog, Catalog, CommitError, Conflict, Explained, ItemWrite, LogFilter, LogPage,
    LogPosition, LogState, OwnSequences, PruneFilter, Pruned, RangePage, RangeRead, RawRow, RemoteBatch, SchemaChange,
    SchemaError, SharedVectors, Store, StoreDamage, StoreError, StoreOptions, StreamPage, StreamRead, Streams,
    TableDigest, Unshipped, WriteResult,
    backend::{ReadScope, StorageBackend, StorageSizes, Writer},
};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tracing::Instrument as _;

use crate::{
    committer::{Committer, Priority, Request, load},
    disk_faults::DiskFaults,
    driver::{self, CommitterSlot, Queue},
    execution::Execution,
    read::{self, Reading},
    read_slots::{Place, Places, ReadKind, ReadSlots},
    shared::Shared,
    trail,
};

/// The number of keys up to which `get_many` reads on the caller's thread.
const SHORT_READ_KEYS: usize = 8;
/// The number of trim steps in one call of `collect_garbage`.
const GARBAGE_STEPS: usize = 64;

/// A region's store over a storage backend.
pub struct RegionStore {
    pub(crate) shared: Arc<Shared>,
    backend: Arc<dyn StorageBackend>,
    queue: Arc<Queue>,
    slot: CommitterSlot,
    execution: Execution,
    places: Places,
    slots: ReadSlots,
}

impl RegionStore {
    /// Opens the region's state in a backend, and creates it if the backend is empty. With
    /// [`Execution::Inline`] this must be called on a tokio runtime, and the other methods on the
    /// same runtime.
    ///
    /// # Errors
    /// Those of the backend, which say that nothing was changed; [`StoreError::Unreadable`] if
    /// the state in it is damaged.
    pub fn open(
        backend: Arc<dyn StorageBackend>,
        options: &StoreOptions,
        execution: Execution,
        disk_faults: DiskFaults,
    ) -> Result<Self, StoreError> {
        let region = trail::region_span(&options.region);
        let _inside = region.enter();
        let mut writer = backend.lease()?;
        let seen = Arc::new(AtomicU64::new(0));
        let counted = seen.clone();
        backend.watch(Arc::new(move || {
            counted.fetch_add(1, Ordering::Release);
        }));
        let is_new = initialize(&mut *writer, options)?;
        let based_on = writer.committed()?;
        let mut state = load(&mut *writer, &options.origin(), options.max_offset_ms)?;
        if !is_new {
            state.start(options.clock.now_ms());
        }
        let shared = Arc::new(Shared::new(options, &state));
        let committer = Committer::new(writer, shared.clone(), (state, based_on), seen);
        let store = Self {
            shared,
            backend,
            queue: Arc::new(Queue::new()),
            slot: Arc::new(Mutex::new(Some(committer))),
            execution,
            places: Places::new(),
            slots: ReadSlots::new(),
        };
        store.start_driver(disk_faults)?;
        tracing::info!(region = %options.region, "the store is open");
        Ok(store)
    }

    fn start_driver(&self, disk_faults: DiskFaults) -> Result<(), StoreError> {
        let (queue, slot) = (self.queue.clone(), self.slot.clone());
        let region = self.shared.span.clone();
        match self.execution {
            Execution::Threads => {
                let body = move || region.in_scope(|| driver::run(queue, &slot, &disk_faults));
                let started = std::thread::Builder::new().name("committer".to_owned()).spawn(body);
                started
                    .map(drop)
                    .map_err(|error| StoreError::Database(error.to_string()))
            }
            Execution::Inline => {
                tokio::spawn(driver::run_inline(queue, slot, disk_faults).instrument(region));
                Ok(())
            }
        }
    }

    /// Takes the state away immediately, as a crash would. Uncommitted writes are lost, waiting
    /// callers get [`StoreError::Closed`], and the database can be opened again when this returns.
    /// Dropping the store does the same.
    pub fn abandon(&self) {
        self.queue.stop(false);
        drop(self.take_committer());
        self.backend.close();
    }

    /// Whether the committer has failed by a panic, which is never the fault of a disk.
    #[must_use]
    pub fn has_panicked(&self) -> bool {
        self.queue.has_panicked()
    }

    /// Takes the committer from its driver, once it has finished the current group.
    fn take_committer(&self) -> Option<Committer> {
        self.slot.lock().take()
    }

    /// Sends a request to the committer, and waits for its answer.
    async fn ask<T, E: From<StoreError>>(
        &self,
        priority: Priority,
        request: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Request,
    ) -> Result<T, E> {
        let (to, answer) = oneshot::channel();
        self.queue.submit(priority, request(to)).await?;
        answer.await.unwrap_or_else(|_| {
            // The committer dropped the command while it carried it out: it panicked.
            let unknown = StoreError::Database("the committer failed, and may have written before".to_owned());
            Err(unknown.into())
        })
    }

    /// Reads on the caller's thread.
    pub(crate) fn read<T>(
        &self,
        scope: ReadScope,
        work: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        read_now(&self.shared, &*self.backend, scope, work)
    }

    /// Reads where it does not delay other tasks, in a slot of this kind.
    async fn read_apart<T: Send + 'static>(
        &self,
        kind: ReadKind,
        work: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let span = trail::current_or(&self.shared.span);
        if self.execution == Execution::Inline {
            return span.in_scope(|| self.read(ReadScope::Snapshot, work));
        }
        let slot = self.slots.acquire(kind).await?;
        let (shared, backend) = (self.shared.clone(), self.backend.clone());
        let read = move || {
            // A caller that gives up does not end the read, which keeps its slot.
            let _slot = slot;
            span.in_scope(|| read_now(&shared, &*backend, ReadScope::Snapshot, work))
        };
        let reading = tokio::task::spawn_blocking(read);
        reading.await.map_err(|error| StoreError::Database(error.to_string()))?
    }

    /// Reads on the caller's thread, and notes how long that takes.
    fn read_at<T>(
        &self,
        place: Place<'_>,
        scope: ReadScope,
        work: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let read = self.read(scope, work);
        place.end();
        read
    }

    /// Reads the items with these keys: a few as points, more as a page of the first one's table.
    async fn read_keys<T: Send + 'static>(
        &self,
        keys: Vec<(TableId, KeyBytes)>,
        work: impl FnOnce(&Reading<'_>, &[(TableId, KeyBytes)]) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let first = keys.first().map_or(TableId::LOCAL, |(table, _)| *table);
        let is_short = keys.len() <= SHORT_READ_KEYS;
        let read = move |reading: &Reading<'_>| work(reading, &keys);
        match is_short.then(|| self.places.take()) {
            Some(Some(place)) => self.read_at(place, ReadScope::Snapshot, read),
            Some(None) => self.read_apart(ReadKind::Point, read).await,
            None => self.read_apart(ReadKind::Clients(first), read).await,
        }
    }

    /// Repairs the range of the item, if a request failed because the item is damaged. The request
    /// can then be repeated.
    async fn repair_after(&self, error: &StoreError) {
        let Some((table, range)) = self.shared.damage.found(error) else {
            return;
        };
        tracing::error!(region = %self.shared.origin.region(), %error, "an item is damaged");
        if let Err(error) = self.verify_range(table, range).await {
            let region = self.shared.origin.region();
            tracing::warn!(%region, %table, range, %error, "cannot repair the range of a damaged item");
        }
    }

    async fn verify(&self, table: TableId, range: u16) -> Result<bool, StoreError> {
        // Readers do the check. Only if something seems wrong does the committer check again, and
        // repair.
        let check = move |reading: &Reading<'_>| read::is_damaged(reading, table, range);
        if !self.read_apart(ReadKind::Upkeep, check).await? {
            return Ok(false);
        }
        self.ask(Priority::Upkeep, |to| Request::Repair(table, range, to)).await
    }

    /// Returns the result of a request, after a repair if it found damage.
    async fn repaired<T: Send>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.repair_after(error).await;
        }
        result
    }
}

/// Writes the first rows of a new database. Returns whether it was new.
fn initialize(writer: &mut dyn Writer, options: &StoreOptions) -> Result<bool, StoreError> {
    let mut is_new = false;
    writer.read(&mut |snapshot| {
        is_new = RegionRow::read(snapshot)?.is_none();
        Ok(())
    })?;
    if !is_new {
        return Ok(false);
    }
    let mut writes = first_rows(&options.origin(), options.clock.now_ms())?;
    writes.based_on = writer.committed()?;
    writer
        .commit(&writes)
        .map(|()| true)
        .map_err(|failure| StoreError::Database(format!("the first rows cannot be written: {failure}")))
}

/// Runs a read with the current view. The view is taken before the backend's snapshot, so it is
/// never ahead of the rows.
fn read_now<T>(
    shared: &Shared,
    backend: &dyn StorageBackend,
    scope: ReadScope,
    work: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let view = shared.view.load();
    let mut work = Some(work);
    let mut result = None;
    backend.read(scope, &mut |snapshot| {
        if let Some(work) = work.take() {
            let reading = Reading {
                snapshot,
                view: &view,
                names: &shared.names,
            };
            result = Some(work(&reading)?);
        }
        Ok(())
    })?;
    result.ok_or_else(|| StoreError::Database("nothing was read".to_owned()))
}

impl Drop for RegionStore {
    fn drop(&mut self) {
        self.abandon();
    }
}

#[async_trait]
impl Store for RegionStore {
    fn origin(&self) -> &Origin {
        &self.shared.origin
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.shared.view.load().catalog.clone()
    }

    fn catalog_changed(&self) -> &Notify {
        &self.shared.catalog_changed
    }

    async fn commit(&self, transaction: Vec<ItemWrite>) -> Result<Vec<WriteResult>, CommitError> {
        let mut transaction = self.decided_early(transaction)?;
        let waiting = self.note_waiting(&mut transaction);
        let committed = self
            .ask(Priority::Client, |to| Request::Transaction(transaction, to))
            .await;
        self.forget_waiting(waiting);
        if let Err(CommitError::Store(error)) = &committed {
            self.repair_after(error).await;
        }
        committed.inspect(|outcomes| trail::written(outcomes))
    }

    async fn change_schema(&self, change: Box<dyn SchemaChange>) -> Result<Arc<Catalog>, SchemaError> {
        self.ask(Priority::Client, |to| Request::Schema(change, to)).await
    }

    async fn apply(&self, batch: RemoteBatch) -> Result<Applied, StoreError> {
        let applied = self.ask(Priority::Remote, |to| Request::Apply(batch, to)).await;
        self.repaired(applied).await
    }

    async fn get(&self, table: TableId, key: &KeyBytes) -> Result<Option<(Version, Item)>, StoreError> {
        if let Some(at) = self.stale_position() {
            let found = self.get_many_at(vec![(table, key.clone())], at).await?;
            return Ok(found.into_iter().next().flatten());
        }
        let found = match self.places.take() {
            Some(place) => self.read_at(place, ReadScope::Call, |reading| read::get(reading, table, key)),
            None => {
                let key = key.clone();
                let read = move |reading: &Reading<'_>| read::get(reading, table, &key);
                self.read_apart(ReadKind::Point, read).await
            }
        };
        let found = self.repaired(found).await?;
        Ok(self.shown((table, key), found))
    }

    async fn get_many(&self, keys: Vec<(TableId, KeyBytes)>) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
        let found = self.read_keys(keys, read::get_many).await;
        self.repaired(found).await
    }

    async fn range(&self, read: RangeRead) -> Result<RangePage, StoreError> {
        let kind = ReadKind::Clients(read.table);
        let read = move |reading: &Reading<'_>| read::range(reading, &read, None);
        let page = self.read_apart(kind, read).await;
        let page = self.repaired(page).await?;
        Ok(self.page_shown(page))
    }

    fn as_of(&self, ago: Duration) -> Option<LogPosition> {
        self.shared.as_of.ago(ago)
    }

    async fn get_many_at(
        &self,
        keys: Vec<(TableId, KeyBytes)>,
        at: LogPosition,
    ) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
        let found = self
            .read_keys(keys, move |reading, keys| read::get_many_at(reading, keys, at))
            .await;
        self.repaired(found).await
    }

    async fn range_at(&self, read: RangeRead, at: LogPosition) -> Result<RangePage, StoreError> {
        let kind = ReadKind::Clients(read.table);
        let read = move |reading: &Reading<'_>| read::range(reading, &read, Some(at));
        let page = self.read_apart(kind, read).await;
        self.repaired(page).await
    }

    fn log_appended(&self) -> &Notify {
        &self.shared.log_appended
    }

    async fn log_position(
        &self,
        filter: &LogFilter,
    ) -> Result<Result<LogPosition, Vec<(TableId, Origin)>>, StoreError> {
        let filter = filter.clone();
        self.read_apart(ReadKind::Log, move |reading| read::log_position(reading, &filter))
            .await
    }

    async fn read_log(&self, from: LogPosition, filter: &LogFilter, max_bytes: usize) -> Result<LogPage, StoreError> {
        self.backend.check()?;
        if let Some(page) = read::read_recent(&self.shared, from, filter, max_bytes)? {
            return Ok(page);
        }
        let filter = filter.clone();
        self.read_apart(ReadKind::Log, move |reading| {
            read::read_log(reading, from, &filter, max_bytes)
        })
        .await
    }

    async fn streams(&self) -> Result<Streams, StoreError> {
        let retention = self.shared.retention();
        self.read(ReadScope::Snapshot, |reading| read::streams(reading, retention))
    }

    async fn read_stream(&self, read: StreamRead) -> Result<StreamPage, StoreError> {
        let retention = self.shared.retention();
        self.read_apart(ReadKind::Clients(read.shard.table), move |reading| {
            read::read_stream(reading, &read, retention)
        })
        .await
    }

    async fn backlog(&self, peer: &BTreeMap<TableId, VersionVector>) -> Result<Backlog, StoreError> {
        self.backend.check()?;
        let (mut backlog, unknown) = read::recent_backlog(&self.shared, peer);
        if !unknown.is_empty() {
            let own = self.shared.origin.clone();
            let read = self.read_apart(ReadKind::Log, move |reading| read::backlog(reading, &own, &unknown));
            backlog.add(&read.await?);
        }
        Ok(backlog)
    }

    fn vectors(&self) -> SharedVectors {
        self.shared.view.load().vectors.clone()
    }

    fn hybrid_offset(&self) -> HybridOffset {
        self.shared.view.load().clock.offset(self.shared.clock.now_ms())
    }

    async fn digest(&self, table: TableId) -> Result<TableDigest, StoreError> {
        self.read_apart(ReadKind::Upkeep, move |reading| read::digest(reading, table))
            .await
    }

    async fn digest_as_of(&self, table: TableId, vector: VersionVector) -> Result<TableDigest, StoreError> {
        let read = move |reading: &Reading<'_>| read::digest_as_of(reading, table, &vector);
        let digest = self.read_apart(ReadKind::Upkeep, read).await;
        self.repaired(digest).await
    }

    async fn verify_range(&self, table: TableId, range: u16) -> Result<bool, StoreError> {
        let result = self.verify(table, range).await;
        self.shared.damage.verified((table, range), result.as_ref().copied());
        result
    }

    fn damage(&self) -> StoreDamage {
        StoreDamage {
            records: self.backend.damaged(),
            ranges: self.shared.damage.ranges(),
        }
    }

    async fn raw_rows(
        &self,
        table: TableId,
        ranges: RangeInclusive<u16>,
        after: Option<KeyBytes>,
        max_rows: usize,
    ) -> Result<Vec<RawRow>, StoreError> {
        let read =
            move |reading: &Reading<'_>| read::raw_rows(reading, table, ranges.clone(), after.as_ref(), max_rows);
        let rows = self.read_apart(ReadKind::Copies(table), read).await;
        self.repaired(rows).await
    }

    async fn mutations_of(&self, table: TableId, keys: Vec<KeyBytes>) -> Result<Vec<Mutation>, StoreError> {
        let read = move |reading: &Reading<'_>| read::mutations_of(reading, table, &keys);
        let mutations = self.read_apart(ReadKind::Copies(table), read).await;
        self.repaired(mutations).await
    }

    async fn conflicts(&self, table: Option<TableId>, after: u64, max: usize) -> Result<Vec<Conflict>, StoreError> {
        self.read_apart(ReadKind::Upkeep, move |reading| {
            read::conflicts(reading, table, after, max)
        })
        .await
    }

    async fn explain(&self, table: TableId, key: &KeyBytes) -> Result<Option<Explained>, StoreError> {
        let key = key.clone();
        self.read_apart(ReadKind::Upkeep, move |reading| read::explain(reading, table, &key))
            .await
    }

    async fn unshipped(&self, after: u64, max: usize) -> Result<Vec<Unshipped>, StoreError> {
        self.read_apart(ReadKind::Upkeep, move |reading| read::unshipped(reading, after, max))
            .await
    }

    async fn prune_conflicts(&self, filter: &PruneFilter) -> Result<Pruned, StoreError> {
        let filter = Arc::new(filter.clone());
        let (mut pruned, mut place) = (Pruned::default(), PrunePlace::default());
        loop {
            let asked = filter.clone();
            let step = if filter.dry_run {
                self.read_apart(ReadKind::Upkeep, move |reading| read::prunable(reading, &asked, place))
                    .await?
            } else {
                self.ask(Priority::Upkeep, |to| Request::Prune(asked, place, to))
                    .await?
            };
            pruned += step.pruned;
            match step.next {
                Some(next) => place = next,
                None => return Ok(pruned),
            }
        }
    }

    fn is_saving_unshipped(&self) -> bool {
        self.shared.view.load().keeps_unshipped
    }

    fn log_state(&self) -> LogState {
        self.shared.view.load().log_state()
    }

    fn sizes(&self) -> Result<StorageSizes, StoreError> {
        self.backend.sizes()
    }

    async fn note_unreachable(&self, unreachable_ms: BTreeMap<Region, u64>) -> Result<(), StoreError> {
        self.ask(Priority::Upkeep, |to| Request::NoteUnreachable(unreachable_ms, to))
            .await
    }

    async fn unreachable(&self) -> Result<BTreeMap<Region, u64>, StoreError> {
        self.read(ReadScope::Call, read::unreachable)
    }

    fn own_sequences(&self) -> OwnSequences {
        self.shared.view.load().own_sequences()
    }

    async fn begin_epoch(&self, known: u64) -> Result<(), StoreError> {
        self.ask(Priority::Upkeep, |to| Request::BeginEpoch(known, to)).await
    }

    async fn collect_garbage(&self, acknowledged: &Acknowledged) -> Result<bool, StoreError> {
        let acknowledged = Arc::new(acknowledged.clone());
        for _ in 0..GARBAGE_STEPS {
            let step = self.ask(Priority::Upkeep, |to| Request::Trim(acknowledged.clone(), to));
            if !self.repaired(step.await).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn failed(&self) -> Option<String> {
        self.queue.failed()
    }

    async fn failure(&self) -> String {
        self.queue.failure().await
    }

    async fn close(&self) {
        self.queue.stop(true);
        self.queue.finished().await;
        if let Some(committer) = self.take_committer() {
            let region = self.shared.span.clone();
            let closing = move || region.in_scope(|| committer.close());
            match self.execution {
                Execution::Inline => closing(),
                // A panic there would have been reported by its thread; the store is closed either
                // way.
                Execution::Threads => drop(tokio::task::spawn_blocking(closing).await),
            }
        }
        self.backend.close();
        tracing::info!(region = %self.shared.origin.region(), "the store is closed");
    }
}
