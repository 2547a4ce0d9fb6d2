//! Properties of items, their encodings, keys and versions.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod codec;
mod json;
mod keys;
mod number;
mod origins;
mod size;
mod state;
mod strategies;
mod versions;
