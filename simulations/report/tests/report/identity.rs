//! The identity of a run: what a replay is compared with, and what its report shows.

use beringia_regions::Topology;
use beringia_report::{Run, RunDifference, RunIdentity, first_difference, summary, write};
use serde_json::{Value, json};

use crate::{
    sample::{sample, sample_plan},
    support::empty_run,
};

fn difference(change: impl FnOnce(&mut Value)) -> Option<RunDifference> {
    let run = sample(Topology::three());
    let mut report = serde_json::to_value(&run).unwrap();
    change(&mut report);
    first_difference(&report, &run)
}

fn place(change: impl FnOnce(&mut Value)) -> Option<String> {
    difference(change).map(|difference| difference.place)
}

#[test]
fn a_report_of_the_same_run_has_no_difference() {
    let is_same = |change: fn(&mut Value)| difference(change).is_none();
    assert!(is_same(|_| {}));
    assert!(is_same(
        |report| report["replay"] = json!("beringia sim run elsewhere.toml")
    ));
    assert!(is_same(|report| report["identity"]["version"] = json!("0.0.1")));
}

/// A fingerprint says the most, and a figure the least.
#[test]
fn the_difference_that_says_the_most_comes_first() {
    let all = |report: &mut Value| {
        report["identity"]["fingerprint"] = json!("another");
        report["identity"]["plan_fingerprint"] = json!("another");
        report["verdicts"][0]["holds"] = json!(null);
        report["load_ms"] = json!(1);
    };
    assert_eq!(place(all).as_deref(), Some("identity/plan_fingerprint"));
    let without_plan = |report: &mut Value| {
        let plan = report["identity"]["plan_fingerprint"].take();
        all(report);
        report["identity"]["plan_fingerprint"] = plan;
    };
    assert_eq!(place(without_plan).as_deref(), Some("identity/fingerprint"));
    assert_eq!(
        place(|report| report["verdicts"][0]["holds"] = json!(null)).as_deref(),
        Some("verdicts/0/holds")
    );
    assert_eq!(
        place(|report| report["pairs"][1]["mutations"] = json!(0)).as_deref(),
        Some("pairs/1/mutations")
    );
}

#[test]
fn missing_and_additional_values_are_differences() {
    let missing = difference(|report| drop(report["regions"].as_array_mut().unwrap().pop())).unwrap();
    assert_eq!((missing.place.as_str(), missing.reported), ("regions/2", None));
    assert_eq!(missing.replayed.as_deref(), Some("\"ap-northeast-1\""));
    let added = difference(|report| report["of_another_version"] = json!(7)).unwrap();
    assert_eq!(
        (added.place.as_str(), added.reported.as_deref()),
        ("of_another_version", Some("7"))
    );
    assert_eq!(added.replayed, None);
}

/// A drill has no fingerprint of the run, and its report does not claim one.
#[test]
fn reports_show_the_fingerprint_of_the_run_or_of_the_plan() {
    let mut run = empty_run();
    run.identity.fingerprint = Some("0123abcd".to_owned());
    let page = |run: &Run| {
        let directory = tempfile::tempdir().unwrap();
        std::fs::read_to_string(write(directory.path(), run).unwrap()).unwrap()
    };
    assert!(
        summary(&run).contains("  Fingerprint    0123abcd\n"),
        "{}",
        summary(&run)
    );
    assert!(page(&run).contains("Fingerprint of the run: <code>0123abcd</code>"));
    run.identity.fingerprint = None;
    let of_plan = run.identity.plan_fingerprint.clone();
    assert_eq!(of_plan.len(), 32);
    assert!(
        summary(&run).contains(&format!("  Plan           {of_plan}\n")),
        "{}",
        summary(&run)
    );
    assert!(page(&run).contains(&format!("Fingerprint of the plan: <code>{of_plan}</code>")));
}

#[test]
fn the_identity_has_what_a_replay_needs() {
    let plan = sample_plan(Topology::three());
    let identity = RunIdentity::of(&plan);
    assert_eq!(identity.scenario_toml, plan.scenario.to_toml());
    assert_eq!(identity.plan_fingerprint, plan.fingerprint());
    assert_eq!(
        (identity.fingerprint, identity.store),
        (None, None),
        "its player sets them"
    );
}
