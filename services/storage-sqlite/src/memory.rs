//! A database in memory that outlives the store: the disk of a simulated or ephemeral region.

use std::{fmt, sync::Arc};

use beringia_storage::StoreError;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, backup::Backup};

use crate::error::store_error;

/// The page size, in bytes. Each commit copies every page that it changes, for a rollback.
/// Sometimes it also scans all existing pages (SQLite renumbers pages with the help of one far
/// beyond the last, and then searches beyond the last page), which took an eighth of the
/// committer's time if a region's backlog occupied many small pages.
const PAGE_BYTES: u32 = 4096;

/// Memory that keeps a region's state when its store is gone. Clones share the same disk. One store
/// has it at a time: opening it again takes it away from the previous store, which then only
/// answers [`StoreError::Closed`].
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    /// The database; `None` until the first store creates it.
    connection: Option<Connection>,
    /// The number of stores that have had the disk. A store with an older number has lost it.
    owner: u64,
}

impl MemoryDisk {
    /// Creates a disk without a database; the first store that opens it creates one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the disk away from its store, as a crash would.
    pub fn detach(&self) {
        self.lock().owner += 1;
    }

    /// Erases all contents. The current store is cut off, as by [`MemoryDisk::detach`]; the next
    /// one finds an empty disk.
    pub fn erase(&self) {
        let mut disk = self.lock();
        disk.owner += 1;
        disk.connection = None;
    }

    /// Copies the contents, as of the last commit, to a disk of its own.
    ///
    /// # Errors
    /// [`StoreError::Database`] if SQLite cannot copy them.
    pub fn copy(&self) -> Result<Self, StoreError> {
        let disk = self.lock();
        let copy = |from: &Connection| -> rusqlite::Result<Connection> {
            let mut to = Connection::open_in_memory()?;
            Backup::new(from, &mut to)?.step(-1)?;
            Ok(to)
        };
        let connection = disk.connection.as_ref().map(copy).transpose();
        let connection = connection.map_err(|error| store_error(&error))?;
        Ok(Self(Arc::new(Mutex::new(Disk { connection, owner: 0 }))))
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // A panic during a group leaves a transaction open. The next store rolls it back.
        self.0.lock()
    }

    /// Gives the disk to a new store. `prepare` gets the connection, and whether the database is
    /// new.
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

/// A store's claim on a disk, valid until another store takes the disk.
#[derive(Debug, Clone)]
pub(crate) struct MemoryOwner {
    disk: MemoryDisk,
    owner: u64,
}

impl MemoryOwner {
    /// Runs `work` with exclusive access to the disk, so that uncommitted data is never read.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> Result<T, StoreError> {
        let disk = self.disk.lock();
        match &disk.connection {
            Some(connection) if disk.owner == self.owner => Ok(work(connection)),
            _ => Err(StoreError::Closed),
        }
    }

    /// Releases the disk if this store still has it.
    pub(crate) fn release(&self) {
        let mut disk = self.disk.lock();
        if disk.owner == self.owner {
            disk.owner += 1;
        }
    }
}
