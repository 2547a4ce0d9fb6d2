//! The storage backend in ordered maps: deterministic, and gone with the process.
//!
//! It shows that the interface for storage backends is not SQLite in disguise, and it can fail in the ways in
//! which a database server does and a file does not: a lease that is lost, a commit with unknown outcome, a
//! serialization failure ([`Fault`]), a lease holder that is slow ([`Faults::hold`]), and two at once
//! ([`Faults::tolerate_former_holders`]).

mod backend;
mod data;
mod fault;
mod options;
mod state;
mod store;

pub use beringia_committer::{DiskFaults, Execution, RegionStore};

pub use self::{
    backend::MemoryBackend,
    fault::{Fault, Faults, HeldCommit},
    options::Options,
    state::MemoryState,
    store::open,
};
