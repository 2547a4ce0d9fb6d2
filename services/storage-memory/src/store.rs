//! Opens a region's store on this backend.

use std::sync::Arc;

use beringia_committer::RegionStore;
use beringia_storage::StoreError;

use crate::{backend::MemoryBackend, options::Options};

/// Opens the state, or creates it if the memory is empty.
///
/// # Errors
/// [`StoreError::Unusable`] if the memory belongs to another region or topology.
pub fn open(options: &Options) -> Result<RegionStore, StoreError> {
    let backend = MemoryBackend::open(options)?;
    let faults = options.disk_faults.clone();
    RegionStore::open(Arc::new(backend), &options.store, options.execution, faults)
}
