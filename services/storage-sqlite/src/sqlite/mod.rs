//! The SQLite store: one committer that writes, connections beside it that read, and a view of the last commit between them.

mod aspects;
mod checkpoint;
mod committer;
mod connection;
mod disk;
mod driver;
mod fail;
mod layout;
mod memory;
mod moments;
mod open;
mod options;
mod planted;
mod read;
mod recent;
mod records;
mod retention;
mod shared;
mod state;
mod store;
mod verify;
mod view;

pub use disk::DiskFaults;
pub use memory::MemoryDisk;
pub use options::{Database, Execution, Options};
pub use store::SqliteStore;
