//! A disk in memory that fails as disks do: it loses what was not synced, tears pages, fails reads,
//! writes and syncs, changes bits, and fills up.
//!
//! [`FaultyDisk`] is a file system for `beringia-storage-sqlite`
//! ([`Options::file_system`](beringia_storage_sqlite::Options::file_system)), and also an SQLite
//! VFS, so that SQLite and the store see the same files. A file has its contents as processes see
//! them through the page cache, its durable contents, and the changes between the two. Losing power
//! leaves the durable contents and any part of the changes, sector by sector. All choices follow
//! from the disk's seed and the order of its operations.

mod content;
mod disk;
mod file_system;
mod handle;
mod locks;
mod state;
mod vfs;

pub use self::{
    disk::FaultyDisk,
    state::{Faults, Operation},
};
