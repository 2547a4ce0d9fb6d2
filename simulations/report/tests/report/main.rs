//! Tests of measurements, verdicts and their output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod application;
mod bound;
mod comparison;
mod faults;
mod identity;
mod judge;
mod moves;
mod output;
mod recorder;
mod sample;
mod served;
mod support;
mod traffic;
