//! Regions decide the same with either storage backend. The same seeds have the same trace on both,
//! line by line: every event, delivery, commit and operation of a client.
#![expect(clippy::print_stderr, reason = "a thread that is stuck can only be reported")]

use std::{process::abort, time::Duration};

use beringia_scenario::{Action, Plan, Scenario};
use beringia_simulator::{Conditions, SimulationOutcome, StoreKind, in_virtual_time, run_under};

/// The number of seeds that are played.
const SEEDS: u64 = 50;
/// The number of seeds with `BERINGIA_LONG` in the environment.
const LONG_SEEDS: u64 = 200;

fn played(plan: &Plan, store: StoreKind) -> SimulationOutcome {
    let on_stuck = |stuck| {
        eprintln!("{stuck:?}");
        abort();
    };
    let conditions = Conditions {
        store,
        is_traced: true,
        ..Conditions::default()
    };
    let name = format!("seed {}, {store:?}", plan.seed);
    let played = in_virtual_time(&name, Duration::from_secs(120), on_stuck, run_under(plan, conditions));
    played.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A short run of `swarm` with faults of all kinds except full disks, which differ between
/// backends.
fn plan(scenario: &Scenario, seed: u64) -> Plan {
    let mut plan = Plan::draw(scenario, seed);
    plan.timeline
        .retain(|planned| !matches!(planned.action, Action::DiskFull { .. }));
    plan
}

#[test]
fn the_same_seeds_on_both_backends_have_the_same_traces() {
    let mut scenario = Scenario::shipped("swarm").expect("it is built in");
    scenario.duration = Duration::from_secs(3);
    let mut lines = 0;
    let seeds = std::env::var_os("BERINGIA_LONG").map_or(SEEDS, |_| LONG_SEEDS);
    for seed in 0..seeds {
        let plan = plan(&scenario, seed);
        let [sqlite, memory] = [StoreKind::Sqlite, StoreKind::Memory].map(|store| played(&plan, store));
        let differs = sqlite.trace.iter().zip(&memory.trace).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(sqlite.trace.len(), memory.trace.len(), "seed {seed}");
        assert_eq!(
            sqlite.run.identity.fingerprint, memory.run.identity.fingerprint,
            "seed {seed}"
        );
        assert_eq!(sqlite.violations, memory.violations, "seed {seed}");
        lines += sqlite.trace.len();
    }
    assert!(lines > 10_000, "the runs did something: {lines} lines");
}
