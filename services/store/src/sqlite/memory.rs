//! A database in memory that outlives the store: the disk of a simulated region, and of an ephemeral one.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::Connection;

use super::{layout::sql, open::PAGES_MAX};
use crate::StoreError;

/// Memory that keeps a region's state when its store is gone. Clones are the same disk. One store has it at a time: opening it
/// again takes it away from the store before, which then only answers [`StoreError::Closed`].
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    /// None until the first store makes the database.
    connection: Option<Connection>,
    /// Counts the stores that had the disk. A store with an older number lost it.
    owner: u64,
    commit_delay: Duration,
    full: bool,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the disk away from its store, as a crash would.
    pub fn detach(&self) {
        self.lock().owner += 1;
    }

    /// Loses everything that is on it. The store that had it is cut off, as by [`MemoryDisk::detach`]; the next one finds an empty disk.
    pub fn erase(&self) {
        let mut disk = self.lock();
        disk.owner += 1;
        disk.connection = None;
    }

    /// From now on every commit of a store with [`crate::Execution::Inline`] takes so long, on tokio's clock; commands that come
    /// meanwhile wait for the next one. Zero at first.
    pub fn set_commit_delay(&self, delay: Duration) {
        self.lock().commit_delay = delay;
    }

    pub(super) fn commit_delay(&self) -> Duration {
        self.lock().commit_delay
    }

    /// Whether the disk is full: then what needs more room than the database has fails with [`StoreError::DiskFull`], over restarts
    /// too, until it is no longer full.
    ///
    /// # Errors
    /// [`StoreError::Database`] where SQLite does not take the limit.
    pub fn set_full(&self, full: bool) -> Result<(), StoreError> {
        let mut disk = self.lock();
        disk.full = full;
        disk.connection.as_ref().map_or(Ok(()), |connection| {
            let limited = if full { fill(connection) } else { empty(connection) };
            limited.map_err(|error| super::fail::store_error(&error))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // A panic while a group was open leaves a transaction behind; whoever comes next rolls it back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the disk to a new store. `prepare` gets the connection, and whether the database is new.
    pub(super) fn attach<T>(
        &self,
        prepare: impl FnOnce(&Connection, bool) -> Result<T, StoreError>,
    ) -> Result<(MemoryOwner, T), StoreError> {
        let mut disk = self.lock();
        let prepared = match &disk.connection {
            Some(connection) => {
                if !connection.is_autocommit() {
                    connection
                        .execute_batch("ROLLBACK")
                        .map_err(|error| super::fail::store_error(&error))?;
                }
                prepare(connection, false)?
            }
            None => {
                let connection = Connection::open_in_memory().map_err(|error| super::fail::store_error(&error))?;
                let prepared = prepare(&connection, true)?;
                disk.connection = Some(connection);
                prepared
            }
        };
        if disk.full
            && let Some(connection) = &disk.connection
        {
            fill(connection).map_err(|error| super::fail::store_error(&error))?;
        }
        disk.owner += 1;
        Ok((
            MemoryOwner {
                disk: self.clone(),
                owner: disk.owner,
            },
            prepared,
        ))
    }
}

/// Lets the database use the pages that it has and no more: a limit below the present size counts as the present size
/// (<https://www.sqlite.org/pragma.html#pragma_max_page_count>).
fn fill(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(()))
}

fn empty(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "max_page_count", sql(PAGES_MAX), |_| Ok(()))
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDisk").finish_non_exhaustive()
    }
}

/// A store's claim on a disk, good until the next store's.
#[derive(Debug, Clone)]
pub(super) struct MemoryOwner {
    disk: MemoryDisk,
    owner: u64,
}

impl MemoryOwner {
    /// Runs `work` with nobody else at the disk, so that no one reads what is not committed.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> Result<T, StoreError> {
        let disk = self.disk.lock();
        match &disk.connection {
            Some(connection) if disk.owner == self.owner => Ok(work(connection)),
            _ => Err(StoreError::Closed),
        }
    }

    /// Gives the disk up, where it is still this store's.
    pub(super) fn release(&self) {
        let mut disk = self.disk.lock();
        if disk.owner == self.owner {
            disk.owner += 1;
        }
    }
}
