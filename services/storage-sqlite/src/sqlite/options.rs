//! How a store is opened: where its database is, and what drives it.

use std::path::PathBuf;

use super::{DiskFaults, MemoryDisk};
use crate::StoreOptions;

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, made where there is none. SQLite keeps `-wal` and `-shm` files beside it, and this store a `-lock` file.
    File(PathBuf),
    /// Memory that outlives the store.
    Memory(MemoryDisk),
}

/// What drives the committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// A thread of its own; long reads run on tokio's blocking threads.
    Threads,
    /// A task on the current tokio runtime, reads on the caller's: one order of events for one order of calls, as a simulation
    /// needs it.
    Inline,
}

/// What a store is opened with.
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
