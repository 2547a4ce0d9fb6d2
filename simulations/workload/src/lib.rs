//! Clients at work: what a scenario's workloads send, at an open-loop rate, and the history of what they were told.
//!
//! The same code runs in virtual and in real time, against anything that can be called: see [`Target`].

mod target;

pub use target::{CallError, Target, Targets};
