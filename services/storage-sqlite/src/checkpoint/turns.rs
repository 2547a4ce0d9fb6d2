//! One WAL checkpoint at a time, and none after a failed sync.

use std::{sync::OnceLock, time::Duration};

use beringia_storage::{PlantedBug, StoreError};
use parking_lot::Mutex;
use rusqlite::Connection;

use crate::{connection, error::store_error};

/// How far a checkpoint came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Copied {
    /// The pages of the log.
    pub(super) pages: u32,
    /// Those of them that are in the database file.
    pub(super) copied: u32,
}

impl Copied {
    pub(super) const fn is_all(self) -> bool {
        self.copied == self.pages
    }
}

/// Makes one checkpoint at a time, and none after a failed sync.
pub(super) struct Turns {
    /// Held during a checkpoint.
    running: Mutex<()>,
    /// Why no more checkpoints are made.
    failure: OnceLock<StoreError>,
    planted_bug: Option<PlantedBug>,
}

impl Turns {
    pub(super) const fn new(planted_bug: Option<PlantedBug>) -> Self {
        Self {
            running: Mutex::new(()),
            failure: OnceLock::new(),
            planted_bug,
        }
    }

    /// Copies pages without blocking other connections, unless another checkpoint is being made:
    /// SQLite would make none either.
    pub(super) fn passive(&self, connection: &Connection) -> Option<Copied> {
        let _running = self.running.try_lock()?;
        self.checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")
    }

    /// Copies all pages, after a checkpoint that is being made. It waits so long for readers: for
    /// those of older pages, then for all that keep the log from starting over. With `TRUNCATE` the
    /// log's file gets empty, too.
    pub(super) fn complete(&self, connection: &Connection, mode: &str, wait: Duration) -> Option<Copied> {
        let _running = self.running.lock();
        let done = match connection.busy_timeout(wait) {
            Ok(()) => self.checkpoint(connection, &format!("PRAGMA wal_checkpoint({mode})")),
            Err(_) => None,
        };
        if let Err(error) = connection.busy_timeout(connection::BUSY) {
            tracing::error!(%error, "the time to wait for other connections cannot be set");
        }
        done
    }

    /// Copies all pages and empties the log's file, after a checkpoint that is being made.
    pub(super) fn last(&self, connection: &Connection) {
        let _running = self.running.lock();
        self.checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Checks that no sync has failed.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// The caller holds `running`. Pages that cannot be copied now are copied the next time, so a
    /// failure is only logged, unless it is of a sync.
    fn checkpoint(&self, connection: &Connection, statement: &str) -> Option<Copied> {
        if self.failure.get().is_some() {
            return None;
        }
        self.attempt(connection, statement)
            .inspect_err(|error| match store_error(error) {
                error @ StoreError::SyncFailed(_) => {
                    tracing::error!(%error, "the sync of a WAL checkpoint failed");
                    self.fail(error);
                }
                error => tracing::warn!(%error, "a WAL checkpoint failed; the next one tries again"),
            })
            .ok()
            .flatten()
    }

    /// Makes a checkpoint; `None` if SQLite makes none now, since a commit is changing the index of
    /// the log.
    fn attempt(&self, connection: &Connection, statement: &str) -> rusqlite::Result<Option<Copied>> {
        let numbers = |row: &rusqlite::Row<'_>| Ok([row.get::<_, i64>(1)?, row.get(2)?]);
        let numbers = self.synced_or_not(connection, || connection.query_row(statement, [], numbers))?;
        // Both are -1 then.
        let [Ok(pages), Ok(copied)] = numbers.map(u32::try_from) else {
            return Ok(None);
        };
        Ok(Some(Copied { pages, copied }))
    }

    /// Whether a planted bug keeps checkpoints unsynced.
    pub(super) fn is_unsynced(&self) -> bool {
        self.planted_bug.is_some_and(PlantedBug::leaves_checkpoints_unsynced)
    }

    /// Runs a checkpoint; with the planted bug, without its syncs.
    fn synced_or_not<T>(
        &self,
        connection: &Connection,
        checkpoint: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if !self.is_unsynced() {
            return checkpoint();
        }
        connection.pragma_update(None, "synchronous", "OFF")?;
        let copied = checkpoint();
        connection.pragma_update(None, "synchronous", "FULL")?;
        copied
    }

    /// The first failure stays.
    pub(super) fn fail(&self, error: StoreError) {
        self.failure.get_or_init(|| error);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Whether the other connection's checkpoint waits.
    static WAITS: AtomicBool = AtomicBool::new(false);

    fn wait_for_the_reader(_: i32) -> bool {
        WAITS.store(true, Ordering::Relaxed);
        std::thread::yield_now();
        true
    }

    /// Another connection is in the middle of a checkpoint, which waits for a reader. SQLite says
    /// the same then as when a commit is changing the index of the log.
    #[test]
    fn checkpoint_that_sqlite_refuses_is_no_failure() {
        let directory = tempfile::tempdir().expect("a directory");
        let connect = || Connection::open(directory.path().join("db")).expect("a database");
        let (mut writer, reader, other) = (connect(), connect(), connect());
        writer
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1);")
            .expect("it is written");
        reader.execute_batch("BEGIN; SELECT * FROM t;").expect("it is read");
        writer.execute("INSERT INTO t VALUES (2)", []).expect("it is written");
        other.execute_batch("SELECT * FROM t").expect("it is read");
        writer.busy_handler(Some(wait_for_the_reader)).expect("it waits");
        let turns = Turns::new(None);
        std::thread::scope(|scope| {
            let waits = scope.spawn(move || writer.execute_batch("PRAGMA wal_checkpoint(FULL)"));
            while !WAITS.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let refused = turns.attempt(&other, "PRAGMA wal_checkpoint(PASSIVE)");
            reader.execute_batch("COMMIT").expect("it ends");
            waits.join().expect("no panic").expect("it is copied");
            assert_eq!(refused, Ok(None));
        });
        assert!(turns.passive(&other).is_some_and(Copied::is_all));
        assert_eq!(turns.check(), Ok(()));
    }
}
