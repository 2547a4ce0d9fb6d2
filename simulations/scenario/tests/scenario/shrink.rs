//! Shrinking of plans with made-up failures.

use std::{collections::BTreeSet, path::Path, time::Duration};

use beringia_scenario::{Action, Plan, Scenario, WorkloadKind, shrink};
use proptest::prelude::*;

use crate::{
    strategies::{Following, scenarios},
    support::{lines, parse},
};

fn swarm(seed: u64) -> Plan {
    let scenario = parse(
        r#"
        [[workload]]
        name = "first"
        rate = 40
        [[workload]]
        name = "second"
        rate = 40
        [[event]]
        at = "1s"
        lasts = "50s"
        swarm = 40
        "#,
    );
    Plan::draw(&scenario, seed)
}

fn has(plan: &Plan, wanted: impl Fn(&Action) -> bool) -> bool {
    plan.timeline.iter().any(|planned| wanted(&planned.action))
}

fn crashes(action: &Action) -> bool {
    matches!(action, Action::Crash { region, .. } if region == "eu-west-1")
}

fn isolates(action: &Action) -> bool {
    matches!(action, Action::Isolate { .. })
}

/// A plan of a swarm with a crash of Ireland and an isolation.
fn failing() -> Plan {
    let mut plans = (0..100).map(swarm);
    match plans.find(|plan| has(plan, crashes) && has(plan, isolates)) {
        Some(plan) => plan,
        None => panic!("none of a hundred seeds crashes Ireland and isolates a region"),
    }
}

#[test]
fn removes_what_the_failure_does_not_need() {
    let plan = failing();
    let shrunk = shrink(&plan, 1_000, |plan| Some(has(plan, crashes) && has(plan, isolates)));
    assert!(shrunk.is_smallest);
    let begins = shrunk
        .plan
        .timeline
        .iter()
        .filter(|planned| crashes(&planned.action) || isolates(&planned.action));
    assert_eq!(begins.count(), 2, "{:?}", lines(&shrunk.plan));
    let rest = shrunk
        .plan
        .timeline
        .iter()
        .filter(|planned| !crashes(&planned.action) && !isolates(&planned.action));
    for planned in rest {
        assert!(
            matches!(planned.action, Action::Restart { .. } | Action::Heal(_)),
            "{planned:?} is needless"
        );
    }
    let [workload] = shrunk.plan.scenario.workloads.as_slice() else {
        panic!("one workload is enough")
    };
    assert_eq!(
        (workload.rate, workload.clients, workload.keys, workload.value_bytes),
        (0.5, 1, 1, 0)
    );
    assert!(shrunk.plan.scenario.duration < plan.scenario.duration);
    assert_eq!(shrunk.plan.seed, plan.seed);
}

#[test]
fn keeps_what_the_failure_needs() {
    let needs = |plan: &Plan| {
        let second = plan
            .scenario
            .workloads
            .iter()
            .find(|workload| workload.name == "second");
        second.is_some_and(|workload| workload.rate >= 10.0 && workload.keys >= 100 && workload.clients >= 3)
            && plan.scenario.duration >= Duration::from_secs(20)
    };
    let shrunk = shrink(&swarm(3), 1_000, |plan| Some(needs(plan)));
    assert!(shrunk.plan.timeline.is_empty());
    let [workload] = shrunk.plan.scenario.workloads.as_slice() else {
        panic!("one workload is needed")
    };
    assert_eq!(workload.name, "second");
    assert_eq!(
        (workload.rate, workload.keys, workload.clients, workload.value_bytes),
        (10.0, 125, 4, 0)
    );
    let seconds = shrunk.plan.scenario.duration.as_secs_f64();
    assert!((20.0..27.0).contains(&seconds), "{seconds}");
}

const TABLES: [&str; 3] = [
    r#"{"table": {"TableName": "t", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}, "items": [{"id": {"S": "'''"}}]}"#,
    r#"{"table": {"TableName": "u", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}, "at_ms": 90000}"#,
    r#"{"items_of": "t", "items": [{"id": {"S": "2"}}], "at_ms": 90000}"#,
];

fn operation(second: u64) -> String {
    let at_ms = second * 1_000;
    format!(
        r#"{{"at_ms": {at_ms}, "region": "us-east-1", "operation": "Get{second}", "parameters": {{}}, "for": "people"}}"#
    )
}

/// A load of a minute and a recording of two with an operation a second, and lines of tables in
/// between.
fn recorded(fields: &str) -> Plan {
    let mut lines: Vec<String> = (0..120).map(operation).collect();
    for (place, table) in [(0, TABLES[0]), (30, TABLES[1]), (90, TABLES[2])] {
        lines.insert(place, table.to_owned());
    }
    let mut scenario = parse(&format!(
        "duration = \"60s\"\n[[workload]]\nkind = \"replay\"\noperations = \"\"\n{fields}"
    ));
    scenario.workloads[0].kind = WorkloadKind::Replay {
        operations: lines.join("\n"),
    };
    Plan::draw(&scenario, 1)
}

fn recording(plan: &Plan) -> &str {
    match &plan.scenario.workloads[0].kind {
        WorkloadKind::Replay { operations } => operations,
        kind => panic!("{kind:?} is not a recording"),
    }
}

/// The lines of tables all stay.
#[test]
fn keeps_recorded_operations_that_the_failure_needs() {
    let needed = [7, 8, 41].map(operation);
    let shrunk = shrink(&recorded(""), 300, |plan| {
        Some(needed.iter().all(|line| recording(plan).contains(line)))
    });
    assert!(shrunk.is_smallest, "{} runs", shrunk.runs);
    let left = [TABLES[0], &needed[0], &needed[1], TABLES[1], &needed[2], TABLES[2]].join("\n");
    assert_eq!(recording(&shrunk.plan), format!("{left}\n"));
    let seconds = shrunk.plan.scenario.duration.as_secs_f64();
    assert!((41.0..46.0).contains(&seconds), "{seconds}");
    let text = shrunk.plan.to_toml();
    let read = Scenario::parse(&text, Path::new("test.toml")).expect("a scenario");
    assert_eq!(read.workloads, shrunk.plan.scenario.workloads, "{text}");
}

#[test]
fn keeps_only_the_tables_of_a_recording_not_needed() {
    let shrunk = shrink(&recorded(""), 300, |_| Some(true));
    assert!(shrunk.is_smallest);
    assert_eq!(recording(&shrunk.plan), format!("{}\n", TABLES.join("\n")));
}

#[test]
fn removes_recorded_operations_due_after_the_load() {
    let places = [
        ("", 60),
        ("until = \"30s\"", 30),
        ("from = \"20s\"\nuntil = \"50s\"", 30),
    ];
    for (fields, count) in places {
        let late: Vec<String> = (count..120).map(operation).collect();
        let is_late = |line: &str| late.iter().any(|late| late == line);
        let plan = recorded(fields);
        let due: Vec<&str> = recording(&plan).lines().filter(|line| !is_late(line)).collect();
        let mut tried = Vec::new();
        let shrunk = shrink(&plan, 300, |plan| {
            let lines: Vec<String> = recording(plan).lines().map(str::to_owned).collect();
            tried.extend(lines.iter().cloned());
            // No operation that is due may be removed.
            Some(lines == due && plan.scenario.duration == Duration::from_secs(60))
        });
        assert_eq!(recording(&shrunk.plan).lines().collect::<Vec<_>>(), due, "{fields}");
        assert!(!tried.iter().any(|line| is_late(line)), "{fields}");
    }
}

#[test]
fn shrinking_stops_at_its_limit_with_the_best_plan() {
    let plan = failing();
    let mut runs = 0;
    let shrunk = shrink(&plan, 5, |plan| {
        runs += 1;
        Some(has(plan, crashes))
    });
    assert_eq!((runs, shrunk.runs, shrunk.is_smallest), (5, 5, false));
    assert!(has(&shrunk.plan, crashes));
}

#[test]
fn shrinking_stops_without_answers_with_the_best_plan() {
    let mut best = failing();
    let mut asked = 0;
    let shrunk = shrink(&failing(), 1_000, |plan| {
        asked += 1;
        if asked > 7 {
            return None;
        }
        let fails = has(plan, crashes);
        if fails {
            best = plan.clone();
        }
        Some(fails)
    });
    assert_eq!((asked, shrunk.runs, shrunk.is_smallest), (8, 7, false));
    assert_eq!(shrunk.plan.timeline, best.timeline);
    assert_ne!(best.timeline, failing().timeline);
}

#[test]
fn no_plan_is_tried_twice() {
    let once = || {
        let mut tried = Vec::new();
        let shrunk = shrink(&failing(), 1_000, |plan| {
            tried.push(plan.to_toml());
            Some(has(plan, isolates))
        });
        (tried, shrunk)
    };
    let (tried, shrunk) = once();
    assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), tried.len());
    assert_eq!((tried, shrunk), once());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_tried_plan_is_valid_and_can_be_written(scenario in scenarios(), seed: u64, answers: u64) {
        let mut turn = 0;
        let mut wrong = None;
        let shrunk = shrink(&Plan::draw(&scenario, seed), 60, |plan| {
            let mut following = Following::new(&plan.scenario);
            for planned in &plan.timeline {
                if let Err(why) = following.follow(&planned.action) {
                    wrong = Some(format!("{}: {why}", planned.action));
                }
            }
            wrong = wrong.take().or(following.wrong().pop());
            turn += 1;
            Some((answers >> (turn % 64)) & 1 == 1)
        });
        prop_assert_eq!(wrong, None);
        let text = shrunk.plan.to_toml();
        let read = Scenario::parse(&text, Path::new("test.toml")).map_err(|error| format!("{error}\n{text}"));
        prop_assert_eq!(read.map(|read| Plan::draw(&read, seed).timeline), Ok(shrunk.plan.timeline));
    }
}
