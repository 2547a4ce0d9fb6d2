//! Regions on disks that lose what is not synced, fail, fill up and change bits: no acknowledged
//! write is lost, what was damaged is repaired, and a run follows from its plan.
#![expect(clippy::print_stderr, reason = "a thread that is stuck can only be reported")]

use std::{path::Path, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, SimulationError, SimulationOutcome, StoreKind, in_virtual_time, run_under};

/// A scenario of three regions with these events.
fn scenario(events: &str) -> Scenario {
    let text = format!(
        "
        disks = \"faulty\"
        duration = \"16s\"
        [[workload]]
        kind = \"mixed\"
        put_percent = 40
        update_percent = 30
        rate = 40
        keys = 60
        value_bytes = 2000
        {events}
        "
    );
    Scenario::parse(&text, Path::new("faulty.toml")).unwrap_or_else(|error| panic!("{error}"))
}

fn played_on(store: StoreKind, scenario: &Scenario, seed: u64) -> Result<SimulationOutcome, SimulationError> {
    let on_stuck = |stuck| {
        eprintln!("{stuck:?}");
        abort();
    };
    let conditions = Conditions {
        store,
        is_traced: true,
        ..Conditions::default()
    };
    let plan = Plan::draw(scenario, seed);
    in_virtual_time(
        "faulty",
        Duration::from_secs(300),
        on_stuck,
        run_under(&plan, conditions),
    )
}

/// Plays a seed, in which no promise is broken and every expectation holds.
fn played(scenario: &Scenario, seed: u64) -> SimulationOutcome {
    let outcome = played_on(StoreKind::Sqlite, scenario, seed);
    let outcome = outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(outcome.violations, [], "seed {seed}");
    let failed = outcome.run.verdicts.iter().find(|verdict| !verdict.holds);
    assert_eq!(failed, None, "seed {seed}");
    outcome
}

/// The number of lines of the trace that end so.
fn lines(outcome: &SimulationOutcome, end: &str) -> usize {
    outcome.trace.iter().filter(|line| line.ends_with(end)).count()
}

const POWER_LOSSES: &str = "
    [[event]]
    at = \"2s..3s\"
    lasts = \"1s\"
    lose_power = \"us-east-1\"
    [[event]]
    at = \"6s\"
    lasts = \"1s\"
    lose_power = \"us-east-1\"
    [[event]]
    at = \"6s\"
    lasts = \"2s\"
    lose_power = \"eu-west-1\"
";

#[test]
fn no_acknowledged_write_is_lost_with_power() {
    for seed in 1..=3 {
        let outcome = played(&scenario(POWER_LOSSES), seed);
        assert_eq!(lines(&outcome, "us-east-1 started"), 3, "seed {seed}");
        assert_eq!(lines(&outcome, "eu-west-1 started"), 2, "seed {seed}");
        assert_eq!(outcome.run.disk_losses, [], "no disk was lost");
    }
}

const FAILED_SYNCS: &str = "
    [[event]]
    at = \"3s\"
    lasts = \"4s\"
    failing_disk = \"eu-west-1\"
    syncs = 100
";

/// After a failed sync the committer ends. The region is started again, which fails as long as the
/// disk does.
#[test]
fn region_starts_again_after_failed_syncs() {
    let outcome = played(&scenario(FAILED_SYNCS), 1);
    assert_eq!(lines(&outcome, "eu-west-1 failed"), 1);
    // The pauses are 250 ms, 500 ms, 1 s, 2 s, and 4 s.
    assert_eq!(lines(&outcome, "eu-west-1 did not start"), 4);
    assert_eq!(lines(&outcome, "eu-west-1 started"), 2);
    assert_eq!(lines(&outcome, "us-east-1 started"), 1);
}

const FAILED_READS_AND_WRITES: &str = "
    [[event]]
    at = \"3s\"
    lasts = \"5s\"
    failing_disk = \"eu-west-1\"
    reads = 2
    writes = 1
";

#[test]
fn failed_reads_and_writes_lose_no_acknowledged_write() {
    let healthy = played(&scenario(""), 1).run;
    for seed in 1..=3 {
        let run = played(&scenario(FAILED_READS_AND_WRITES), seed).run;
        let served = run.availability("eu-west-1").expect("it has clients");
        assert!(served < 99.9, "seed {seed}: {served} %");
    }
    assert_eq!(healthy.availability("eu-west-1"), Some(100.0));
}

const FULL: &str = "
    [[event]]
    at = \"3s\"
    lasts = \"4s\"
    disk_full = \"eu-west-1\"
";

#[test]
fn full_disk_loses_no_acknowledged_write() {
    let outcome = played(&scenario(FULL), 1);
    let served = outcome.run.availability("eu-west-1").expect("it has clients");
    assert!((50.0..95.0).contains(&served), "{served} %");
    assert_eq!(lines(&outcome, "eu-west-1 started"), 1, "it goes on without a restart");
}

const CHANGED_BITS: &str = "
    [[event]]
    at = \"6s\"
    flip_bits = \"eu-west-1\"
    bits = 20
    [[event]]
    at = \"7s\"
    lasts = \"1s\"
    crash = \"eu-west-1\"
";

/// Reads return the damaged values to nobody, and the region gets them back from its peers.
#[test]
fn changed_bits_are_repaired_from_peers() {
    for seed in 1..=2 {
        let outcome = played(&scenario(CHANGED_BITS), seed);
        assert_eq!(lines(&outcome, "20 bits of the disk of eu-west-1 have changed"), 1);
        assert_eq!(outcome.run.divergence.last().map(|sample| sample.keys), Some(0));
    }
}

const DISKS_TAKEN: &str = "
    [[event]]
    at = \"3s\"
    copy_disk = \"us-east-1\"
    [[event]]
    at = \"5s\"
    lasts = \"1s\"
    restore_disk = \"us-east-1\"
    [[event]]
    at = \"8s\"
    lasts = \"2s\"
    failing_disk = \"us-east-1\"
    syncs = 100
    [[event]]
    at = \"9s\"
    lasts = \"2s\"
    crash = \"us-east-1\"
    lose_disk = true
";

/// The second disk fails before it is lost. Only writes that were on their way are.
#[test]
fn faulty_disks_are_copied_put_back_and_lost() {
    let outcome = played(&scenario(DISKS_TAKEN), 1);
    let losses: Vec<&str> = outcome.run.disk_losses.iter().map(|loss| &*loss.region).collect();
    assert_eq!(losses, ["us-east-1", "us-east-1"]);
}

const ALL_FAULTS: &str = "
    [[event]]
    at = \"2s..3s\"
    lasts = \"1s\"
    lose_power = \"us-east-1\"
    [[event]]
    at = \"3s\"
    lasts = \"6s\"
    failing_disk = \"eu-west-1\"
    reads = 1
    writes = 1
    syncs = 2
    [[event]]
    at = \"6s\"
    lasts = \"2s\"
    disk_full = \"us-east-1\"
    [[event]]
    at = \"7s\"
    flip_bits = \"ap-northeast-1\"
    bits = 10
    [[event]]
    at = \"9s\"
    lasts = \"1s\"
    lose_power = \"ap-northeast-1\"
    [[event]]
    at = \"11s\"
    lasts = \"1s\"
    crash = \"eu-west-1\"
";

#[test]
fn traces_on_faulty_disks_depend_on_plan_and_seed_alone() {
    let scenario = scenario(ALL_FAULTS);
    let (one, other) = (played(&scenario, 5), played(&scenario, 5));
    assert_eq!(one.trace, other.trace);
    assert_eq!(one.run, other.run);
    let another = played(&scenario, 6);
    assert_ne!(one.run.identity.fingerprint, another.run.identity.fingerprint);
}

#[test]
fn ordered_maps_have_no_faulty_disks() {
    let refused = played_on(StoreKind::Memory, &scenario(""), 1);
    assert!(matches!(refused, Err(SimulationError::FaultyMemory)), "{refused:?}");
}
