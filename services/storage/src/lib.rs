//! A region's storage as its callers see it: the [`Store`] trait, the only way to a region's state,
//! and the definitions of tables. Below it, the interface for storage backends ([`backend`]).
//!
//! The types that replication shares with stores (`beringia-storage-types`) are re-exported here.

pub mod backend;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod definition;
mod options;
mod panics;

pub use beringia_storage_types::*;
pub use contract::*;
pub use definition::*;
pub use options::{
    COMPARISON_LOOK_BACK, DEFAULT_CONFLICT_RETENTION_MS, DEFAULT_LOG_RETENTION_MS, DEFAULT_SHARD_AGE_MS, StoreOptions,
};
pub use panics::{logging_panics, panic_message};
