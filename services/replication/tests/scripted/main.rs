//! Scripted tests of one replicator: each feeds it events step by step and checks its commands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a failing test is what they make"
)]

mod bootstraps;
mod copying;
mod description;
mod leave;
mod lost;
mod many_tables;
mod older_copy;
mod pause;
mod receive;
mod send;
mod support;
mod trim;
mod watermark;
