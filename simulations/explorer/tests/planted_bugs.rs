//! Bugs that are planted in stores and replicators are found at once, whatever seeds would have to
//! draw for them: the search visits the world in which they show, in a fixed number of worlds.
//!
//! `cargo test -p beringia-explorer --features planted-bugs --test planted_bugs`

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how soon a bug is found is part of the result")]

use std::path::Path;

use beringia_explorer::{Bounds, ConflictPolicy, Kind, explore};
use beringia_scenario::Scenario;
use beringia_storage::PlantedBug;

/// Explores with the bug, and expects a violation that says so, within a number of worlds.
fn assert_found(bug: PlantedBug, bounds: Bounds, worlds_max: usize, says: &str) {
    let bounds = Bounds {
        planted_bug: Some(bug),
        worlds_max,
        ..bounds
    };
    let explored = explore(&bounds).unwrap();
    let found = explored
        .counterexample
        .unwrap_or_else(|| panic!("{bug:?} is not found in {worlds_max} worlds"));
    println!("{bug:?}: {} worlds, {found}", explored.worlds);
    assert!(found.violation.contains(says), "{bug:?} shows as: {found}");
    Scenario::parse(&found.scenario(), Path::new("counterexample.toml")).unwrap();
}

#[test]
fn finds_a_skipped_log_record() {
    assert_found(PlantedBug::LogRecordSkipped, Bounds::default(), 100, "has no row");
}

#[test]
fn finds_causal_contexts_that_are_too_small() {
    assert_found(
        PlantedBug::CausalContextTooSmall,
        Bounds::default(),
        1000,
        "which its region had received",
    );
}

#[test]
fn finds_causal_contexts_that_are_too_large() {
    assert_found(
        PlantedBug::CausalContextTooLarge,
        Bounds::default(),
        1000,
        "which its region had not received",
    );
}

/// The region keeps its own write, and does not even notice the conflict.
#[test]
fn finds_regions_that_prefer_their_own_equal_versions() {
    let says = "did not journal that";
    assert_found(PlantedBug::EqualVersionsPreferredLocally, Bounds::default(), 1000, says);
}

#[test]
fn finds_a_copy_of_a_stale_write_that_was_altered() {
    assert_found(PlantedBug::StaleCopyAltered, Bounds::default(), 1000, "in its log");
}

#[test]
fn finds_tombstones_that_are_collected_too_early() {
    let bounds = Bounds {
        kinds: vec![Kind::Put, Kind::Delete],
        trims: 1,
        ..Bounds::default()
    };
    assert_found(PlantedBug::TombstonesCollectedAtOnce, bounds, 100_000, "and has");
}

#[test]
fn finds_an_update_that_leaves_a_number_as_it_was() {
    let bounds = Bounds {
        kinds: vec![Kind::Add],
        policy: ConflictPolicy::Merge,
        ..Bounds::default()
    };
    assert_found(PlantedBug::AdditionIgnored, bounds, 1000, "should have");
}

/// The receiver discarded writes of a clock that was ahead, and asks again when time has passed.
/// Random seeds find it at the 67th.
#[test]
fn finds_sources_that_skip_what_was_discarded() {
    let bounds = Bounds {
        clock_steps: 1,
        jumps_ms: vec![2000],
        ..Bounds::default()
    };
    assert_found(PlantedBug::SentTakenForAcknowledged, bounds, 2000, "never receives");
}
