//! One replicator, fed by hand: what it answers to what, step by step.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a failing test is what they make"
)]

mod forget;
mod leave;
mod lost;
mod pause;
mod receive;
mod send;
mod support;
mod watermark;
