//! The `beringia` binary as users run it: its output, its refusals, and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apart;
mod appearance;
mod application;
mod aws;
mod conflicts;
mod control;
mod damage;
mod drain;
mod drill;
mod dynamodb;
mod failing_disk;
mod help;
mod hook;
mod kills;
mod lease;
mod listen;
mod loss;
mod pause;
mod process;
mod record;
mod regions;
mod restored;
mod sim;
mod sim_check;
mod start;
