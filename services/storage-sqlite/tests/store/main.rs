//! What the SQLite store promises, as seen through the `Store` trait.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod concurrency;
mod convergence;
mod crash;
mod definitions;
mod dropped;
mod expiry;
mod files;
mod forgetting;
mod log;
mod losses;
mod model;
mod past;
mod policies;
mod replication;
mod scrub;
mod simulated_disk;
mod streams;
mod support;
mod writes;
