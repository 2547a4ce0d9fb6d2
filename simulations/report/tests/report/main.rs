//! What a report says of a run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bound;
mod comparison;
mod faults;
mod judge;
mod output;
mod recorder;
mod sample;
mod support;
