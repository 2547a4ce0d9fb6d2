//! How a region's store in memory is opened.

use std::sync::Arc;

use beringia_committer::{DiskFaults, Execution, RegionStore};
use beringia_storage::{StoreError, StoreOptions};

use crate::{MemoryBackend, MemoryState};

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

/// Opens the state, or makes it where the memory is empty.
///
/// # Errors
/// [`StoreError::Unusable`] where the memory belongs to another region or topology.
pub fn open(options: &Options) -> Result<RegionStore, StoreError> {
    let backend = MemoryBackend::open(options)?;
    let faults = options.disk_faults.clone();
    RegionStore::open(Arc::new(backend), &options.store, options.execution, faults)
}
