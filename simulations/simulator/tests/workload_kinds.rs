//! Every kind of workload over regions that are disconnected for a while: no promise is broken, and
//! the anomalies that the workload is designed to show are seen.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::{io::Write, path::Path, process::abort, time::Duration};

use beringia_report::Run;
use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, SimulationOutcome, in_virtual_time, run_under};

/// Plays a kind of workload in two regions for six seconds, during three of which the regions are
/// disconnected.
fn played(kind: &str, policy: &str) -> Run {
    outcome(&format!("{kind}\n rate = 40\n keys = 10"), policy).run
}

fn outcome(workload: &str, policy: &str) -> SimulationOutcome {
    let text = format!(
        r#"
        about = "Two regions, apart for three seconds."
        topology = "two"
        duration = "6s"
        policy = "{policy}"
        [[workload]]
        {workload}
        value_bytes = 20
        [[event]]
        at = "1s"
        lasts = "3s"
        isolate = "us-east-1"
    "#
    );
    let scenario = Scenario::parse(&text, Path::new("kinds.toml")).expect("a scenario");
    let on_stuck = |stuck| {
        // The stuck thread can be neither interrupted nor made to fail its test.
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let plan = Plan::draw(&scenario, 1);
    let conditions = Conditions {
        is_traced: true,
        ..Conditions::default()
    };
    let played = run_under(&plan, conditions);
    let outcome = in_virtual_time("kinds", Duration::from_secs(300), on_stuck, played);
    outcome.expect("a run")
}

/// Plays a kind of workload, and checks that no promise is broken and every write is accounted for.
fn played_well(kind: &str) -> Run {
    played_well_under(kind, "item")
}

fn played_well_under(kind: &str, policy: &str) -> Run {
    let run = played(kind, policy);
    assert_eq!(run.violations, Vec::<String>::new(), "{kind}, {policy}");
    let writes = run.writes;
    assert!(writes.acknowledged > 50, "{kind}: {writes:?}");
    let accounted = writes.current + writes.superseded + writes.lost_to_conflicts;
    assert_eq!(writes.acknowledged, accounted, "{kind}: {writes:?}");
    run
}

fn count(run: &Run, anomaly: &str) -> u64 {
    let counted = run.anomalies.iter().find(|counted| counted.name == anomaly);
    counted.expect("every kind of anomaly").count
}

#[test]
fn ycsb_workloads_keep_every_promise() {
    for kind in ["ycsb-d", "ycsb-e", "ycsb-f"] {
        let writes = played(&format!("kind = \"{kind}\""), "item");
        assert_eq!(writes.violations, Vec::<String>::new(), "{kind}");
    }
    assert!(count(&played_well("kind = \"ycsb-a\""), "stale-read") > 0);
}

#[test]
fn counters_and_carts_lose_updates_under_policy_item() {
    for kind in ["kind = \"counters\"", "kind = \"carts\""] {
        let run = played_well(kind);
        assert!(
            run.writes.lost_to_conflicts > 0 && count(&run, "lost-update") > 0,
            "{kind}"
        );
    }
}

#[test]
fn a_bank_that_transfers_in_two_regions_does_not_keep_its_sum() {
    let run = played_well("kind = \"bank\"");
    assert!(count(&run, "sum-not-constant") > 0);
    assert_eq!(count(&run, "torn-transaction"), 0);
}

/// The region loses none of them.
#[test]
fn conflicting_transfers_in_one_region_keep_the_sum() {
    let bank = "kind = \"bank\"\n regions = [\"us-east-1\"]\n rate = 200\n clients = 20\n keys = 6";
    let outcome = outcome(bank, "item");
    let refused = |operation: &str| {
        let refusal = format!(" {operation}: Refused(\"TransactionCanceledException\")");
        outcome.trace.iter().filter(|line| line.contains(&refusal)).count()
    };
    // A read has no condition that could fail: it conflicted with a transfer.
    assert!(refused("TransactGetItems") > 5, "{}", refused("TransactGetItems"));
    assert!(refused("TransactWriteItems") > 20, "{}", refused("TransactWriteItems"));
    let run = outcome.run;
    assert_eq!(run.violations, Vec::<String>::new());
    assert!(run.writes.acknowledged > 500, "{:?}", run.writes);
    assert_eq!(run.writes.lost_to_conflicts, 0);
    for anomaly in ["sum-not-constant", "torn-transaction", "lost-update", "stale-read"] {
        assert_eq!(count(&run, anomaly), 0, "{anomaly}");
    }
}

#[test]
fn stock_sold_in_two_regions_is_oversold() {
    let run = played_well("kind = \"inventory\"\n choice = \"zipfian\"\n theta = 0.99");
    assert!(count(&run, "oversold") > 0);
}

#[test]
fn expiring_sessions_break_no_promise() {
    let run = played_well("kind = \"sessions\"\n ttl = \"2s\"");
    assert!(count(&run, "stale-read") > 0);
}

#[test]
fn additions_in_two_regions_are_kept_under_policy_merge() {
    for kind in ["kind = \"counters\"", "kind = \"bank\""] {
        let run = played_well_under(kind, "merge");
        assert_eq!(
            (count(&run, "lost-update"), run.writes.lost_to_conflicts),
            (0, 0),
            "{kind}"
        );
    }
}

/// Only the write markers of the additions conflict.
#[test]
fn merged_additions_are_no_conflict() {
    let conflicts = |policy| -> u64 {
        let run = played_well_under("kind = \"counters\"", policy);
        run.conflicts.iter().map(|cell| cell.count).sum()
    };
    assert_eq!(conflicts("merge"), 0);
    assert!(conflicts("item") > 0);
}

#[test]
fn every_policy_resolves_concurrent_writes_as_documented() {
    let mixed = "kind = \"mixed\"\n put_percent = 20\n update_percent = 50\n delete_percent = 10";
    for kind in ["kind = \"carts\"", mixed] {
        for policy in ["attribute", "merge"] {
            played_well_under(kind, policy);
        }
    }
}
