//! Explores every order of events in small worlds: three regions, a few writes, and what can go
//! wrong between them.
//!
//! A world is a value. Its regions are the real ones: each has the committer's state and rows, and
//! the state machine of replication ([`beringia_replication::Replicator`]). Every change is decided
//! by [`beringia_decisions::decide`], every message is one that a replicator sent, and what a
//! replicator asks of its store is what the store reads for it
//! ([`beringia_committer::SnapshotReader`]). The network is a queue for each direction of each
//! stream. A [`Step`] is one event: a write, a batch that arrives or arrives again, a stream that
//! breaks, a cut, an acknowledgement, a trim, a crash, a lost disk, a jump of a clock, or time that
//! passes.
//!
//! [`explore`] visits the worlds breadth first, each once: worlds that differ only in numbers that
//! no region can tell apart are equal. In each it checks the invariants (`invariants`), against a
//! record of who wrote and received what that uses no vectors. A world that violates one comes back
//! as the shortest list of steps that leads there ([`Counterexample`]).
//!
//! [`Bounds`] say how much may happen. What lies beyond them is not explored.

mod bounds;
mod change;
mod counterexample;
mod driver;
mod interned;
mod invariants;
mod message;
mod moves;
mod network;
mod scenario;
mod search;
mod shown;
mod site;
mod step;
mod store;
mod table;
mod universe;
mod world;
mod written;

pub use beringia_item::ConflictPolicy;

pub use self::{
    bounds::{Bounds, Kind},
    counterexample::Counterexample,
    search::{Explored, explore},
    step::Step,
};
