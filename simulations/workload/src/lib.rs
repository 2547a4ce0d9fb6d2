//! Workloads: the requests of a scenario's clients, at an open-loop rate, and the history of their
//! operations and answers.
//!
//! The same code runs in virtual and in real time, against anything that implements [`Target`]. A
//! [`Setting`] describes the load. The caller creates [`Setting::tables`], [`Setting::load`] fills
//! them, [`Load::start`] starts the clients, and [`Load::stop`] returns the history that the oracle
//! judges.
//!
//! Operations become due at times that depend on the seed and not on the regions. If every client
//! of a workload waits for an answer, due operations wait too, and the wait is part of their
//! latency. So a stall is counted, not hidden.

mod choice;
mod client;
mod error;
mod http;
mod index_shape;
mod job;
mod load;
mod loading;
mod queue;
mod read_back;
mod recording;
mod replay;
mod replica_change;
mod replica_status;
mod request;
mod schedule;
mod shared;
mod table;
mod target;

pub use choice::Zipfian;
pub use error::WorkloadError;
pub use http::{Dial, HttpTarget, HttpTargets, PATIENCE, TcpDial};
pub use load::{Load, Setting};
pub use loading::Loaded;
pub use read_back::{HeldItems, HeldRows, read_back};
pub use replica_change::{replica_added, replica_removed};
pub use replica_status::{is_active_with, replica_statuses, statuses_in};
pub use shared::LoadProgress;
pub use table::WorkloadTable;
pub use target::{CallError, Target, Targets, understand};
