//! The storage backend in ordered maps. It is deterministic, and its contents end with the process.
//!
//! It shows that the interface for storage backends does not presuppose SQLite, and it can fail in
//! ways in which a database server fails and a file does not: a lost lease, a commit with unknown
//! outcome, a serialization failure ([`Fault`]), a slow lease holder ([`Faults::hold`]), and two
//! holders at once ([`Faults::tolerate_former_holders`]).

mod backend;
mod data;
mod fault;
mod options;
mod state;
mod store;

pub use beringia_committer::{DiskFaults, Execution, RegionStore};

pub use self::{
    backend::MemoryBackend,
    data::MemoryData,
    fault::{Fault, Faults, HeldCommit},
    options::Options,
    state::MemoryState,
    store::open,
};
