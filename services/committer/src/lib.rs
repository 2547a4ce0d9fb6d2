//! A region's store over any storage backend: one committer that writes, readers beside it, and a
//! view of the last commit that they share.
//!
//! The committer takes groups of commands, reads in bulk the rows that they need, has them decided
//! (`beringia-decisions`), commits the resulting write set in one step, and answers.
//! [`RegionStore`] offers that through the [`Store`](beringia_storage::Store) trait. It works with
//! any [`StorageBackend`](beringia_storage::backend::StorageBackend).

mod as_of;
mod committer;
mod damage;
mod disk_faults;
mod driver;
mod execution;
mod fair_slots;
mod planted;
mod read;
mod read_slots;
mod recent;
mod shared;
mod store;
mod trail;
mod view;

pub use self::{disk_faults::DiskFaults, execution::Execution, read::SnapshotReader, store::RegionStore};
