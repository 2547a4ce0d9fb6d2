//! Connections to the database: the committer's one, and a few for readers.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use beringia_storage::{PlantedBug, StoreError};
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{error::store_error, files::DatabaseFile, memory::MemoryOwner};

/// The page cache of the committer's connection, in KiB. The operating system caches the rest of
/// the file.
const WRITER_CACHE_KIB: i64 = 8 * 1024;
/// The size that the file of the write-ahead log keeps when the log starts over, in bytes: longer
/// than a log that no reader holds, since a sync after writing over it costs less than one after
/// making it longer.
const WAL_KEPT_BYTES: i64 = 48 << 20;
/// The page cache of a reader's connection, in KiB.
const READER_CACHE_KIB: i64 = 2 * 1024;
/// The number of idle reader connections that are kept. More are opened for concurrent reads, and
/// closed afterwards.
const IDLE_READERS_MAX: usize = 4;
/// The number of prepared statements that a connection keeps.
const STATEMENTS: usize = 96;
/// How long SQLite retries while the file is locked.
pub(crate) const BUSY: Duration = Duration::from_secs(10);

/// The committer's access to the database.
pub(crate) enum WriteConnection {
    File(Connection),
    Memory(MemoryOwner),
}

impl WriteConnection {
    /// Runs `work` on the connection, exclusively.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> Result<T, StoreError> {
        match self {
            Self::File(connection) => Ok(work(connection)),
            Self::Memory(owner) => owner.with(work),
        }
    }
}

/// The readers' access to the database.
pub(crate) struct Readers {
    source: Source,
    idle: Mutex<Vec<Connection>>,
    /// Held for reading by each read of a file.
    reading: RwLock<()>,
    closed: AtomicBool,
}

/// The source of readers' connections.
pub(crate) enum Source {
    File(DatabaseFile),
    Memory(MemoryOwner),
}

impl Readers {
    pub(crate) const fn new(source: Source) -> Self {
        Self {
            source,
            idle: Mutex::new(Vec::new()),
            reading: RwLock::new(()),
            closed: AtomicBool::new(false),
        }
    }

    /// Fails if there is nothing to read any more.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        match &self.source {
            Source::Memory(owner) => owner.with(|_| ()),
            Source::File(_) => Ok(()),
        }
    }

    /// Runs `work` on a connection that sees committed data only.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> Result<T, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        match &self.source {
            Source::Memory(owner) => owner.with(work),
            Source::File(file) => {
                let _reading = self.reading.read_recursive();
                if self.closed.load(Ordering::Acquire) {
                    return Err(StoreError::Closed);
                }
                let waiting = self.idle.lock().pop();
                let connection = match waiting {
                    Some(connection) => connection,
                    None => open(file, READER_CACHE_KIB)
                        .and_then(|connection| connection.pragma_update(None, "query_only", true).map(|()| connection))
                        .map_err(|error| store_error(&error))?,
                };
                let result = work(&connection);
                let mut idle = self.idle.lock();
                if idle.len() < IDLE_READERS_MAX && !self.closed.load(Ordering::Acquire) {
                    idle.push(connection);
                }
                Ok(result)
            }
        }
    }

    /// Whether nothing is written while `work` runs in [`with`](Self::with), so that its statements
    /// see one state without a transaction.
    pub(crate) const fn are_exclusive(&self) -> bool {
        matches!(self.source, Source::Memory(_))
    }

    /// Closes idle connections. More are opened when needed.
    pub(crate) fn rest(&self) {
        self.idle.lock().clear();
    }

    /// Ends reading: waits for reads in progress, and closes their connections.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        drop(self.reading.write());
        self.rest();
    }
}

/// Opens the committer's connection to an existing file.
pub(crate) fn open_writer(file: &DatabaseFile, bug: Option<PlantedBug>) -> rusqlite::Result<Connection> {
    let connection = open(file, WRITER_CACHE_KIB)?;
    let is_unsynced = bug.is_some_and(PlantedBug::leaves_commits_unsynced);
    connection.pragma_update(None, "synchronous", if is_unsynced { "OFF" } else { "FULL" })?;
    // Applied when the log starts over.
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_KEPT_BYTES, |_| Ok(()))?;
    Ok(connection)
}

/// Opens a connection to an existing file. Closing it never touches the file: checkpoints are made
/// explicitly.
pub(crate) fn open(file: &DatabaseFile, cache_kib: i64) -> rusqlite::Result<Connection> {
    let connection = file.connect(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    configure(&connection)?;
    Ok(connection)
}

/// Configures what all connections have in common, including those to memory.
pub(crate) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without this, SQLite plans some statements again for every value that is bound to them (for
    // example a join, with statistics compiled in), which took a quarter of the time of a read.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::schema::SCHEMA;

    #[test]
    fn join_is_planned_once_for_all_bound_values() {
        let connection = Connection::open_in_memory().unwrap();
        configure(&connection).unwrap();
        connection.execute_batch(&SCHEMA).unwrap();
        let join = "SELECT i.v, l.image FROM item i JOIN log l ON l.pos = i.pos WHERE i.k = ?1 AND i.pos > 0";
        for key in [[1_u8], [2], [3]] {
            assert!(!connection.prepare_cached(join).unwrap().exists([&key[..]]).unwrap());
        }
        let statement = connection.prepare_cached(join).unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
