//! How a region's store on SQLite is opened.

use std::path::PathBuf;

use beringia_committer::{DiskFaults, Execution};
use beringia_storage::StoreOptions;

use crate::memory::MemoryDisk;

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
