//! Whatever goes wrong between three regions and with them, no promise is broken, whatever the seed.

use std::{io::Write, process::abort, time::Duration};

use beringia_simulator::{
    in_virtual_time,
    scenario::{Report, Scenario},
    scenarios,
};

fn replay(scenario: &Scenario) -> String {
    format!(
        "replay: cargo run -p beringia-simulator --bin simulate -- {} {}",
        scenario.name, scenario.seed
    )
}

/// What came of it, and no promise broken.
fn simulated(scenario: &Scenario) -> Report {
    let on_stuck = |stuck| {
        // The stuck thread can neither be interrupted nor fail its test.
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let report = in_virtual_time(&scenario.name, Duration::from_secs(120), on_stuck, scenario.run());
    let report = report.unwrap_or_else(|error| panic!("{error}\n{}", replay(scenario)));
    assert!(report.violations.is_empty(), "{report}\n{}", replay(scenario));
    report
}

#[test]
fn with_links_cut_every_region_takes_writes_none_is_lost_and_all_converge_on_the_greatest_versions() {
    for seed in 1..=2 {
        let scenario = scenarios::partition(seed);
        let report = simulated(&scenario);
        for (region, acknowledged) in &report.acknowledged_under_faults {
            assert!(
                *acknowledged > 100,
                "{region} took {acknowledged}\n{}",
                replay(&scenario)
            );
        }
        assert!(
            report.conflicts.values().all(|conflicts| *conflicts > 0),
            "both sides wrote to the same keys"
        );
        assert!(
            report.convergence.digest.ranges.iter().any(|range| range.items > 0),
            "they agree on something"
        );
    }
}

#[test]
fn no_promise_is_broken_in_a_storm_of_faults() {
    for seed in 1..=3 {
        simulated(&scenarios::storm(seed));
    }
}
