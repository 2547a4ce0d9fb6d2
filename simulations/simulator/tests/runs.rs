//! Plans played in virtual time: clients work while faults happen, and the results are measured.

use std::{collections::BTreeMap, io::Write, path::Path, process::abort, time::Duration};

use beringia_regions::Topology;
use beringia_report::ReportedBacklog;
use beringia_scenario::{
    Action, Disks, Expectations, Plan, Planned, Policy, RegionOptions, Scenario, Workload, WorkloadKind,
};
use beringia_simulator::{Conditions, SimulationOutcome, in_virtual_time, run_under};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn scenario() -> Scenario {
    let topology = Topology::three();
    let mixed = WorkloadKind::Mixed {
        put_percent: 50,
        update_percent: 30,
        delete_percent: 10,
        append_percent: 0,
    };
    Scenario {
        name: "test".to_owned(),
        about: String::new(),
        seed: None,
        replicas: topology.names().map(str::to_owned).collect(),
        topology,
        duration: seconds(20),
        starts_ms: None,
        behaviour: RegionOptions::default(),
        disks: Disks::default(),
        clocks: BTreeMap::new(),
        policy: Policy::Item,
        workloads: vec![Workload {
            rate: 100.0,
            clients: 10,
            keys: 100,
            ..Workload::new("load", mixed)
        }],
        recreated_table: false,
        stream_readers: false,
        events: Vec::new(),
        expect: Expectations::default(),
    }
}

fn plan(timeline: Vec<(u64, Action)>) -> Plan {
    Plan {
        scenario: scenario(),
        seed: 7,
        timeline: timeline
            .into_iter()
            .map(|(at, action)| Planned {
                drained: None,
                at: seconds(at),
                action,
            })
            .collect(),
    }
}

fn played(plan: &Plan) -> SimulationOutcome {
    played_so(plan, true)
}

fn played_so(plan: &Plan, is_traced: bool) -> SimulationOutcome {
    let on_stuck = |stuck| {
        // The stuck thread can be neither interrupted nor made to fail its test.
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let conditions = Conditions {
        is_traced,
        ..Conditions::default()
    };
    let played = in_virtual_time("test", seconds(120), on_stuck, run_under(plan, conditions));
    played.unwrap_or_else(|error| panic!("{error}"))
}

/// Nothing else is missing.
#[test]
fn writes_of_a_dropped_replica_are_unshipped_and_not_lost() {
    for policy in [Policy::Item, Policy::Merge] {
        let isolate = Action::Isolate {
            region: "eu-west-1".to_owned(),
            reset: false,
        };
        let mut plan = plan(vec![(3, isolate), (12, Action::Heal(None))]);
        plan.scenario.policy = policy;
        plan.scenario.behaviour.max_unreachable = Some(seconds(4));
        let outcome = played(&plan);
        assert_eq!(outcome.violations, [], "{policy:?}");
        assert!(outcome.run.holds(), "{policy:?}: {:?}", outcome.run.verdicts);
        let writes = &outcome.run.writes;
        assert!(
            writes.unshipped > 30,
            "nine seconds of writes to a hundred keys: {writes:?}"
        );
    }
}

#[test]
fn backlog_and_divergence_grow_during_a_cut_and_vanish_after() {
    let eu = || "eu-west-1".to_owned();
    let outcome = played(&plan(vec![
        (
            5,
            Action::Isolate {
                region: eu(),
                reset: false,
            },
        ),
        (12, Action::Heal(None)),
    ]));
    let run = outcome.run;
    assert!(run.holds(), "{:?}", run.verdicts);
    let backlog_at = |from: &str, to: &str, at_ms: u64| {
        let pair = run
            .pairs
            .iter()
            .find(|pair| pair.from == from && pair.to == to)
            .unwrap();
        pair.backlog
            .iter()
            .find(|sample| sample.at_ms == at_ms)
            .unwrap()
            .mutations
    };
    assert!(
        backlog_at("us-east-1", "eu-west-1", 12_000) > 500,
        "seven seconds of writes"
    );
    assert!(
        backlog_at("us-east-1", "ap-northeast-1", 12_000) < 50,
        "only what is on its way"
    );
    let keys_at = |at_ms: u64| run.divergence.iter().find(|sample| sample.at_ms == at_ms).unwrap().keys;
    assert!(keys_at(12_000) > 90 && keys_at(4_000) < 50, "{:?}", run.divergence);
    assert_eq!(run.divergence.last().map(|sample| sample.keys), Some(0));
    let [healed, ended] = run.convergences.as_slice() else {
        panic!("{:?}", run.convergences)
    };
    for convergence in [healed, ended] {
        let elapsed_ms = convergence.elapsed_ms.unwrap();
        assert!(
            elapsed_ms as f64 >= convergence.bound_ms && elapsed_ms < 5_000,
            "{convergence:?}"
        );
    }
    let ap = run
        .pairs
        .iter()
        .find(|pair| pair.from == "us-east-1" && pair.to == "ap-northeast-1")
        .unwrap();
    assert!(ap.lag_ms.min >= 73.0 && ap.lag_ms.p99 < 90.0, "{:?}", ap.lag_ms);
    assert!(ap.excess_ms.p50 < 10.0, "{:?}", ap.excess_ms);
    let eu = run
        .pairs
        .iter()
        .find(|pair| pair.from == "us-east-1" && pair.to == "eu-west-1")
        .unwrap();
    assert!(eu.lag_ms.max >= 6_000.0, "{:?}", eu.lag_ms);
    assert!(run.conflict_count() > 100, "both sides wrote to the same keys");
    assert!(eu.wire_bytes > 100_000);
}

/// The region comes back by copying its tables.
#[test]
fn a_disk_lost_behind_a_cut_costs_the_unshipped_writes() {
    let us = || "us-east-1".to_owned();
    let outcome = played(&plan(vec![
        (
            5,
            Action::Isolate {
                region: us(),
                reset: false,
            },
        ),
        (
            8,
            Action::Crash {
                region: us(),
                lose_disk: true,
            },
        ),
        (9, Action::Heal(None)),
        (10, Action::Restart { region: us() }),
    ]));
    let [loss] = outcome.run.disk_losses.as_slice() else {
        panic!("{:?}", outcome.run.disk_losses)
    };
    assert!(
        loss.reported_backlog
            .is_some_and(|reported| (200..400).contains(&reported.writes)),
        "three seconds of writes: {loss:?}"
    );
    assert_eq!(
        loss.reported_backlog,
        Some(ReportedBacklog {
            writes: loss.writes,
            bytes: loss.bytes,
            seconds: loss.seconds,
        })
    );
    assert!(loss.bytes > 10_000, "{loss:?}");
    assert!((2.9..3.1).contains(&loss.seconds), "{loss:?}");
    assert_eq!(outcome.run.divergence.last().map(|sample| sample.keys), Some(0));
}

/// What is on the wire when the disk is lost still arrives.
#[test]
fn writes_on_their_way_are_not_lost_with_a_disk() {
    let us = || "us-east-1".to_owned();
    let crash = Action::Crash {
        region: us(),
        lose_disk: true,
    };
    let outcome = played(&plan(vec![(4, crash), (6, Action::Restart { region: us() })]));
    let [loss] = outcome.run.disk_losses.as_slice() else {
        panic!("{:?}", outcome.run.disk_losses)
    };
    let reported = loss.reported_backlog.map(|reported| reported.writes);
    assert_eq!(reported, Some(loss.writes), "{loss:?}");
}

/// The region takes writes before it learns what it is missing: it is cut off while its disk is put
/// back for the first time. Another one is put back at the same time.
#[test]
fn disks_put_back_lose_no_later_write() {
    let us = || "us-east-1".to_owned();
    let eu = || "eu-west-1".to_owned();
    let restore = |region| Action::RestoreDisk { region };
    let start = |region| Action::Restart { region };
    let isolate = Action::Isolate {
        region: us(),
        reset: false,
    };
    let outcome = played(&plan(vec![
        (3, Action::CopyDisk { region: us() }),
        (4, Action::CopyDisk { region: eu() }),
        (7, isolate),
        (8, restore(us())),
        (9, start(us())),
        (11, Action::Heal(None)),
        (14, restore(us())),
        (14, restore(eu())),
        (15, start(us())),
        (15, start(eu())),
    ]));
    assert_eq!(outcome.violations, []);
    let losses: Vec<&str> = outcome.run.disk_losses.iter().map(|loss| &*loss.region).collect();
    assert_eq!(losses, ["us-east-1", "us-east-1", "eu-west-1"]);
    assert_eq!(outcome.run.divergence.last().map(|sample| sample.keys), Some(0));
}

/// A region that clients leave before the proof is shown as such.
#[test]
fn a_drain_is_proven_when_every_region_has_all() {
    let us = || "us-east-1".to_owned();
    let drain = || Action::Drain { region: us() };
    let shift = || Action::Shift {
        from: us(),
        to: "eu-west-1".to_owned(),
    };
    let isolate = Action::Isolate {
        region: us(),
        reset: false,
    };
    let undrain = Action::Undrain { region: us() };
    let back = Action::Shift { from: us(), to: us() };
    let outcome = played(&plan(vec![
        (3, drain()),
        (4, shift()),
        (5, undrain),
        (5, back),
        (6, isolate),
        (8, drain()),
        (9, shift()),
        (10, Action::Heal(None)),
    ]));
    let [proven, early] = outcome.run.drains.as_slice() else {
        panic!("{:?}", outcome.run.drains)
    };
    let elapsed_ms = proven.elapsed_ms().expect("a proof");
    // The last write goes to Tokyo, and its acknowledgement comes back.
    assert!((146..600).contains(&elapsed_ms), "{proven:?}");
    let last = proven.peers.iter().map(|peer| peer.proven_ms).max().flatten();
    assert_eq!((proven.proven_ms, proven.was_left_early()), (last, false));
    assert!(
        early.was_left_early() && early.proven_ms.is_some_and(|at_ms| at_ms > 10_000),
        "{early:?}"
    );
}

/// Each of several faults that are repaired has its own convergence.
#[test]
fn only_undisturbed_convergences_are_judged() {
    let slow = |ms| Action::SlowDisk {
        region: "us-east-1".to_owned(),
        by: Duration::from_millis(ms),
    };
    let isolate = Action::Isolate {
        region: "eu-west-1".to_owned(),
        reset: false,
    };
    let mut plan = plan(vec![(2, isolate), (3, slow(5)), (4, slow(0)), (8, Action::Heal(None))]);
    plan.scenario.duration = seconds(12);
    let run = played(&plan).run;
    let seen: Vec<(&str, bool)> = run
        .convergences
        .iter()
        .map(|one| (one.after.as_str(), one.disturbed_after_ms.is_some()))
        .collect();
    assert_eq!(
        seen,
        [
            ("disk of us-east-1 at its normal speed", true),
            ("heal every link", false),
            ("the end of the load", false)
        ]
    );
    let [disk, heal, _] = run.convergences.as_slice() else {
        panic!("{:?}", run.convergences)
    };
    assert!(
        disk.elapsed_ms.is_some_and(|ms| ms > 4_000),
        "it had to wait for the heal: {disk:?}"
    );
    assert!(heal.elapsed_ms.is_some_and(|ms| ms < 4_000), "{heal:?}");
}

/// The fingerprint changes with the seed, and with one event more; it does not matter whether a
/// trace is kept.
#[test]
fn fingerprints_depend_on_what_happened_alone() {
    let fingerprint = |timeline, seed, is_traced| {
        let mut plan = plan(timeline);
        plan.scenario.duration = seconds(4);
        plan.seed = seed;
        played_so(&plan, is_traced).run.identity.fingerprint
    };
    let traced = fingerprint(Vec::new(), 7, true);
    assert_eq!(traced.as_ref().map(String::len), Some(32), "{traced:?}");
    assert_eq!(fingerprint(Vec::new(), 7, false), traced);
    assert_ne!(fingerprint(Vec::new(), 8, false), traced);
    let slower = Action::SlowDisk {
        region: "us-east-1".to_owned(),
        by: Duration::from_micros(1),
    };
    assert_ne!(fingerprint(vec![(3, slower)], 7, false), traced);
}

#[test]
fn trace_and_measurements_depend_on_plan_and_seed_alone() {
    let timeline = || {
        vec![
            (
                3,
                Action::Isolate {
                    region: "eu-west-1".to_owned(),
                    reset: true,
                },
            ),
            (
                4,
                Action::SlowDisk {
                    region: "us-east-1".to_owned(),
                    by: Duration::from_millis(20),
                },
            ),
            (
                5,
                Action::Crash {
                    region: "ap-northeast-1".to_owned(),
                    lose_disk: false,
                },
            ),
            (
                6,
                Action::Restart {
                    region: "ap-northeast-1".to_owned(),
                },
            ),
            (7, Action::Heal(None)),
        ]
    };
    let mut plan = plan(timeline());
    plan.scenario.duration = seconds(8);
    let (one, other) = (played(&plan), played(&plan));
    assert_eq!(one.trace, other.trace);
    for (what, at_least) in [
        ("-> us-east-1, connection", 100),
        ("us-east-1 committed load of eu-west-1", 50),
        ("load eu-west-1#", 500),
    ] {
        let lines = one.trace.iter().filter(|line| line.contains(what)).count();
        assert!(lines >= at_least, "{lines} lines with {what:?}");
    }
    assert_eq!(one.run, other.run);
    plan.seed = 8;
    assert_ne!(one.trace, played(&plan).trace);
}

fn of(text: &str) -> Plan {
    let scenario = Scenario::parse(text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
    Plan::draw(&scenario, 1)
}

#[test]
fn a_throttled_table_takes_its_burst_and_then_its_rate() {
    let outcome = played(&of(r#"
        duration = "20s"
        [behaviour]
        throttling = true
        [[workload]]
        kind = "mixed"
        put_percent = 100
        update_percent = 0
        delete_percent = 0
        rate = 60
        billing = "provisioned"
        read_units = 5
        write_units = 2
    "#));
    // Each region has 300 seconds' worth of 2 units, and 2 more each second; each put costs one.
    let acknowledged = outcome.run.writes.acknowledged;
    assert!((3 * 600..3 * 645).contains(&acknowledged), "{acknowledged}");
    let available = outcome.run.availability("eu-west-1");
    assert!(available.is_some_and(|percent| percent < 60.0), "{available:?}");
}

#[test]
fn only_inconsistent_reads_may_be_stale() {
    let went_back = |behaviour: &str| {
        let text = format!(
            "duration = \"10s\"\n{behaviour}\n[[workload]]\nkind = \"mixed\"\nput_percent = 50\nupdate_percent = 0\ndelete_percent = 0\n\
             keys = 3\nclients = 2\nrate = 50\nconsistent_percent = 0\n"
        );
        let run = played(&of(&text)).run;
        assert!(run.violations.is_empty(), "{:?}", run.violations);
        run.anomaly_count("non-monotonic-read") + run.anomaly_count("read-your-writes")
    };
    assert_eq!(went_back(""), 0);
    assert!(went_back("[behaviour]\nstale_reads = \"500ms\"") > 0);
}

const FAILOVER: &str = r#"
    duration = "30s"
    [[workload]]
    rate = 20
    [[event]]
    at = "4s"
    lasts = "CUT"
    isolate = "us-east-1"
    [[event]]
    at = "5s"
    drain = "us-east-1"
    [[event]]
    when_drained = "us-east-1"
    after = "500ms"
    shift = "us-east-1"
    to = "eu-west-1"
    [expect]
    rto_max = "11s"   # writes are refused from the drain until the clients move
"#;

#[test]
fn traffic_moves_only_after_the_proof_of_a_drain() {
    let run = played(&of(&FAILOVER.replace("CUT", "6s"))).run;
    assert!(run.holds(), "{:?}", run.verdicts);
    let (drain, failover) = (&run.drains[0], &run.failovers[0]);
    let proven_ms = drain.proven_ms.unwrap();
    assert!((10_000..15_000).contains(&proven_ms), "{drain:?}");
    assert_eq!(failover.shifted_ms, proven_ms + 500);
    assert_eq!(drain.left_ms, Some(failover.shifted_ms));
}

/// Traffic that waits for the drain stays.
#[test]
fn a_run_fails_if_a_drain_is_not_proven() {
    let run = played(&of(&FAILOVER.replace("CUT", "26s"))).run;
    assert_eq!(run.not_played, ["clients of us-east-1 go to eu-west-1"]);
    assert_eq!(run.failovers, []);
    let failed: Vec<&str> = run
        .verdicts
        .iter()
        .filter(|verdict| !verdict.holds)
        .map(|verdict| verdict.expected.as_str())
        .collect();
    assert!(failed.contains(&"every event of the timeline happened"), "{failed:?}");
}
