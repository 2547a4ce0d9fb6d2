//! How a region's store on SQLite is opened.

use std::{path::PathBuf, sync::Arc};

use beringia_committer::{DiskFaults, Execution, RegionStore};
use beringia_storage::{StoreError, StoreOptions};

use crate::{MemoryDisk, SqliteBackend};

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, made where there is none. SQLite keeps `-wal` and `-shm` files beside it, and this store a `-lock`
    /// file.
    File(PathBuf),
    /// Memory that outlives the store.
    Memory(MemoryDisk),
}

/// What a store on SQLite is opened with.
#[derive(Clone)]
pub struct Options {
    /// What every store is opened with.
    pub store: StoreOptions,
    /// Where the state is.
    pub database: Database,
    /// What drives the committer.
    pub execution: Execution,
    /// The greatest size of the database, bytes; beyond it writes fail as on a full disk.
    pub max_bytes: Option<u64>,
    /// What is made wrong with its disk, while the store is open too.
    pub disk_faults: DiskFaults,
}

impl Options {
    /// No bound on the size, nothing wrong with the disk.
    #[must_use]
    pub fn new(store: StoreOptions, database: Database, execution: Execution) -> Self {
        Self {
            store,
            database,
            execution,
            max_bytes: None,
            disk_faults: DiskFaults::default(),
        }
    }
}

/// Opens the database, or makes it where there is none.
///
/// # Errors
/// [`StoreError::Unusable`] where what is there is not this region's database, or is in use; it is not changed then.
pub fn open(options: &Options) -> Result<RegionStore, StoreError> {
    let backend = SqliteBackend::open(options)?;
    let path = backend.path();
    let faults = options.disk_faults.clone();
    let opened = RegionStore::open(Arc::new(backend), &options.store, options.execution, faults);
    opened.map_err(|error| match error {
        StoreError::Database(what) => StoreError::Unusable {
            path,
            what: format!("cannot be read: the database failed: {what}"),
        },
        error => error,
    })
}
