//! Explores every order of events in small worlds: three regions, a few writes, and what can go
//! wrong between them.
//!
//! A world is a value. Its regions are the real ones: each has the committer's state and rows,
//! every change is decided by [`beringia_decisions::decide`], and what a region sends is what the
//! store reads for replication ([`beringia_committer::SnapshotReader`]). Only the streams between
//! regions are a model: a stream is at most one batch on its way, the last one that arrived, and
//! the last acknowledgement. A [`Step`] is one event: a write, a batch that is sent, arrives, is
//! lost or arrives again, an acknowledgement, a trim, a crash, a lost disk, a jump of a clock, a
//! copy, a repair.
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
mod invariants;
mod moves;
mod scenario;
mod search;
mod shown;
mod site;
mod step;
mod store;
mod streams;
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
