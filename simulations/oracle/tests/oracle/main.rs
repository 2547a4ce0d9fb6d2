//! Tests of the oracle: it accepts correct runs, finds each broken promise, and counts each
//! anomaly.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod accounts;
mod case;
mod clients;
mod consistency;
mod contents;
mod contexts;
mod deletes;
mod examples;
mod journals;
mod lists;
mod lives;
mod merging;
mod model;
mod promises;
mod recorded;
mod recreated;
mod replicas;
mod scale;
mod sessions;
mod snapshots;
mod streams;
mod unshipped;
mod unshipped_deletes;
