//! `SqliteBackend`: one connection that writes, a few that read, and the lock on the file.

use std::sync::Arc;

use beringia_committer::{DiskFaults, Execution};
use beringia_storage::{
    StoreError,
    backend::{
        CommitFailure, CommitNumber, Maintenance, ReadScope, Snapshot, StorageBackend, StorageSizes, WriteSet, Writer,
    },
};
use parking_lot::Mutex;
use rusqlite::Connection;

use crate::{
    checkpoint::Checkpoints,
    connection::{Readers, WriteConnection},
    damage::DamagedRecords,
    error::{OrStoreError, store_error},
    files::{DatabaseFile, FileLock},
    open,
    options::Options,
    reserve::Reserve,
    size_limit::SizeLimit,
    snapshot::SqlSnapshot,
    vacuum::{self, Vacuum},
    write::write,
};

/// Why a commit that may not use the reserve is refused.
const KEPT: &str = "the database or its disk is full, and what is left is kept for deletes";

/// The listeners to call after each commit.
type Listeners = Arc<Mutex<Vec<Arc<dyn Fn() + Send + Sync>>>>;

/// The storage backend of a region in an SQLite database.
pub struct SqliteBackend {
    readers: Arc<Readers>,
    damage: Arc<DamagedRecords>,
    /// The writer, until it is leased.
    writer: Mutex<Option<SqliteWriter>>,
    checkpoints: Checkpoints,
    listeners: Listeners,
    /// Keeps other processes away from the file while it is open; `None` for memory.
    lock: Mutex<Option<FileLock>>,
    /// The file of the database; `None` for memory.
    file: Option<DatabaseFile>,
    disk_faults: DiskFaults,
    /// The limit on the size of the database; `None` without one.
    max_bytes: Option<u64>,
}

impl SqliteBackend {
    /// Opens the database, or creates it if there is none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if the existing file is not this region's database, or is in use.
    /// The file is not changed then.
    pub fn open(options: &Options) -> Result<Self, StoreError> {
        let mut opened = open::open(options)?;
        let beside = options.execution == Execution::Threads;
        let bug = options.store.planted_bug;
        let checkpoints = match (&mut opened.writer, &opened.file) {
            (WriteConnection::File(connection), Some(file)) => Checkpoints::of_file(connection, file, (beside, bug)),
            _ => Ok(Checkpoints::none()),
        };
        let checkpoints = checkpoints.map_err(|error| StoreError::Database(error.to_string()))?;
        let (readers, damage) = (Arc::new(opened.readers), Arc::<DamagedRecords>::default());
        let listeners = Listeners::default();
        let writer = SqliteWriter {
            connection: opened.writer,
            readers: readers.clone(),
            damage: damage.clone(),
            committed: CommitNumber::default(),
            checkpoints: checkpoints.clone(),
            disk_faults: options.disk_faults.clone(),
            vacuum: Vacuum::default(),
            size_limit: SizeLimit::new(options.max_bytes),
            reserve: opened.file.as_ref().map(Reserve::of),
            listeners: listeners.clone(),
        };
        Ok(Self {
            readers,
            damage,
            writer: Mutex::new(Some(writer)),
            checkpoints,
            listeners,
            lock: Mutex::new(opened.lock),
            file: opened.file,
            disk_faults: options.disk_faults.clone(),
            max_bytes: options.max_bytes,
        })
    }

    /// The path of the database, for messages.
    pub(crate) fn path(&self) -> String {
        let path = self.file.as_ref().map(|file| file.path.display().to_string());
        path.unwrap_or_else(|| "in memory".to_owned())
    }
}

impl StorageBackend for SqliteBackend {
    fn read(
        &self,
        scope: ReadScope,
        work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.readers.with(|connection| match scope {
            ReadScope::Snapshot if !self.readers.are_exclusive() => in_transaction(connection, &self.damage, work),
            ReadScope::Snapshot | ReadScope::Call => work(&SqlSnapshot::new(connection, &self.damage)),
        })?
    }

    fn lease(&self) -> Result<Box<dyn Writer>, StoreError> {
        match self.writer.lock().take() {
            Some(writer) => Ok(Box::new(writer)),
            None => Err(StoreError::Unusable {
                path: self.path(),
                what: "is in use by another store".to_owned(),
            }),
        }
    }

    fn watch(&self, listener: Arc<dyn Fn() + Send + Sync>) {
        self.listeners.lock().push(listener);
    }

    fn check(&self) -> Result<(), StoreError> {
        self.readers.check()
    }

    fn damaged(&self) -> u64 {
        self.damage.count()
    }

    fn sizes(&self) -> Result<StorageSizes, StoreError> {
        let limit = SizeLimit::new(self.max_bytes);
        let (pages, page_bytes, is_over) = self
            .readers
            .with(|connection| {
                let (pages, page_bytes) = (vacuum::Pages::of(connection)?, vacuum::page_bytes(connection)?);
                Ok((pages, page_bytes, limit.uses_reserve(connection)?))
            })?
            .or_store_error()?;
        // The file is longer or shorter than that until the next WAL checkpoint.
        let length = |file: DatabaseFile| file.file_system.len(&file.path).ok().flatten().unwrap_or(0);
        let in_memory = pages.all * page_bytes;
        Ok(StorageSizes {
            database_bytes: self.file.clone().map_or(in_memory, length),
            free_bytes: pages.free * page_bytes,
            wal_bytes: self.file.as_ref().map_or(0, |file| length(file.sibling("-wal"))),
            reserve_in_use: is_over || self.disk_faults.is_full() || self.file.as_ref().is_some_and(Reserve::is_spent),
        })
    }

    /// All connections are closed when this returns, so that the next open recovers the write-ahead
    /// log from its beginning.
    fn close(&self) {
        self.checkpoints.end();
        self.readers.close();
        drop(self.writer.lock().take());
        drop(self.lock.lock().take());
    }
}

/// Also where a store could not be opened on the backend.
impl Drop for SqliteBackend {
    fn drop(&mut self) {
        self.close();
    }
}

/// Runs `work` on one snapshot of the database.
fn in_transaction(
    connection: &Connection,
    damage: &DamagedRecords,
    work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    execute(connection, "BEGIN").or_store_error()?;
    let result = work(&SqlSnapshot::new(connection, damage));
    execute(connection, "COMMIT").or_store_error()?;
    result
}

fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

/// The one connection that writes. There is one per database: a lock file keeps other processes
/// away, and the backend leases it once. The condition of commits therefore counts its own commits
/// only.
struct SqliteWriter {
    connection: WriteConnection,
    readers: Arc<Readers>,
    damage: Arc<DamagedRecords>,
    committed: CommitNumber,
    checkpoints: Checkpoints,
    disk_faults: DiskFaults,
    size_limit: SizeLimit,
    vacuum: Vacuum,
    /// Space on the disk that is kept back; `None` for memory.
    reserve: Option<Reserve>,
    listeners: Listeners,
}

impl Writer for SqliteWriter {
    fn read(&mut self, work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>) -> Result<(), StoreError> {
        // There is no other writer, so separate statements see the same state anyway. A transaction
        // spares a file the locks of every statement.
        match &self.connection {
            WriteConnection::File(connection) => in_transaction(connection, &self.damage, work),
            WriteConnection::Memory(owner) => {
                owner.with(|connection| work(&SqlSnapshot::new(connection, &self.damage)))?
            }
        }
    }

    fn committed(&mut self) -> Result<CommitNumber, StoreError> {
        Ok(self.committed)
    }

    fn commit(&mut self, writes: &WriteSet) -> Result<(), CommitFailure> {
        if writes.based_on != self.committed {
            return Err(CommitFailure::Stale);
        }
        self.checkpoints.check().map_err(CommitFailure::Fatal)?;
        if !writes.on_reserve && self.reserve.as_mut().is_some_and(Reserve::is_in_use) {
            return Err(StoreError::DiskFull(KEPT.to_owned()).into());
        }
        let mut committed = self.attempt(writes);
        if writes.on_reserve && self.is_disk_full(&committed) && self.reserve.as_mut().is_some_and(Reserve::spend) {
            // SQLite has rolled the first attempt back, and writes the second one over it.
            committed = self.attempt(writes);
        }
        committed?;
        self.committed.0 += 1;
        let listeners = self.listeners.lock().clone();
        listeners.iter().for_each(|listener| listener());
        Ok(())
    }

    fn maintain(&mut self, when: Maintenance) -> Result<bool, StoreError> {
        let WriteConnection::File(connection) = &self.connection else {
            return Ok(false);
        };
        self.checkpoints.check()?;
        let is_more = if when == Maintenance::Rest {
            if let Some(reserve) = &mut self.reserve {
                reserve.keep();
            }
            self.checkpoints.idle(connection);
            // If this fails, the memory is just not released.
            let _ = connection.execute_batch("PRAGMA shrink_memory");
            self.readers.rest();
            false
        } else {
            let step = self.vacuum.step(connection, when == Maintenance::Idle);
            let is_more = step.unwrap_or_else(|error| {
                match store_error(&error) {
                    error @ StoreError::SyncFailed(_) => self.checkpoints.fail(error),
                    error => tracing::debug!(%error, "free pages could not be returned to the file system"),
                }
                false
            });
            self.checkpoints.after_commit(connection);
            is_more
        };
        self.checkpoints.check().map(|()| is_more)
    }

    fn release(self: Box<Self>) {
        match &self.connection {
            WriteConnection::File(connection) => self.checkpoints.last(connection),
            WriteConnection::Memory(owner) => owner.release(),
        }
    }
}

impl SqliteWriter {
    /// Writes and commits one transaction.
    fn attempt(&mut self, writes: &WriteSet) -> Result<(), CommitFailure> {
        let (size_limit, disk_faults) = (&mut self.size_limit, &self.disk_faults);
        let committed = self.connection.with(|connection| {
            size_limit.adapt(disk_faults, connection).or_store_error()?;
            commit(connection, writes, size_limit)
        });
        let committed = committed.map_err(|error| match error {
            StoreError::Closed => CommitFailure::LeaseLost,
            error => CommitFailure::Failed(error),
        });
        committed.flatten().map_err(|failure| match failure {
            CommitFailure::Unknown(error @ StoreError::SyncFailed(_))
            | CommitFailure::Failed(error @ StoreError::SyncFailed(_)) => {
                self.checkpoints.fail(error.clone());
                CommitFailure::Fatal(error)
            }
            failure => failure,
        })
    }

    /// Whether an attempt failed for want of space on the disk, rather than by a limit.
    fn is_disk_full(&self, attempt: &Result<(), CommitFailure>) -> bool {
        let is_full = matches!(
            attempt,
            Err(CommitFailure::Failed(StoreError::DiskFull(_)) | CommitFailure::Unknown(StoreError::DiskFull(_)))
        );
        is_full && !self.size_limit.is_set()
    }
}

/// Writes and commits one transaction on this connection.
fn commit(connection: &Connection, writes: &WriteSet, size_limit: &SizeLimit) -> Result<(), CommitFailure> {
    execute(connection, "BEGIN IMMEDIATE").or_store_error()?;
    let _open = Open(connection);
    write(connection, writes)?;
    if !writes.on_reserve && size_limit.uses_reserve(connection).or_store_error()? {
        return Err(StoreError::DiskFull(KEPT.to_owned()).into());
    }
    // SQLite decides at the next start whether a commit that failed here is durable after all.
    execute(connection, "COMMIT").map_err(|error| CommitFailure::Unknown(store_error(&error)))
}

/// An open transaction. It is rolled back unless it was committed: after an error, and also after a
/// panic, since readers of a database in memory share the connection.
struct Open<'a>(&'a Connection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a commit cannot be rolled back");
        }
    }
}
