//! Virtual time, workloads, faults, oracles: whole groups of regions as functions of a seed.
//!
//! A [`World`] is the real code of all regions (nodes, gRPC, SQLite) in one thread: connections are in memory and pass through
//! the link model, disks are in memory, and time is tokio's paused clock, which jumps to the next timer whenever every task
//! waits. [`workload`] writes as clients do, over HTTP; [`oracle`] knows what was acknowledged and says what must be
//! everywhere; [`Trace`] keeps what happened, byte for byte; a [`scenario`]
//! puts them together with a timeline of [`fault`]s, and [`scenarios`] has the ones that there are.
//!
//! A run's time, randomness and order of tasks follow from its seed alone, so two runs of one seed have the same trace.

pub mod client;
mod clock;
mod error;
mod evidence;
pub mod fault;
pub mod oracle;
mod runtime;
pub mod scenario;
pub mod scenarios;
mod table;
mod trace;
pub mod workload;
mod world;

pub use clock::SimulatedClock;
pub use error::SimulationError;
pub use runtime::{Stuck, in_virtual_time};
pub use trace::Trace;
pub use world::{Convergence, World, WorldConfig};
