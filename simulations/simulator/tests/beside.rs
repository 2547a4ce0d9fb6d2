//! Clients beside the workloads: those of a table that is created again under its name, and those
//! that read DynamoDB streams.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{io::Write, path::Path, process::abort, time::Duration};

use beringia_oracle::Violation;
use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, SimulationOutcome, StoreKind, in_virtual_time, run_under};

/// A region is cut off for 9 of 30 seconds.
const CUT_OFF: &str = r#"
duration = "30s"
recreated_table = true
stream_readers = true

[[workload]]
kind = "mixed"
rate = 10
keys = 20

[[event]]
at = "5s"
lasts = "9s"
isolate = "eu-west-1"
"#;

fn played(text: &str, store: StoreKind) -> SimulationOutcome {
    let scenario = Scenario::parse(text, Path::new("beside.toml")).expect("a scenario");
    let on_stuck = |stuck| {
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let conditions = Conditions {
        store,
        is_traced: true,
        ..Conditions::default()
    };
    let plan = Plan::draw(&scenario, 1);
    let run = run_under(&plan, conditions);
    in_virtual_time("beside", Duration::from_secs(300), on_stuck, run).expect("a run")
}

/// Returns how often a region accepted a request of the clients of the recreated table.
fn accepted(outcome: &SimulationOutcome, operation: &str) -> usize {
    let is_it =
        |line: &&String| line.contains(operation) && line.contains("beringia-recreated") && line.ends_with("}: done");
    outcome.trace.iter().filter(is_it).count()
}

#[test]
fn a_table_lives_several_times_and_keeps_its_writes() {
    for store in [StoreKind::Memory, StoreKind::Sqlite] {
        let outcome = played(CUT_OFF, store);
        assert_eq!(outcome.violations, Vec::<Violation>::new());
        for operation in ["CreateTable", "DeleteTable", "UpdateTable"] {
            let times = accepted(&outcome, operation);
            assert!(times >= 2, "{times} times {operation}");
        }
    }
}

/// The region has no replica when it is paused, and has one again when it is resumed.
#[test]
fn a_region_without_replicas_can_be_paused() {
    let text = r#"
        duration = "30s"
        [[workload]]
        kind = "mixed"
        rate = 10
        [[event]]
        at = "3s"
        lasts = "12s"
        remove_replica = "eu-west-1"
        [[event]]
        at = "10s"
        lasts = "10s"
        pause_replication = "eu-west-1"
    "#;
    let outcome = played(text, StoreKind::Memory);
    assert_eq!(outcome.violations, Vec::<Violation>::new());
    assert_eq!(
        accepted(&outcome, "CreateTable"),
        0,
        "only a scenario that says so has these clients"
    );
}
