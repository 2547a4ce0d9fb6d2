//! The conformance suite for stores in ordered maps.

use std::{sync::Arc, time::Duration};

use beringia_committer::{DiskFaults, Execution};
use beringia_storage::{
    Store, StoreError, StoreOptions,
    backend::StorageBackend,
    conformance::{Disk, DiskMaker},
};
use beringia_storage_memory::{MemoryBackend, MemoryState, Options};

struct Memory(Execution);

/// Stores driven by a task on the caller's runtime.
const INLINE: Memory = Memory(Execution::Inline);
/// Stores driven by a thread.
const THREADS: Memory = Memory(Execution::Threads);

impl DiskMaker for Memory {
    fn disk(&self) -> Box<dyn Disk> {
        Box::new(DiskInMemory {
            state: MemoryState::new(),
            disk_faults: DiskFaults::default(),
            execution: self.0,
        })
    }
}

struct DiskInMemory {
    state: MemoryState,
    disk_faults: DiskFaults,
    execution: Execution,
}

impl DiskInMemory {
    fn options(&self, options: StoreOptions) -> Options {
        Options {
            disk_faults: self.disk_faults.clone(),
            ..Options::new(options, self.state.clone(), self.execution)
        }
    }
}

impl Disk for DiskInMemory {
    fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(beringia_storage_memory::open(&self.options(options))?))
    }

    fn backend(&self, options: StoreOptions) -> Result<Arc<dyn StorageBackend>, StoreError> {
        Ok(Arc::new(MemoryBackend::open(&self.options(options))?))
    }

    fn crash(&self) {
        self.state.detach();
    }

    fn slow(&self, commit_delay: Duration) {
        self.disk_faults.set_commit_delay(commit_delay);
    }

    fn fill(&self, full: bool) {
        self.disk_faults.set_full(full);
    }
}

mod inline {
    beringia_storage::conformance!(crate::INLINE);
    beringia_storage::conformance_in_virtual_time!(crate::INLINE);
}

/// The modules of the suite in which a thread could make a difference.
mod threads {
    beringia_storage::conformance!(crate::THREADS, concurrency);
    beringia_storage::conformance!(crate::THREADS, disks);
    beringia_storage::conformance!(crate::THREADS, writes);
}
