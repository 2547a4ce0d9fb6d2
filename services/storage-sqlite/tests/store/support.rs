//! The kinds of store that this crate has, as the suite of all stores makes them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
};

use beringia_clock::ManualClock;
use beringia_storage::{
    Store, StoreError, StoreOptions,
    conformance::{
        Backend, Disk,
        fixture::{START_MS, region},
    },
};
use beringia_storage_sqlite::{Database, Execution, MemoryDisk, Options, RegionStore};

/// A file that a thread writes.
pub(crate) struct File;

impl Backend for File {
    fn disk(&self) -> Box<dyn Disk> {
        let directory = tempfile::tempdir().unwrap();
        Box::new(FileDisk {
            path: directory.path().join("region.db"),
            _directory: directory,
            store: Mutex::default(),
        })
    }
}

struct FileDisk {
    path: PathBuf,
    _directory: tempfile::TempDir,
    /// The last one that was opened.
    store: Mutex<Weak<RegionStore>>,
}

impl Disk for FileDisk {
    fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
        let database = Database::File(self.path.clone());
        let store = Arc::new(beringia_storage_sqlite::open(&Options::new(
            options,
            database,
            Execution::Threads,
        ))?);
        *self.store.lock().unwrap() = Arc::downgrade(&store);
        Ok(store)
    }

    fn crash(&self) {
        if let Some(store) = self.store.lock().unwrap().upgrade() {
            store.abandon();
        }
    }
}

/// Memory that is written by a task on the caller's runtime.
pub(crate) struct Memory;

/// Memory that a thread writes.
pub(crate) struct MemoryOfThread;

struct DiskInMemory {
    disk: MemoryDisk,
    execution: Execution,
}

impl Backend for Memory {
    fn disk(&self) -> Box<dyn Disk> {
        Box::new(DiskInMemory {
            disk: MemoryDisk::new(),
            execution: Execution::Inline,
        })
    }
}

impl Backend for MemoryOfThread {
    fn disk(&self) -> Box<dyn Disk> {
        Box::new(DiskInMemory {
            disk: MemoryDisk::new(),
            execution: Execution::Threads,
        })
    }
}

impl Disk for DiskInMemory {
    fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
        let database = Database::Memory(self.disk.clone());
        let store = beringia_storage_sqlite::open(&Options::new(options, database, self.execution))?;
        Ok(Arc::new(store))
    }

    fn crash(&self) {
        self.disk.detach();
    }
}

/// What a region of that name is opened with, which keeps nothing in its log for streams.
pub(crate) fn options(name: &str) -> StoreOptions {
    let mut options = StoreOptions::new(region(name), Arc::new(ManualClock::new(START_MS)));
    options.log_retention_ms = 0;
    options
}
