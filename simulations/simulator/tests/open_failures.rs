//! Plans that fail, where the regions or the oracle are wrong. Each test is ignored until that is
//! known and repaired.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{io::Write, path::Path, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, in_virtual_time, run_under};

/// A region loses its disk, and the replica of another one is dropped. Two items of the other one
/// had expired there before. Its unshipped rows contain the deletes of these items, and the oracle,
/// which knows only deletes of clients among unshipped rows, takes the puts before them for lost.
#[test]
#[ignore = "the oracle does not know expiry among unshipped rows"]
fn drop_beside_a_lost_disk_accounts_for_all_writes() {
    let path = Path::new("tests/open/drop-with-lost-disk.toml");
    let scenario = Scenario::load(path).expect("a scenario");
    assert_eq!(violations(&scenario, 1), Vec::<String>::new());
}

/// A region deletes an item while it is unreachable, and its replica is dropped. Neither its
/// unshipped rows nor its journal have the delete.
#[test]
#[ignore = "it is not known what became of the delete"]
fn a_delete_of_a_dropped_replica_is_accounted_for() {
    assert_eq!(violations(&swarm("tables"), 2), Vec::<String>::new());
}

/// The same with items that expire.
#[test]
#[ignore = "it is not known what became of the writes"]
fn expiry_in_a_dropped_replica_is_accounted_for() {
    assert_eq!(violations(&swarm("tables"), 3), Vec::<String>::new());
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
