//! The part of AWS Fault Injection Service's API (`2020-12-01`) that pauses the replication of
//! global tables. An experiment that was written for AWS runs unchanged.
//!
//! [`Fis`] is the service that a region's endpoint serves. Templates and experiments are kept in
//! memory, per region that answers, as in AWS. Experiments act through [`FaultInjector`]. Templates
//! that use unsupported features (stop conditions with alarms, logs, reports, targets by tag, other
//! actions) are rejected when they are created; nothing is silently ignored. The API requires a
//! role, which has no effect.

mod action;
mod check;
mod error;
mod experiment;
mod faults;
mod http;
mod injection;
mod model;

#[cfg(test)]
mod tests;

pub use faults::{FaultError, FaultInjector, TableReplica};
pub use http::Fis;
pub use injection::FaultInjection;
