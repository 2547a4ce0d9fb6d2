//! `sim run --check`: a report is proved by playing its run again.

use std::fs;

use serde_json::Value;

use crate::{
    process::{assert_refused, run, stderr, stdout},
    sim::{SHORT, file, json},
};

/// Settings and the storage backend are in the report, and the scenario's file is not needed.
#[test]
fn a_report_is_checked_by_playing_its_run_again() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "short.toml", SHORT);
    let out = directory.path().join("out");
    let played = run(&[
        "sim",
        "run",
        &scenario,
        "--set",
        "workload.rate=31",
        "--seed",
        "9",
        "--store",
        "memory",
        "--report",
        out.to_str().unwrap(),
    ]);
    assert_eq!(played.status.code(), Some(0), "{}", stderr(&played));
    fs::remove_file(scenario).unwrap();
    let report = fs::read_to_string(out.join("report.json")).unwrap();
    let fingerprint = json(&report)["identity"]["fingerprint"].as_str().unwrap().to_owned();
    let check = |text: &str, more: &[&str]| {
        let checked = file(directory.path(), "checked.json", text);
        run(&[&["sim", "run", "--check", checked.as_str()], more].concat())
    };
    let same = check(&report, &[]);
    assert_eq!(
        stdout(&same),
        format!("same run: fingerprint {fingerprint}\n"),
        "{}",
        stderr(&same)
    );
    assert_eq!(same.status.code(), Some(0));

    let mut changed = json(&report);
    changed["seed"] = Value::from(10);
    let other = check(&changed.to_string(), &["--format", "json"]);
    assert_eq!(other.status.code(), Some(1));
    let printed = json(&stdout(&other));
    assert_eq!(
        (&printed["same"], &printed["difference"]["place"]),
        (&Value::from(false), &Value::from("identity/plan_fingerprint"))
    );

    let mut changed = json(&report);
    changed["verdicts"][0]["measured"] = Value::from("none");
    changed["identity"]["version"] = Value::from("0.0.9");
    let other = check(&changed.to_string(), &[]);
    assert_eq!(other.status.code(), Some(1));
    let said = stderr(&other);
    assert!(
        said.contains("not the same run: verdicts/0/measured is \"none\" in the report"),
        "{said}"
    );
    assert!(said.contains("the report is of Beringia 0.0.9"), "{said}");
}

#[test]
fn refuses_reports_that_cannot_be_played_again() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |text: &str, says: &[&str]| {
        let report = file(directory.path(), "report.json", text);
        assert_refused(&run(&["sim", "run", "--check", &report]), says);
    };
    refused("no JSON", &["report.json is not the JSON report of a simulated run"]);
    refused(
        r#"{"scenario": "x", "player": "sim", "seed": 1}"#,
        &["missing field `identity`"],
    );
    let identity = r#""identity": {"fingerprint": null, "plan_fingerprint": "", "version": "0.1.0", "store": null, "scenario_toml": ""}"#;
    let with = |player: &str| format!(r#"{{"scenario": "x", "player": "{player}", "seed": 1, {identity}}}"#);
    refused(&with("drill"), &["this is the report of a drill"]);
    refused(&with("sim"), &["identity.store"]);
    assert_refused(
        &run(&["sim", "run", "--check", "no/such.json"]),
        &["cannot read no/such.json"],
    );
    assert_refused(
        &run(&["sim", "run", "steady", "--check", "x.json"]),
        &["cannot be used with"],
    );
}
