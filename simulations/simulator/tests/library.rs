//! Every scenario that Beringia ships meets the expectations in its file.

use std::{io::Write, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{in_virtual_time, run};

/// Plays a scenario with its first seed, and returns the unmet expectations, one per line.
fn failures(name: &str) -> Vec<String> {
    let scenario = Scenario::shipped(name).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::draw(&scenario, scenario.seed.unwrap_or(1));
    let on_stuck = |stuck| {
        // The stuck thread can be neither interrupted nor made to fail its test.
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
        /// The scenarios by the test that plays them, so that none is left out.
        const PLAYED: &[&str] = &[$($($name),+),*];

        $(#[test]
        fn $test() {
            let failed: Vec<String> = [$($name),+].into_iter().flat_map(failures).collect();
            assert!(failed.is_empty(), "{failed:#?}");
        })*
    };
}

// A few per test, so that they run in parallel and each ends in reasonable time. In those with cut
// links every region takes writes, none is lost, and all regions converge on the greatest versions.
holds! {
    without_faults_writes_arrive_a_links_delay_later: "steady", "hot-key", "ten-regions";
    cut_off_regions_take_writes_and_converge: "partition", "asymmetric-partition", "flapping-link", "split-brain", "relay-around-a-cut";
    backlogs_drain_as_fast_as_links_allow: "slow-link-backlog", "thundering-recovery";
    a_lost_region_costs_only_its_unshipped_writes: "region-loss", "region-loss-with-data", "failover-and-failback", "rolling-restart";
    regions_on_faulty_disks_lose_no_acknowledged_write: "power-loss", "failing-disk";
    a_restored_region_loses_no_later_write: "snapshot-restored";
    wrong_clocks_lose_no_write_and_lower_no_version: "fast-clock", "clock-jump-back";
    deletes_and_updates_converge_and_nothing_is_revived: "delete-vs-update", "late-write-after-tombstone";
    a_replica_that_is_added_under_load_misses_nothing: "replica-added-under-load";
    no_promise_is_broken_in_a_storm_of_faults: "swarm";
}

#[test]
fn every_shipped_scenario_is_played() {
    let mut played = PLAYED.to_vec();
    played.sort_unstable();
    let mut shipped: Vec<&str> = Scenario::shipped_names().collect();
    shipped.sort_unstable();
    assert_eq!(played, shipped);
}
