//! Regions decide the same with either storage backend. The same seeds have the same trace on both,
//! line by line: every event, delivery, commit and operation of a client.
#![expect(clippy::print_stderr, reason = "a thread that is stuck can only be reported")]

use std::{num::NonZero, path::Path, process::abort, thread, time::Duration};

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

/// Plays a seed on both backends, and returns the number of lines of its trace.
fn compare(scenario: &Scenario, seed: u64) -> usize {
    let plan = plan(scenario, seed);
    let [sqlite, memory] = [StoreKind::Sqlite, StoreKind::Memory].map(|store| played(&plan, store));
    let differs = sqlite.trace.iter().zip(&memory.trace).find(|(one, other)| one != other);
    assert_eq!(differs, None, "seed {seed}");
    assert_eq!(sqlite.trace.len(), memory.trace.len(), "seed {seed}");
    assert_eq!(
        sqlite.run.identity.fingerprint, memory.run.identity.fingerprint,
        "seed {seed}"
    );
    assert_eq!(sqlite.violations, memory.violations, "seed {seed}");
    sqlite.trace.len()
}

#[test]
fn the_same_seeds_on_both_backends_have_the_same_traces() {
    let mut scenario = Scenario::shipped("swarm").expect("it is built in");
    scenario.duration = Duration::from_secs(3);
    let seeds = std::env::var_os("BERINGIA_LONG").map_or(SEEDS, |_| LONG_SEEDS);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let lines: usize = thread::scope(|scope| {
        let mut of_workers = Vec::new();
        for worker in 0..workers {
            let seeds = (0..seeds).skip(worker).step_by(workers);
            let scenario = &scenario;
            of_workers.push(scope.spawn(move || seeds.map(|seed| compare(scenario, seed)).sum::<usize>()));
        }
        let of_workers = of_workers.into_iter();
        of_workers.map(|lines| lines.join().expect("no seed differs")).sum()
    });
    assert!(lines > 10_000, "the runs did something: {lines} lines");
}

/// The plan of a scenario, with seed 3.
fn plan_of(text: &str) -> Plan {
    let scenario = Scenario::parse(text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
    Plan::draw(&scenario, 3)
}

/// Its new disk is full when the region starts again, and for six seconds more.
#[test]
fn a_lost_region_bootstraps_once_its_disk_has_space() {
    let plan = plan_of(
        r#"
        duration = "20s"
        [[workload]]
        kind = "ycsb-a"
        rate = 40
        keys = 200
        value_bytes = 4000
        [[event]]
        at = "3s"
        lasts = "3s"
        crash = "ap-northeast-1"
        lose_disk = true
        [[event]]
        at = "4s"
        lasts = "8s"
        disk_full = "ap-northeast-1"
        [expect]
        converged_within = "60s"
        "#,
    );
    for store in [StoreKind::Sqlite, StoreKind::Memory] {
        let outcome = played(&plan, store);
        assert_eq!(outcome.violations, [], "{store:?}");
        let failed = outcome.run.verdicts.iter().find(|verdict| !verdict.holds);
        assert_eq!(failed, None, "{store:?}");
        let last = outcome.run.convergences.last().expect("the end is awaited");
        assert!(last.elapsed_ms.is_some(), "{store:?}: {last:?}");
    }
}

/// Its last writes reach the other regions although it can store nothing new.
#[test]
fn a_region_with_a_full_disk_is_drained() {
    let plan = plan_of(
        r#"
        duration = "35s"
        [[workload]]
        kind = "ycsb-a"
        rate = 40
        keys = 200
        value_bytes = 4000
        [[event]]
        at = "2s"
        lasts = "16s"
        isolate = "us-east-1"
        [[event]]
        at = "3s"
        lasts = "27s"
        disk_full = "us-east-1"
        [[event]]
        at = "19s"
        lasts = "5s"
        drain = "us-east-1"
        "#,
    );
    for store in [StoreKind::Sqlite, StoreKind::Memory] {
        let outcome = played(&plan, store);
        assert_eq!(outcome.violations, [], "{store:?}");
        let proven_ms = outcome.run.drains[0].proven_ms;
        let proven_ms = proven_ms.unwrap_or_else(|| panic!("{store:?}: the drain is not proven"));
        assert!((19_000..24_000).contains(&proven_ms), "{store:?}: {proven_ms} ms");
    }
}
