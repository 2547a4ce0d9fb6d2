//! Deterministic simulation: whole groups of regions in virtual time, as functions of a plan and
//! its seed.
//!
//! A [`Cluster`] is the real code of all regions (nodes, gRPC, either storage backend) in one
//! thread. Connections are in memory and pass through the link model, disks are in memory, and time
//! is tokio's paused clock, which jumps to the next timer whenever every task waits. [`run`] plays
//! a scenario's plan in it: clients work, the timeline happens, regions converge. Then the oracle
//! judges what clients saw and regions hold, and the measurements are collected.
//!
//! A run's time, randomness and order of tasks follow from its plan alone, so two runs of one plan
//! have the same [`Trace`].

mod act;
mod calibration;
mod clients;
mod clock;
mod cluster;
mod disk;
mod disks;
mod drains;
mod error;
mod evidence;
mod fingerprint;
mod losses;
mod measure;
mod recorder;
mod recreation;
mod restarts;
mod running;
mod runtime;
mod sampler;
mod site;
mod stream_readers;
mod tables;
mod trace;

pub use clients::Clients;
pub use clock::SimulatedClock;
pub use cluster::{Cluster, ClusterConfig};
pub use disk::StoreKind;
pub use error::SimulationError;
pub use running::{Conditions, SimulationOutcome, run, run_under};
pub use runtime::{Stuck, in_virtual_time};
pub use trace::Trace;
