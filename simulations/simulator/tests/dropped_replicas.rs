//! Plans in which a replica is dropped, and for which the oracle once took writes for lost.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{io::Write, path::Path, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, in_virtual_time, run_under};

/// An item of the dropped replica expired there, and later in another region, whose delete arrived
/// before the region learned of the drop. A third region lost its disk.
#[test]
fn drop_beside_a_lost_disk_accounts_for_all_writes() {
    let path = Path::new("tests/dropped/with-lost-disk.toml");
    let scenario = Scenario::load(path).expect("a scenario");
    assert_eq!(violations(&scenario, 1), Vec::<String>::new());
}

/// The policy is `merge`. A region deletes an item while it is unreachable. It then receives an
/// update that depends on a greater delete of another region.
#[test]
fn a_delete_of_a_dropped_replica_is_accounted_for() {
    assert_eq!(violations(&swarm_of_tables(), 2), Vec::<String>::new());
}

/// The policy is `item`. Items of the dropped replica expired there, and later in other regions,
/// whose deletes arrived before the region learned of the drop.
#[test]
fn expiry_in_a_dropped_replica_is_accounted_for() {
    assert_eq!(violations(&swarm_of_tables(), 3), Vec::<String>::new());
}

/// The shipped swarm with the profile `tables`.
fn swarm_of_tables() -> Scenario {
    let swarm = Scenario::shipped("swarm").expect("it is built in");
    swarm.with([("event.1.profile", "tables")]).expect("a profile")
}

/// Plays a scenario with a seed, and returns the broken promises.
fn violations(scenario: &Scenario, seed: u64) -> Vec<String> {
    let on_stuck = |stuck| {
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let plan = Plan::draw(scenario, seed);
    let run = run_under(&plan, Conditions::default());
    let outcome = in_virtual_time("dropped", Duration::from_secs(300), on_stuck, run).expect("a run");
    outcome.run.violations
}
