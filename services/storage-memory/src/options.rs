//! Options for opening a region's store in memory.

use beringia_committer::{DiskFaults, Execution};
use beringia_storage::StoreOptions;

use crate::state::MemoryState;

/// Options for opening a region's store in memory.
#[derive(Clone)]
pub struct Options {
    /// The options that stores on all backends have.
    pub store: StoreOptions,
    /// The memory that holds the state.
    pub state: MemoryState,
    /// Whether a thread or a task drives the committer.
    pub execution: Execution,
    /// The delay of commits, and whether the disk is full.
    pub disk_faults: DiskFaults,
}

impl Options {
    /// Returns options without any faults.
    #[must_use]
    pub fn new(store: StoreOptions, state: MemoryState, execution: Execution) -> Self {
        Self {
            store,
            state,
            execution,
            disk_faults: DiskFaults::default(),
        }
    }
}
