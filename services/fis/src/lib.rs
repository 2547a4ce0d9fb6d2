//! The part of AWS Fault Injection Service's API (`2020-12-01`) that pauses the replication of global tables, so that an experiment that
//! was written for AWS runs here unchanged.
//!
//! Templates and experiments are kept in memory, by the region that the request's credential is scoped to, as in AWS; signatures are
//! not verified. What an experiment does is done by [`Faults`]; what cannot be done here (stop conditions with alarms, logs, reports,
//! targets by tag, other actions) is refused when a template is created, never ignored. A role is asked for, since the API asks for it, and
//! means nothing.

mod action;
mod check;
mod error;
mod experiment;
mod faults;
mod http;
mod model;
mod service;

#[cfg(test)]
mod tests;

pub use faults::{Fault, Faults, TableReplica};
pub use http::serve;
pub use service::Service;
