//! `SqliteStore`: the pieces put together behind the `Store` trait.

use std::{
    collections::BTreeMap,
    fs::File,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use beringia_clock::{HybridClock, HybridTime};
use beringia_item::{Item, KeyBytes, Mutation, Region, TableId, Version, VersionVector};
use tokio::sync::{Notify, Semaphore, oneshot};

use super::{
    checkpoint::Checkpoints,
    committer::{Command, Committer},
    connection::{Readers, Writer},
    disk::DiskFaults,
    driver::{self, Class, Queue, Seat},
    fail::Result as InnerResult,
    open,
    options::{Execution, Options},
    read::{self, Reading},
    shared::Shared,
    state::State,
};
use crate::{
    Acknowledged, Applied, Backlog, Catalog, CommitError, Conflict, Explained, ItemWrite, LogFilter, LogPage,
    LogPosition, Outcome, RangePage, RangeRead, RawRow, RemoteBatch, SchemaChange, SchemaError, Store, StoreError,
    StreamPage, StreamRead, Streams, TableDigest, Unshipped,
};

/// Long reads that run at a time on threads of their own.
const LONG_READS_MAX: usize = 4;
/// Keys up to which `get_many` reads on the caller's thread.
const SHORT_READ_KEYS: usize = 8;
/// Steps of one call of `forget`.
const FORGET_STEPS: usize = 16;

/// A region's state in an SQLite database.
pub struct SqliteStore {
    pub(super) shared: Arc<Shared>,
    readers: Arc<Readers>,
    queue: Arc<Queue>,
    seat: Seat,
    checkpoints: Checkpoints,
    execution: Execution,
    long_reads: Semaphore,
    /// Keeps other processes away from the file while the store is open.
    lock: Mutex<Option<File>>,
}

impl SqliteStore {
    /// Opens the database, or makes it where there is none. With [`Execution::Inline`] it must be called on a tokio runtime, and
    /// the other methods on that runtime.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where what is there is not this region's database, or is in use; it is not changed then.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let opened = open::open(&options)?;
        let disk_faults = options.disk_faults.clone();
        let execution = options.execution;
        let clock = HybridClock::restore(
            options.store.clock.clone(),
            HybridTime::default(),
            options.store.max_offset_ms,
        );
        let loaded = opened
            .writer
            .with(|connection| State::load(connection, &options.store.region, clock, 0))?;
        let mut state = open::readable(loaded, opened.path.as_deref())?;
        let shared = Arc::new(Shared::new(options.store, &mut state));
        let mut writer = opened.writer;
        let checkpoints = match (&mut writer, &opened.path) {
            (Writer::File(connection), Some(path)) => {
                Checkpoints::of_file(connection, path, execution == Execution::Threads)
            }
            _ => Ok(Checkpoints::none()),
        };
        let checkpoints = checkpoints.map_err(|error| StoreError::Database(error.to_string()))?;
        let committer = Committer::new(writer, shared.clone(), state, disk_faults.clone());
        let store = Self {
            shared,
            readers: Arc::new(opened.readers),
            queue: Arc::new(Queue::new()),
            seat: Arc::new(Mutex::new(Some(committer))),
            checkpoints,
            execution,
            long_reads: Semaphore::new(LONG_READS_MAX),
            lock: Mutex::new(opened.lock),
        };
        store.start_driver(disk_faults)?;
        tracing::info!(region = %store.shared.region, path = ?opened.path, "the store is open");
        Ok(store)
    }

    fn start_driver(&self, disk_faults: DiskFaults) -> Result<(), StoreError> {
        let (queue, seat, checkpoints) = (self.queue.clone(), self.seat.clone(), self.checkpoints.clone());
        match self.execution {
            Execution::Threads => {
                let readers = self.readers.clone();
                let body = move || driver::run(queue, &seat, &checkpoints, &disk_faults, &|| readers.rest());
                let started = std::thread::Builder::new().name("committer".to_owned()).spawn(body);
                started
                    .map(drop)
                    .map_err(|error| StoreError::Database(error.to_string()))
            }
            Execution::Inline => {
                tokio::spawn(driver::run_inline(queue, seat, checkpoints, disk_faults));
                Ok(())
            }
        }
    }

    /// Takes the state away at once, as a crash would: what was not committed is lost, whoever waits gets
    /// [`StoreError::Closed`], and the database can be opened again when this returns. Dropping the store does the same.
    pub fn abandon(&self) {
        self.queue.stop(false);
        drop(self.take_committer());
        self.release();
    }

    /// Takes the committer from its driver, once it has finished the group at hand.
    fn take_committer(&self) -> Option<Committer> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn release(&self) {
        self.checkpoints.end();
        self.readers.close();
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Has the committer do something, and waits for its answer.
    async fn ask<T, E: From<StoreError>>(
        &self,
        class: Class,
        command: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
    ) -> Result<T, E> {
        let (to, answer) = oneshot::channel();
        self.queue.submit(class, command(to)).await?;
        // The sender is dropped unused only where the committer is gone.
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// Reads on the caller's thread.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Reading<'_>) -> InnerResult<T>) -> Result<T, StoreError> {
        read_now(&self.shared, &self.readers, work)
    }

    /// Reads where it does not hold up other tasks.
    async fn read_long<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reading<'_>) -> InnerResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.execution == Execution::Inline {
            return self.read(work);
        }
        let _slot = self.long_reads.acquire().await.map_err(|_| StoreError::Closed)?;
        let (shared, readers) = (self.shared.clone(), self.readers.clone());
        let reading = tokio::task::spawn_blocking(move || read_now(&shared, &readers, work));
        reading.await.map_err(|error| StoreError::Database(error.to_string()))?
    }
}

/// Runs a read with the view as it is now. The view is taken before the connection's moment, so it is never ahead of the rows.
fn read_now<T>(
    shared: &Shared,
    readers: &Readers,
    work: impl FnOnce(&Reading<'_>) -> InnerResult<T>,
) -> Result<T, StoreError> {
    let view = shared.view.load();
    let result = readers.with(|connection| {
        work(&Reading {
            connection,
            view: &view,
            names: &shared.names,
        })
    })?;
    Ok(result?)
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.abandon();
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn region(&self) -> &Region {
        &self.shared.region
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.shared.view.load().catalog.clone()
    }

    fn catalog_changed(&self) -> &Notify {
        &self.shared.catalog_changed
    }

    async fn commit(&self, unit: Vec<ItemWrite>) -> Result<Vec<Outcome>, CommitError> {
        let unit = self.decided_early(unit)?;
        self.ask(Class::Client, |to| Command::Unit(unit, to)).await
    }

    async fn change_schema(&self, change: SchemaChange) -> Result<Arc<Catalog>, SchemaError> {
        self.ask(Class::Client, |to| Command::Schema(change, to)).await
    }

    async fn apply(&self, batch: RemoteBatch) -> Result<Applied, StoreError> {
        self.ask(Class::Remote, |to| Command::Apply(batch, to)).await
    }

    async fn get(&self, table: TableId, key: &KeyBytes) -> Result<Option<(Version, Item)>, StoreError> {
        self.read(|reading| read::get(reading, table, key))
    }

    async fn get_many(&self, keys: Vec<(TableId, KeyBytes)>) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
        if keys.len() <= SHORT_READ_KEYS {
            return self.read(|reading| read::get_many(reading, &keys));
        }
        self.read_long(move |reading| read::get_many(reading, &keys)).await
    }

    async fn range(&self, read: RangeRead) -> Result<RangePage, StoreError> {
        self.read_long(move |reading| read::range(reading, &read, None)).await
    }

    fn moment(&self, ago: Duration) -> Option<LogPosition> {
        self.shared.moments.ago(ago)
    }

    async fn get_many_at(
        &self,
        keys: Vec<(TableId, KeyBytes)>,
        at: LogPosition,
    ) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
        if keys.len() <= SHORT_READ_KEYS {
            return self.read(|reading| read::get_many_at(reading, &keys, at));
        }
        self.read_long(move |reading| read::get_many_at(reading, &keys, at))
            .await
    }

    async fn range_at(&self, read: RangeRead, at: LogPosition) -> Result<RangePage, StoreError> {
        self.read_long(move |reading| read::range(reading, &read, Some(at)))
            .await
    }

    fn log_appended(&self) -> &Notify {
        &self.shared.log_appended
    }

    async fn log_position(
        &self,
        filter: &LogFilter,
    ) -> Result<Result<LogPosition, Vec<(TableId, Region)>>, StoreError> {
        let filter = filter.clone();
        self.read_long(move |reading| read::log_position(reading, &filter))
            .await
    }

    async fn read_log(&self, from: LogPosition, filter: &LogFilter, max_bytes: usize) -> Result<LogPage, StoreError> {
        self.readers.check()?;
        if let Some(page) = read::read_recent(&self.shared, from, filter, max_bytes)? {
            return Ok(page);
        }
        let filter = filter.clone();
        self.read_long(move |reading| read::read_log(reading, from, &filter, max_bytes))
            .await
    }

    async fn streams(&self) -> Result<Streams, StoreError> {
        let retention = self.shared.retention();
        self.read(|reading| read::streams(reading, retention))
    }

    async fn read_stream(&self, read: StreamRead) -> Result<StreamPage, StoreError> {
        let retention = self.shared.retention();
        self.read_long(move |reading| read::read_stream(reading, &read, retention))
            .await
    }

    async fn backlog(&self, peer: &BTreeMap<TableId, VersionVector>) -> Result<Backlog, StoreError> {
        self.readers.check()?;
        let (mut backlog, unknown) = read::recent_backlog(&self.shared, peer);
        if !unknown.is_empty() {
            let own = self.shared.region.clone();
            let read = self.read_long(move |reading| read::backlog(reading, &own, &unknown));
            backlog.add(&read.await?);
        }
        Ok(backlog)
    }

    fn vectors(&self) -> Arc<BTreeMap<TableId, VersionVector>> {
        Arc::clone(&self.shared.view.load().vectors)
    }

    async fn digest(&self, table: TableId) -> Result<TableDigest, StoreError> {
        self.read_long(move |reading| read::digest(reading, table)).await
    }

    async fn verify_range(&self, table: TableId, range: u16) -> Result<bool, StoreError> {
        // Looking is the readers' work. Only where something seems amiss does the committer look again, and mend.
        if !self
            .read_long(move |reading| read::is_damaged(reading, table, range))
            .await?
        {
            return Ok(false);
        }
        self.ask(Class::Upkeep, |to| Command::Mend(table, range, to)).await
    }

    async fn raw_rows(
        &self,
        table: TableId,
        range: u16,
        after: Option<KeyBytes>,
        max_rows: usize,
    ) -> Result<Vec<RawRow>, StoreError> {
        self.read_long(move |reading| read::raw_rows(reading, table, range, after.as_ref(), max_rows))
            .await
    }

    async fn mutations_of(&self, table: TableId, keys: Vec<KeyBytes>) -> Result<Vec<Mutation>, StoreError> {
        self.read_long(move |reading| read::mutations_of(reading, table, &keys))
            .await
    }

    async fn conflicts(&self, table: Option<TableId>, after: u64, max: usize) -> Result<Vec<Conflict>, StoreError> {
        self.read_long(move |reading| read::conflicts(reading, table, after, max))
            .await
    }

    async fn explain(&self, table: TableId, key: &KeyBytes) -> Result<Option<Explained>, StoreError> {
        let key = key.clone();
        self.read_long(move |reading| read::explain(reading, table, &key)).await
    }

    async fn unshipped(&self, after: u64, max: usize) -> Result<Vec<Unshipped>, StoreError> {
        self.read_long(move |reading| read::unshipped(reading, after, max))
            .await
    }

    fn puts_aside(&self) -> bool {
        self.shared.view.load().puts_aside
    }

    async fn note_away(&self, away_ms: BTreeMap<Region, u64>) -> Result<(), StoreError> {
        self.ask(Class::Upkeep, |to| Command::NoteAway(away_ms, to)).await
    }

    async fn away(&self) -> Result<BTreeMap<Region, u64>, StoreError> {
        self.read(read::away)
    }

    async fn forget(&self, acknowledged: &Acknowledged) -> Result<(), StoreError> {
        let acknowledged = Arc::new(acknowledged.clone());
        for _ in 0..FORGET_STEPS {
            let step = self.ask(Class::Upkeep, |to| Command::Forget(acknowledged.clone(), to));
            if !step.await? {
                break;
            }
        }
        Ok(())
    }

    async fn close(&self) {
        self.queue.stop(true);
        self.queue.finished().await;
        if let Some(committer) = self.take_committer() {
            let closing = move || committer.close();
            match self.execution {
                Execution::Inline => closing(),
                // A panic there would have been reported by its thread; the store is closed either way.
                Execution::Threads => drop(tokio::task::spawn_blocking(closing).await),
            }
        }
        self.release();
        tracing::info!(region = %self.shared.region, "the store is closed");
    }
}
