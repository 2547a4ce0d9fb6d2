//! What every store promises, of ordered maps in memory.

use std::sync::Arc;

use beringia_committer::Execution;
use beringia_storage::{
    Store, StoreError, StoreOptions,
    conformance::{Backend, Disk},
};
use beringia_storage_memory::{MemoryState, Options};

struct Memory(Execution);

/// Driven by a task on the caller's runtime.
const INLINE: Memory = Memory(Execution::Inline);
/// Driven by a thread.
const THREADS: Memory = Memory(Execution::Threads);

impl Backend for Memory {
    fn disk(&self) -> Box<dyn Disk> {
        Box::new(DiskInMemory {
            state: MemoryState::new(),
            execution: self.0,
        })
    }
}

struct DiskInMemory {
    state: MemoryState,
    execution: Execution,
}

impl Disk for DiskInMemory {
    fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
        let options = Options::new(options, self.state.clone(), self.execution);
        Ok(Arc::new(beringia_storage_memory::open(&options)?))
    }

    fn crash(&self) {
        self.state.detach();
    }
}

mod inline {
    beringia_storage::conformance!(crate::INLINE);
    beringia_storage::conformance_in_virtual_time!(crate::INLINE);
}

/// What a thread could make different.
mod threads {
    beringia_storage::conformance!(crate::THREADS, concurrency);
    beringia_storage::conformance!(crate::THREADS, writes);
}
