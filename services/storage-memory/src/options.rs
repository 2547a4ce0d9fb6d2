//! How a region's store in memory is opened.

use beringia_committer::{DiskFaults, Execution};
use beringia_storage::StoreOptions;

use crate::state::MemoryState;

/// What a store in memory is opened with.
#[derive(Clone)]
pub struct Options {
    /// What every store is opened with.
    pub store: StoreOptions,
    /// Where the state is.
    pub state: MemoryState,
    /// What drives the committer.
    pub execution: Execution,
    /// How slow commits are made, and whether there is room for more.
    pub disk_faults: DiskFaults,
}

impl Options {
    /// Nothing wrong with the memory.
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
