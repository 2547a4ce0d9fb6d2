//! The `beringia` binary as its users run it: what it prints, what it refuses, and with which exit code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod conflicts;
mod control;
mod damage;
mod drain;
mod drill;
mod dynamodb;
mod help;
mod pause;
mod process;
mod record;
mod sim;
mod start;
