//! Clients at work: what a scenario's workloads send, at an open-loop rate, and the history of what they were told.
//!
//! The same code runs in virtual and in real time, against anything that can be called: see [`Target`]. A [`Setting`] names what
//! there is to do; [`Setting::tables`] are created by the caller, [`Setting::load`] fills them, [`Load::start`] puts clients to work, and
//! [`Load::stop`] gives the history that the oracle judges.
//!
//! Operations become due at times that follow from the seed, whatever the regions do. Where every client of a workload waits for
//! an answer, what is due waits too, and the wait is part of its latency; so a stall is counted, not hidden.

mod choice;
mod client;
mod error;
mod http;
mod job;
mod load;
mod loading;
mod queue;
mod recording;
mod replay;
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
pub use shared::Progress;
pub use table::Table;
pub use target::{CallError, Target, Targets, understand};
