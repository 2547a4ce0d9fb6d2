//! The gateway from a client's perspective: bytes in, bytes out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests fails the test"
)]

mod coding;
mod connections;
mod http2;
mod ladders;
mod listener;
mod protocol;
mod recorded;
mod refused;
mod routing;
mod support;
mod tables;
mod whole;
