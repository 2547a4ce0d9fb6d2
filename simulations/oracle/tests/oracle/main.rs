//! The oracle is checked: it accepts what may happen, finds each promise that is broken, and counts each anomaly.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod accounts;
mod aside;
mod case;
mod clients;
mod deletes;
mod merging;
mod model;
mod promises;
mod recorded;
mod scale;
