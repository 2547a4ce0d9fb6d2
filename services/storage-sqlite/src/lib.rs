//! The store on SQLite: items, indexes, the log, and one committer.

mod sqlite;

// What the contract says stands at this crate's root, so that modules name it as if it were here.
pub(crate) use beringia_storage::*;
pub use sqlite::{Database, DiskFaults, Execution, MemoryDisk, Options, SqliteStore};
