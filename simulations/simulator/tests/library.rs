//! Every scenario that Beringia ships does what its file says is expected of it.

use std::{io::Write, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{in_virtual_time, run};

/// Plays it with its first seed; what was expected and did not come, one per line.
fn failures(name: &str) -> Vec<String> {
    let scenario = Scenario::shipped(name).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::draw(&scenario, scenario.seed.unwrap_or(1));
    let on_stuck = |stuck| {
        // The stuck thread can neither be interrupted nor fail its test.
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let outcome = in_virtual_time(name, Duration::from_secs(300), on_stuck, run(&plan));
    let outcome = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    let failed = outcome.run.verdicts.into_iter().filter(|verdict| !verdict.holds);
    failed
        .map(|verdict| format!("{name}: {}: {}", verdict.expected, verdict.measured))
        .collect()
}

macro_rules! holds {
    ($($test:ident: $($name:literal),+;)*) => {
        /// Which test plays which scenarios, so that none is left out.
        const PLAYED: &[&str] = &[$($($name),+),*];

        $(#[test]
        fn $test() {
            let failed: Vec<String> = [$($name),+].into_iter().flat_map(failures).collect();
            assert!(failed.is_empty(), "{failed:#?}");
        })*
    };
}

// A few per test, so that they run side by side and each ends in reasonable time.
holds! {
    nothing_goes_wrong: "steady", "hot-key", "ten-regions";
    links_are_cut: "partition", "asymmetric-partition", "flapping-link", "split-brain", "relay-around-a-cut";
    links_are_slow: "slow-link-backlog", "thundering-recovery";
    regions_are_lost: "region-loss", "region-loss-with-data", "failover-and-failback", "rolling-restart";
    clocks_are_wrong: "fast-clock", "clock-jump-back";
    deletes_meet_writes: "delete-vs-update", "late-write-after-tombstone";
    replicas_come: "replica-added-under-load";
    everything_at_once: "swarm";
}

#[test]
fn every_shipped_scenario_is_played() {
    let mut played = PLAYED.to_vec();
    played.sort_unstable();
    let mut shipped: Vec<&str> = Scenario::shipped_names().collect();
    shipped.sort_unstable();
    assert_eq!(played, shipped);
}
