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
        let copied = self.synced_or_not(connection, || {
            connection.query_row(statement, [], |row| {
                Ok(Copied {
                    pages: row.get(1)?,
                    copied: row.get(2)?,
                })
            })
        });
        copied
            .inspect_err(|error| match store_error(error) {
                error @ StoreError::SyncFailed(_) => {
                    tracing::error!(%error, "the sync of a WAL checkpoint failed");
                    self.fail(error);
                }
                error => tracing::warn!(%error, "a WAL checkpoint failed; the next one tries again"),
            })
            .ok()
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
