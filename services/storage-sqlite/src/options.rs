//! Options for opening a region's store on SQLite.

use std::{path::PathBuf, sync::Arc};

use beringia_committer::{DiskFaults, Execution};
use beringia_storage::StoreOptions;

use crate::{
    files::{FileSystem, LocalFiles},
    memory::MemoryDisk,
};

/// The location of the database.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, created if there is none. SQLite keeps `-wal` and `-shm` files beside it, and this
    /// store a `-lock` and a `-reserve` file.
    File(PathBuf),
    /// Memory that outlives the store.
    Memory(MemoryDisk),
}

/// Options for opening a region's store on SQLite.
#[derive(Clone)]
pub struct Options {
    /// The options that stores on all backends have.
    pub store: StoreOptions,
    /// The file or the memory with the database.
    pub database: Database,
    /// Whether a thread or a task drives the committer.
    pub execution: Execution,
    /// The greatest size of the database in bytes; beyond it writes fail as on a full disk. An
    /// eighth of it, at most 16 MiB, is kept back for deletes and upkeep. `None` for no limit.
    pub max_bytes: Option<u64>,
    /// Faults of the disk, which can be changed while the store is open.
    pub disk_faults: DiskFaults,
    /// The file system of a database in a file. Only tests and simulations use another than
    /// [`LocalFiles`].
    pub file_system: Arc<dyn FileSystem>,
}

impl Options {
    /// Options without a size limit and without disk faults, on the local file system.
    #[must_use]
    pub fn new(store: StoreOptions, database: Database, execution: Execution) -> Self {
        Self {
            store,
            database,
            execution,
            max_bytes: None,
            disk_faults: DiskFaults::default(),
            file_system: Arc::new(LocalFiles),
        }
    }
}
