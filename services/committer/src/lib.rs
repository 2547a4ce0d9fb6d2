//! A region's store over any storage backend: one committer that writes, readers beside it, and a view of
//! the last commit between them.
//!
//! The committer takes groups of commands, reads in bulk the rows that they need, has them decided
//! (`beringia-decisions`), commits what comes of it in one step, and answers. [`RegionStore`] is that
//! behind the [`Store`](beringia_storage::Store) trait. What the backend is
//! ([`StorageBackend`](beringia_storage::backend::StorageBackend)) it does not know.

mod committer;
mod disk_faults;
mod driver;
mod execution;
mod moments;
mod planted;
mod read;
mod recent;
mod shared;
mod store;
mod view;

pub use self::{disk_faults::DiskFaults, execution::Execution, store::RegionStore};
