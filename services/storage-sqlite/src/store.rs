//! Opens a region's store on this backend.

use std::sync::Arc;

use beringia_committer::RegionStore;
use beringia_storage::StoreError;

use crate::{backend::SqliteBackend, options::Options};

/// Opens the database, or creates it if there is none.
///
/// # Errors
/// [`StoreError::Unusable`] if the existing file is not this region's database, or is in use. The
/// file is not changed then.
pub fn open(options: &Options) -> Result<RegionStore, StoreError> {
    let _inside = tracing::error_span!(parent: None, "region", region = %options.store.region).entered();
    let backend = SqliteBackend::open(options)?;
    let path = backend.path();
    let faults = options.disk_faults.clone();
    let opened = RegionStore::open(Arc::new(backend), &options.store, options.execution, faults);
    opened.map_err(|error| match error {
        StoreError::Database(what) | StoreError::Unreadable(what) => StoreError::Unusable {
            path,
            what: format!(
                "cannot be read: {what} (move the file away to start with an empty database, which copies its tables \
                 from the other regions)"
            ),
        },
        error => error,
    })
}
