//! What a region's storage is to its callers: the [`Store`] trait, the only way to a region's state, and the definitions of
//! tables. Below it, the interface for storage backends ([`backend`]).
//!
//! Callers find the types that replication shares with stores (`beringia-storage-types`) here, too.

pub mod backend;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod definition;
mod options;
mod planted;

pub use beringia_storage_types::*;
pub use contract::*;
pub use definition::*;
pub use options::{DEFAULT_LOG_RETENTION_MS, DEFAULT_SHARD_AGE_MS, StoreOptions};
pub use planted::PlantedBug;
