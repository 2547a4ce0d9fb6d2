//! What the SQLite store promises as every store does, and what it does besides: files, damage,
//! crashes, full disks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod file;
mod files;
mod forgetting;
mod memory;
mod memory_of_thread;
mod scrub;
mod support;
