//! The part of AWS Fault Injection Service's API (`2020-12-01`) that pauses the replication of global tables, so that an experiment that
//! was written for AWS runs here unchanged.
//!
//! [`Fis`] is the service as a region's endpoint serves it. Templates and experiments are kept in
//! memory, by the region that answers, as in AWS. What an experiment does is done by [`Faults`];
//! what cannot be done here (stop conditions with alarms, logs, reports, targets by tag, other
//! actions) is refused when a template is created, never ignored. A role is asked for, since the
//! API asks for it, and means nothing.

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

pub use faults::{Fault, Faults, TableReplica};
pub use http::Fis;
pub use injection::FaultInjection;
