//! The tests of power losses find commits and WAL checkpoints that are not synced.
//!
//! `cargo test -p beringia-storage-sqlite --features planted-bugs --test store planted_bugs`

use beringia_storage::PlantedBug;
use beringia_storage_sqlite::Execution;

use crate::{
    machine::{Usage, holds},
    power_loss::lose_power_at_random,
};

/// The number of seeds within which a bug is found.
const SEEDS_MAX: u64 = 40;

fn assert_found(bug: PlantedBug) {
    for execution in [Execution::Inline, Execution::Threads] {
        let usage = Usage {
            planted_bug: Some(bug),
            ..Usage::of(execution)
        };
        let found = (0..SEEDS_MAX).find(|seed| !holds(lose_power_at_random(*seed, usage)));
        assert!(found.is_some(), "{bug:?}, {execution:?}");
    }
}

#[test]
fn unsynced_commits_are_found() {
    assert_found(PlantedBug::CommitsUnsynced);
}

#[test]
fn unsynced_checkpoints_are_found() {
    assert_found(PlantedBug::CheckpointsUnsynced);
}
