//! Where a region keeps its state: the `Store` trait, the only door to storage, and the SQLite store behind it.

mod contract;
mod definition;
mod planted;
mod sqlite;

pub use contract::*;
pub use definition::*;
pub use planted::PlantedBug;
pub use sqlite::{
    DEFAULT_LOG_RETENTION_MS, DEFAULT_SHARD_AGE_MS, Database, DiskFaults, Execution, MemoryDisk, Options, SqliteStore,
};
