//! A database in memory that outlives the store: the disk of a simulated region, and of an ephemeral one.

use std::{fmt, sync::Arc};

use beringia_storage::StoreError;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use crate::error::store_error;

/// Bytes of a page. Each commit copies every page that it changes, for a rollback; but now and then it also walks over all pages that there
/// are (SQLite renumbers pages with the help of one far behind the last, and looks afterwards for what lies behind the last), which
/// took an eighth of the committer's time where many small pages held a region's backlog.
const PAGE_BYTES: u32 = 4096;

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

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // A panic while a group was open leaves a transaction behind; whoever comes next rolls it back.
        self.0.lock()
    }

    /// Gives the disk to a new store. `prepare` gets the connection, and whether the database is new.
    pub(crate) fn attach<T>(
        &self,
        prepare: impl FnOnce(&Connection, bool) -> Result<T, StoreError>,
    ) -> Result<(MemoryOwner, T), StoreError> {
        let mut disk = self.lock();
        let prepared = match &disk.connection {
            Some(connection) => {
                if !connection.is_autocommit() {
                    connection
                        .execute_batch("ROLLBACK")
                        .map_err(|error| store_error(&error))?;
                }
                prepare(connection, false)?
            }
            None => {
                let failed = |error: rusqlite::Error| store_error(&error);
                let connection = Connection::open_in_memory().map_err(failed)?;
                connection
                    .pragma_update(None, "page_size", PAGE_BYTES)
                    .map_err(failed)?;
                let prepared = prepare(&connection, true)?;
                disk.connection = Some(connection);
                prepared
            }
        };
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

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDisk").finish_non_exhaustive()
    }
}

/// A store's claim on a disk, good until the next store's.
#[derive(Debug, Clone)]
pub(crate) struct MemoryOwner {
    disk: MemoryDisk,
    owner: u64,
}

impl MemoryOwner {
    /// Runs `work` with nobody else at the disk, so that no one reads what is not committed.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> Result<T, StoreError> {
        let disk = self.disk.lock();
        match &disk.connection {
            Some(connection) if disk.owner == self.owner => Ok(work(connection)),
            _ => Err(StoreError::Closed),
        }
    }

    /// Gives the disk up, where it is still this store's.
    pub(crate) fn release(&self) {
        let mut disk = self.disk.lock();
        if disk.owner == self.owner {
            disk.owner += 1;
        }
    }
}
