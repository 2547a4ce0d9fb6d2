//! The kinds of store in this crate, as the conformance suite creates them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use beringia_clock::ManualClock;
use beringia_storage::{
    Store, StoreError, StoreOptions,
    backend::StorageBackend,
    conformance::{
        Disk, DiskMaker,
        fixture::{START_MS, region},
    },
};
use beringia_storage_sqlite::{Database, DiskFaults, Execution, MemoryDisk, Options, RegionStore, SqliteBackend};

/// Stores in a file that a thread writes.
pub(crate) struct File;

impl DiskMaker for File {
    fn disk(&self) -> Box<dyn Disk> {
        let directory = tempfile::tempdir().unwrap();
        Box::new(FileDisk {
            path: directory.path().join("region.db"),
            _directory: directory,
            store: Mutex::default(),
            disk_faults: DiskFaults::default(),
        })
    }
}

struct FileDisk {
    path: PathBuf,
    _directory: tempfile::TempDir,
    /// The store that was opened last.
    store: Mutex<Weak<RegionStore>>,
    disk_faults: DiskFaults,
}

impl FileDisk {
    fn options(&self, options: StoreOptions) -> Options {
        Options {
            disk_faults: self.disk_faults.clone(),
            ..Options::new(options, Database::File(self.path.clone()), Execution::Threads)
        }
    }
}

impl Disk for FileDisk {
    fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
        let store = Arc::new(beringia_storage_sqlite::open(&self.options(options))?);
        *self.store.lock().unwrap() = Arc::downgrade(&store);
        Ok(store)
    }

    fn backend(&self, options: StoreOptions) -> Result<Arc<dyn StorageBackend>, StoreError> {
        Ok(Arc::new(SqliteBackend::open(&self.options(options))?))
    }

    fn crash(&self) {
        if let Some(store) = self.store.lock().unwrap().upgrade() {
            store.abandon();
        }
    }

    fn slow(&self, commit_delay: Duration) {
        self.disk_faults.set_commit_delay(commit_delay);
    }

    fn fill(&self, full: bool) {
        self.disk_faults.set_full(full);
    }
}

/// Stores in memory, written by a task on the caller's runtime.
pub(crate) struct Memory;

/// Stores in memory that a thread writes.
pub(crate) struct MemoryOfThread;

struct DiskInMemory {
    disk: MemoryDisk,
    disk_faults: DiskFaults,
    execution: Execution,
}

impl DiskMaker for Memory {
    fn disk(&self) -> Box<dyn Disk> {
        Box::new(DiskInMemory {
            disk: MemoryDisk::new(),
            disk_faults: DiskFaults::default(),
            execution: Execution::Inline,
        })
    }
}

impl DiskMaker for MemoryOfThread {
    fn disk(&self) -> Box<dyn Disk> {
        Box::new(DiskInMemory {
            disk: MemoryDisk::new(),
            disk_faults: DiskFaults::default(),
            execution: Execution::Threads,
        })
    }
}

impl DiskInMemory {
    fn options(&self, options: StoreOptions) -> Options {
        Options {
            disk_faults: self.disk_faults.clone(),
            ..Options::new(options, Database::Memory(self.disk.clone()), self.execution)
        }
    }
}

impl Disk for DiskInMemory {
    fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(beringia_storage_sqlite::open(&self.options(options))?))
    }

    fn backend(&self, options: StoreOptions) -> Result<Arc<dyn StorageBackend>, StoreError> {
        Ok(Arc::new(SqliteBackend::open(&self.options(options))?))
    }

    fn crash(&self) {
        self.disk.detach();
    }

    fn slow(&self, commit_delay: Duration) {
        self.disk_faults.set_commit_delay(commit_delay);
    }

    fn fill(&self, full: bool) {
        self.disk_faults.set_full(full);
    }
}

/// The options of a region with this name, whose log keeps nothing for streams.
pub(crate) fn options(name: &str) -> StoreOptions {
    let mut options = StoreOptions::new(region(name), Arc::new(ManualClock::new(START_MS)));
    options.log_retention_ms = 0;
    options
}
