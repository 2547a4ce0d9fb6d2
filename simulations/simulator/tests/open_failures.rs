//! Plans that fail, where the regions or the oracle are wrong. Each test is ignored until that is
//! known and repaired.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{io::Write, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, in_virtual_time, run_under};

/// Under `merge`, all regions agree on numbers that are not the sum of the additions after one of
/// them was put back to a copy of its disk.
#[test]
#[ignore = "it is not known whether the regions or the oracle are wrong"]
fn numbers_merge_after_a_snapshot_is_restored() {
    assert_eq!(violations(&swarm("disks"), 1), Vec::<String>::new());
}

/// The shipped swarm with another profile.
fn swarm(profile: &str) -> Scenario {
    let swarm = Scenario::shipped("swarm").expect("it is built in");
    swarm.with([("event.1.profile", profile)]).expect("a profile")
}

/// Plays a scenario with a seed, and returns the broken promises.
fn violations(scenario: &Scenario, seed: u64) -> Vec<String> {
    let on_stuck = |stuck| {
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let plan = Plan::draw(scenario, seed);
    let run = run_under(&plan, Conditions::default());
    let outcome = in_virtual_time("open", Duration::from_secs(300), on_stuck, run).expect("a run");
    outcome.run.violations
}
