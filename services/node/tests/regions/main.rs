//! Regions as they run, with the real store, engine, gateway and gRPC, connected by pipes in
//! virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a failing test is what they make"
)]

mod capture;
mod copy;
mod drain;
mod dropped;
mod expiry;
mod hostile;
mod indexes;
mod lifecycle;
mod logged;
mod observe;
mod pause;
mod policies;
mod replicate;
mod restored;
mod settings;
mod streams;
mod support;
mod unacknowledged;
