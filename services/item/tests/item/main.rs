//! What holds of items, their forms, their keys and their versions, whatever the values.

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
