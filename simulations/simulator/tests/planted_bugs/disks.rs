//! Bugs that lose writes with power only: a killed process leaves the page cache as it was.

use beringia_scenario::Scenario;
use beringia_simulator::SimulationError;
use beringia_storage::PlantedBug;

use crate::played;

/// The number of seeds within which a bug is found.
const SEEDS_MAX: u64 = 10;
/// The number of seeds that are played without the bug.
const SEEDS_WITHOUT: u64 = 2;

/// What shows that writes were lost; `None` if nothing does. A database may be so damaged that its
/// region does not start any more.
fn lost(scenario: &Scenario, seed: u64, bug: Option<PlantedBug>) -> Option<String> {
    match played(scenario, seed, bug) {
        Ok(outcome) => outcome.run.violations.into_iter().next(),
        Err(error @ (SimulationError::Store { .. } | SimulationError::Start { .. })) => Some(error.to_string()),
        Err(error) => panic!("seed {seed}: {error}"),
    }
}

fn assert_found(bug: PlantedBug) {
    let scenario = Scenario::shipped("power-loss").expect("it is built in");
    for seed in 1..=SEEDS_WITHOUT {
        assert_eq!(lost(&scenario, seed, None), None, "seed {seed} without the bug");
    }
    let found = (1..=SEEDS_MAX).find_map(|seed| Some((seed, lost(&scenario, seed, Some(bug))?)));
    let (seed, lost) = found.unwrap_or_else(|| panic!("{bug:?} is not found within {SEEDS_MAX} seeds"));
    println!("{bug:?} is found by seed {seed}: {lost}");
}

#[test]
fn finds_commits_that_are_not_synced() {
    assert_found(PlantedBug::CommitsUnsynced);
}

#[test]
fn finds_checkpoints_that_are_not_synced() {
    assert_found(PlantedBug::CheckpointsUnsynced);
}
