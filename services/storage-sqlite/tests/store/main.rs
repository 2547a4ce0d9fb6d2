//! Tests of the SQLite store: the conformance suite, and files, damage, crashes and full disks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkpoints;
mod crash;
mod disk_faults;
mod file;
mod files;
mod flipped_bits;
mod garbage;
mod hanging_reads;
mod machine;
mod memory;
mod memory_of_thread;
mod pair;
#[cfg(feature = "planted-bugs")]
mod planted_bugs;
mod power_loss;
mod real_disk;
mod recounts;
mod scrub;
mod space;
mod streams;
mod support;
mod sync_failure;
