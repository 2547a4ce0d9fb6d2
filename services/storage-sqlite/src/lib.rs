//! The storage backend on SQLite: a file, or memory that outlives the store.

mod backend;
mod checkpoint;
mod connection;
mod damage;
mod encoding;
mod error;
mod files;
mod lock;
mod memory;
mod open;
mod options;
mod reserve;
mod schema;
mod size_limit;
mod snapshot;
mod store;
mod vacuum;
mod write;

pub use beringia_committer::{DiskFaults, Execution, RegionStore};

pub use self::{
    backend::SqliteBackend,
    files::{FileAccess, FileLock, FileSystem, LocalFiles},
    memory::MemoryDisk,
    options::{Database, Options},
    store::open,
};
