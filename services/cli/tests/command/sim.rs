//! `sim`: scenarios in virtual time, as users run them.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::process::{assert_refused, beringia, run, stderr, stdout};

/// Two regions, eight seconds, one cut: the shortest scenario with a conflict.
pub(crate) const SHORT: &str = r#"
about = "A short day."
topology = "two"
duration = "8s"

[[workload]]
kind = "ycsb-a"
rate = 20
keys = 10

[[event]]
at = "2s..3s"
lasts = "2s"
cut = ["us-east-1", "eu-west-1"]
reset = true

[expect]
converged_within = "5s"
conflicts = { min = 1 }
"#;

pub(crate) fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// A recording without operations, and expectations that hold in a run where nothing happens.
#[test]
fn a_run_that_exercises_nothing_fails() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "empty.jsonl", "");
    let text = "duration = \"5s\"\n[[workload]]\nname = \"app\"\nkind = \"replay\"\nfile = \"empty.jsonl\"\n\
                [expect]\nconverged_within = \"5s\"\nrpo_writes_max = 0\n";
    let scenario = file(directory.path(), "empty.toml", text);
    let output = run(&["sim", "run", &scenario]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("FAILED"), "{}", stdout(&output));
    let failed = stderr(&output);
    assert!(
        failed.contains("operations were sent: none were due, so nothing was tested"),
        "{failed}"
    );
}

#[test]
fn a_passing_run_writes_its_report_and_its_trace() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "short.toml", SHORT);
    let out = directory.path().join("out");
    let trace = directory.path().join("trace.txt");
    let output = run(&[
        "sim",
        "run",
        &scenario,
        "--report",
        out.to_str().unwrap(),
        "--trace",
        trace.to_str().unwrap(),
    ]);
    let printed = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", stderr(&output));
    assert!(
        printed.starts_with("short  passed"),
        "the verdict comes first:\n{printed}"
    );
    assert!(
        printed.contains(&format!("report: {}", out.join("report.html").display())),
        "{printed}"
    );
    assert!(printed.ends_with(&format!("trace: {}\n", trace.display())), "{printed}");
    let report = json(&fs::read_to_string(out.join("report.json")).unwrap());
    assert_eq!(
        (&report["scenario"], &report["seed"]),
        (&Value::from("short"), &Value::from(1))
    );
    assert!(fs::read_to_string(trace).unwrap().contains("the load ended"));
}

#[test]
fn a_failing_run_names_value_and_repeating_command() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "short.toml", &SHORT.replace("min = 1", "max = 0"));
    let output = run(&["sim", "run", &scenario, "--seed", "5", "--set", "workload.rate=25"]);
    let printed = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.starts_with("short  FAILED"), "{printed}");
    assert!(stderr(&output).contains("conflicts"), "{}", stderr(&output));
    let replay = format!("beringia sim run {scenario} --set workload.rate=25 --seed 5");
    assert!(printed.contains(&replay), "expected `{replay}` in:\n{printed}");
}

#[test]
fn parallel_seeds_give_the_same_results_as_single_runs() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "short.toml", SHORT);
    let together = run(&[
        "sim", "run", &scenario, "--seeds", "3..6", "--jobs", "3", "--format", "json",
    ]);
    assert_eq!(together.status.code(), Some(0), "{}", stderr(&together));
    let together = stdout(&together);
    let lines: Vec<&str> = together.lines().collect();
    assert_eq!(lines.len(), 3);
    for (line, seed) in lines.iter().zip(["3", "4", "5"]) {
        let alone = run(&["sim", "run", &scenario, "--seed", seed, "--format", "json"]);
        assert_eq!(stdout(&alone).trim_end(), *line, "seed {seed}");
    }
    let faults = |line: &str| json(line)["faults"].clone();
    assert_ne!(faults(lines[0]), faults(lines[1]), "each seed draws times of its own");
}

/// Two profiles, one for the swarm of the file, the other by the option.
#[test]
fn seeds_of_a_profile_are_counted_by_feature() {
    let directory = tempfile::tempdir().unwrap();
    let text = "topology = \"three\"\nduration = \"5s\"\n[[workload]]\nkind = \"mixed\"\nrate = 5\n\
                [[event]]\nat = \"1s\"\nlasts = \"2s\"\nswarm = 1\nprofile = \"disks\"\n";
    let scenario = file(directory.path(), "short.toml", text);
    let counts = |profile: &[&str]| {
        let printed = stdout(&run(&[&["sim", "run", &scenario, "--seeds", "0..3"], profile].concat()));
        assert!(printed.starts_with("short: 3 of 3 seeds passed\n"), "{printed}");
        let line = printed.lines().nth(1).unwrap_or_default().to_owned();
        let (name, counts) = line.split_once(": ").unwrap_or_default();
        let counts = counts
            .split(", ")
            .map(|count| count.split_once(' ').unwrap_or_default());
        let counts: Vec<(u64, String)> = counts
            .map(|(count, feature)| (count.parse().unwrap(), feature.to_owned()))
            .collect();
        assert!(counts.iter().all(|(count, _)| *count <= 3), "{line}");
        let features = counts.into_iter().map(|(_, feature)| feature);
        (name.to_owned(), features.collect::<Vec<_>>().join(" "))
    };
    let disks = "links crashes bad-disks lost-disk restored-disk deletes policies streams";
    assert_eq!(counts(&[]), ("disks".to_owned(), disks.to_owned()));
    let clocks = "links clocks wrong-clocks expiry policies streams";
    assert_eq!(
        counts(&["--profile", "clocks"]),
        ("clocks".to_owned(), clocks.to_owned())
    );
}

#[test]
fn a_sweep_runs_the_grid_and_compares_the_runs() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "short.toml", SHORT);
    let out = directory.path().join("out");
    let output = run(&[
        "sim",
        "sweep",
        &scenario,
        "--vary",
        "link.delay_ms=5,320",
        "--vary",
        "workload.rate=20",
        "--report",
        out.to_str().unwrap(),
    ]);
    let printed = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", stderr(&output));
    assert!(
        printed.contains("link.delay_ms") && printed.contains("320"),
        "{printed}"
    );
    let csv = fs::read_to_string(out.join("sweep.csv")).unwrap();
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].starts_with("link.delay_ms,workload.rate,seed,holds"), "{csv}");
    assert!(
        rows[1].starts_with("5,20,1,true") && rows[2].starts_with("320,20,1,true"),
        "{csv}"
    );
    assert!(out.join("sweep.html").exists());
}

/// Runs a command, and interrupts it once it has printed something to standard error or, if
/// `answers`, to standard output; returns all that it printed there.
fn interrupted(words: &[&str], answers: bool) -> (Option<i32>, String) {
    let mut child = beringia()
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed: Box<dyn BufRead> = if answers {
        Box::new(BufReader::new(child.stdout.take().unwrap()))
    } else {
        Box::new(BufReader::new(child.stderr.take().unwrap()))
    };
    let mut text = String::new();
    printed.read_line(&mut text).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    printed.read_to_string(&mut text).unwrap();
    (child.wait().unwrap().code(), text)
}

#[test]
fn finished_runs_are_printed_and_written_at_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "short.toml", &SHORT.replace("min = 1", "max = 0"));
    let out = directory.path().join("out");
    let report = out.to_str().unwrap();
    let words = |command, more: &'static str, settings: &'static str| {
        [
            "sim",
            command,
            scenario.as_str(),
            more,
            settings,
            "--jobs",
            "1",
            "--report",
            report,
        ]
    };
    let (code, printed) = interrupted(
        &[&words("run", "--seeds", "0..100000")[..], &["--format", "json"]].concat(),
        true,
    );
    assert_eq!(code, Some(130), "{printed}");
    let seeds: Vec<u64> = printed
        .lines()
        .map(|line| json(line)["seed"].as_u64().unwrap())
        .collect();
    assert_eq!(seeds, (0..seeds.len() as u64).collect::<Vec<_>>());
    let compared = fs::read_to_string(out.join("sweep.csv")).unwrap();
    assert_eq!(compared.lines().count(), seeds.len() + 1, "{compared}");
    assert!(out.join("seed-0/report.html").exists());

    let rates = "workload.rate=20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40";
    let seeds = ["--seeds", "0..100000"];
    let (code, printed) = interrupted(&[&words("sweep", "--vary", rates)[..], &seeds].concat(), false);
    assert_eq!(code, Some(130), "{printed}");
    assert!(printed.contains("of 2100000 runs were played"), "{printed}");
    let compared = fs::read_to_string(out.join("sweep.csv")).unwrap();
    assert!(compared.lines().nth(1).unwrap().starts_with("20,0,false"), "{compared}");
}

/// A scenario whose seed 2 fails.
fn failing() -> String {
    let swarm = SHORT.replace("max", "min").replace(
        "[expect]\n",
        "[[event]]\nat = \"1s\"\nlasts = \"6s\"\nswarm = 5\n\n[expect]\navailability = { \"us-east-1\" = 99 }\n",
    );
    format!(
        "{}\n",
        swarm.replace("lasts = \"2s\"", "lasts = \"1s\"").replace(
            "[[event]]\nat = \"1s\"",
            "[[event]]\nat = \"500ms\"\nlasts = \"400ms\"\ncrash = \"us-east-1\"\n\n[[event]]\nat = \"1s\""
        )
    )
}

#[test]
fn shrinks_a_failing_seed_to_a_smaller_failing_file() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "failing.toml", &failing());
    let small = directory.path().join("small.toml");
    let words = [
        "sim",
        "shrink",
        &scenario,
        "--seed",
        "2",
        "--runs",
        "12",
        "--out",
        small.to_str().unwrap(),
    ];
    let output = run(&words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed = stderr(&output);
    assert!(
        printed.contains("✗ us-east-1 available") && printed.contains("tries"),
        "{printed}"
    );
    let text = fs::read_to_string(&small).unwrap();
    assert!(
        text.contains("seed = 2") && text.contains("crash = \"us-east-1\""),
        "{text}"
    );
    assert!(!text.contains("swarm"), "{text}");
    let again = run(&["sim", "run", small.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1), "{}", stdout(&again));
}

#[test]
fn a_shrunken_plan_may_fail_fewer_expectations() {
    let directory = tempfile::tempdir().unwrap();
    let two = "availability = { \"us-east-1\" = 99 }\nconflicts = { min = 100000 }";
    let crash = "[[event]]\nat = \"1s\"\nlasts = \"2s\"\ncrash = \"us-east-1\"\n\n[expect]";
    let text = SHORT.replace("conflicts = { min = 1 }", two).replace("[expect]", crash);
    let scenario = file(directory.path(), "two.toml", &text);
    let output = run(&["sim", "shrink", &scenario, "--runs", "1", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shrunk = json(&stdout(&output));
    let of = |field: &str| {
        let failed = shrunk[field].as_array().unwrap().iter();
        failed
            .map(|failed| failed.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (failed, fails) = (of("failed"), of("fails"));
    assert_eq!(failed.len(), 2, "{failed:?}");
    let [conflicts] = fails.as_slice() else {
        panic!("{fails:?}")
    };
    assert!(
        conflicts.contains("onflicts") && failed.contains(conflicts),
        "{fails:?} of {failed:?}"
    );
    assert_eq!(shrunk["actions"], 0);
    let printed = stderr(&output);
    let note = json(printed.lines().last().unwrap())["note"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        note.ends_with(&format!("the smaller plan fails:\n✗ {conflicts}")),
        "{printed}"
    );
}

#[test]
fn shrinks_a_recording_to_few_operations() {
    let directory = tempfile::tempdir().unwrap();
    let put = |at_ms: u64, region: &str, id: &str| {
        let parameters = format!(r#"{{"TableName": "t-1", "Item": {{"id": {{"S": "{id}"}}}}}}"#);
        format!(r#"{{"at_ms": {at_ms}, "region": "{region}", "operation": "PutItem", "parameters": {parameters}}}"#)
            + "\n"
    };
    // The only conflict.
    let both = put(650, "us-east-1", "same") + &put(650, "eu-west-1", "same");
    let table = r#"{"table": {"TableName": "t-1", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}}"#
        .replace('\n', "");
    let others: String = (0..30)
        .map(|place| put(place * 100, "us-east-1", &place.to_string()))
        .collect();
    file(directory.path(), "day.jsonl", &format!("{table}\n{both}{others}"));
    let text = "topology = \"two\"\nduration = \"2s\"\n[[workload]]\nkind = \"replay\"\nfile = \"day.jsonl\"\n[expect]\nconflicts = { max = 0 }\n";
    let scenario = file(directory.path(), "day.toml", text);
    let output = run(&["sim", "shrink", &scenario, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shrunk = json(&stdout(&output));
    assert_eq!(
        (&shrunk["recorded_operations"], &shrunk["is_smallest"]),
        (&2.into(), &true.into()),
        "{shrunk}"
    );
    let toml = shrunk["toml"].as_str().unwrap();
    assert!(toml.contains(&format!("{table}\n{both}")), "{toml}");
    let printed = stderr(&output);
    assert!(
        printed.contains("2 s, 32 recorded operations to ") && printed.contains("1 s, 2 recorded operations in "),
        "{printed}"
    );
    let small = file(directory.path(), "small.toml", toml);
    assert_eq!(run(&["sim", "run", &small]).status.code(), Some(1));
}

#[test]
fn writes_the_shrunken_plan_at_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "failing.toml", &failing());
    let small = directory.path().join("small.toml");
    let out = small.to_str().unwrap();
    // It prints first what fails.
    let words = [
        "sim", "shrink", &scenario, "--seed", "2", "--runs", "100000", "--out", out,
    ];
    let (code, printed) = interrupted(&words, false);
    assert_eq!(code, Some(130), "{printed}");
    assert!(
        printed.starts_with("✗ us-east-1 available") && printed.contains("interrupted") && printed.contains("again: "),
        "{printed}"
    );
    assert!(fs::read_to_string(&small).unwrap().contains("seed = 2"));
    let again = run(&["sim", "run", out]);
    assert_eq!(again.status.code(), Some(1), "{}", stdout(&again));
}

#[test]
fn refuses_to_shrink_a_passing_seed() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), "short.toml", SHORT);
    let output = run(&["sim", "shrink", &scenario]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nothing to shrink"), "{}", stderr(&output));
}

#[test]
fn lists_and_shows_scenarios() {
    let list = stdout(&run(&["sim", "list"]));
    assert_eq!(list.lines().count(), 24, "a head and 23 scenarios:\n{list}");
    for line in stdout(&run(&["sim", "list", "--format", "json"])).lines() {
        let name = json(line)["name"].as_str().unwrap().to_owned();
        assert!(list.contains(&name) && !json(line)["about"].as_str().unwrap().is_empty());
    }
    let shown = stdout(&run(&["sim", "show", "partition"]));
    assert!(shown.contains("isolate = \"eu-west-1\""), "{shown}");
    let set = stdout(&run(&["sim", "show", "partition", "--set", "duration=90s"]));
    assert!(set.contains("duration = \"90s\""), "{set}");

    let directory = tempfile::tempdir().unwrap();
    let plan = stdout(&run(&["sim", "show", "swarm", "--seed", "17"]));
    assert!(plan.contains("seed = 17") && !plan.contains("swarm = "), "{plan}");
    let copied = file(directory.path(), "swarm.toml", &plan);
    assert_eq!(
        stdout(&run(&["sim", "show", &copied, "--seed", "17"])),
        plan,
        "a plan is a scenario"
    );
}

#[test]
fn refuses_wrong_input_before_anything_runs() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(
        directory.path(),
        "wrong.toml",
        "duration = \"1m\"\n[[event]]\nat = \"2m\"\ncrash = \"eu-west-1\"\n",
    );
    assert_refused(
        &run(&["sim", "run", &scenario]),
        &["wrong.toml:2:1: this happens as late as 2m"],
    );
    assert_refused(
        &run(&["sim", "run", "partitoin"]),
        &["no scenario is called \"partitoin\"", "partition"],
    );
    assert_refused(&run(&["sim", "run", "/nowhere.toml"]), &["cannot read /nowhere.toml"]);
    let day = |report: &str| run(&["sim", "run", "steady", "--set", "duration=24h", "--report", report]);
    assert_refused(
        &day(&scenario),
        &["cannot write", "wrong.toml", "another directory with --report"],
    );
    assert_refused(
        &run(&["sim", "run", "partition", "--seeds", "5..5"]),
        &["such as 0..100"],
    );
    assert_refused(
        &run(&["sim", "run", "partition", "--seed", "1", "--seeds", "1..2"]),
        &["cannot be used with"],
    );
    assert_refused(
        &run(&["sim", "run", "partition", "--set", "policy=last"]),
        &["expected one of item, attribute, merge"],
    );
    assert_refused(
        &run(&["sim", "sweep", "partition", "--vary", "nothing=1"]),
        &["expected one of policy, duration"],
    );
    assert_refused(&run(&["sim", "sweep", "partition"]), &["--vary"]);
    let profile = |scenario: &str, name: &str| run(&["sim", "run", scenario, "--profile", name]);
    assert_refused(
        &profile("swarm", "discs"),
        &["invalid value 'discs'", "basic, disks, tables, clocks, everything"],
    );
    assert_refused(
        &profile("partition", "disks"),
        &["partition has no swarm, so it has no profile", "choose swarm"],
    );
    assert_refused(
        &run(&["sim", "run", "partition", "--trace", "/nowhere/trace"]),
        &["cannot write /nowhere/trace"],
    );
}

#[test]
fn names_a_wrong_line_of_a_recording_before_playing() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "day.jsonl", "\n{\"at_ms\": 5, \"region\": us}\n");
    let text = "[[workload]]\nkind = \"replay\"\nfile = \"day.jsonl\"\n";
    let scenario = file(directory.path(), "day.toml", text);
    let wrong = "day.jsonl:2:24: not JSON: expected value; expected one object per line";
    for words in [
        &["sim", "run", &scenario][..],
        &["sim", "run", &scenario, "--seeds", "0..3"],
        &["sim", "sweep", &scenario, "--vary", "policy=item,merge"],
        &["sim", "shrink", &scenario],
        &["drill", "run", &scenario],
    ] {
        assert_refused(&run(words), &[wrong]);
    }
}

#[test]
fn logs_of_simulated_regions_are_off_by_default() {
    let directory = tempfile::tempdir().unwrap();
    let text = SHORT
        .replace(
            "cut = [\"us-east-1\", \"eu-west-1\"]\nreset = true",
            "disk_full = \"eu-west-1\"",
        )
        .replace("min = 1", "min = 0");
    let scenario = file(directory.path(), "full.toml", &text);
    let quiet = run(&["sim", "run", &scenario]);
    assert_eq!(
        (quiet.status.code(), stderr(&quiet).as_str()),
        (Some(0), ""),
        "{}",
        stdout(&quiet)
    );
    let asked = run(&["sim", "run", &scenario, "--log", "error"]);
    assert!(stderr(&asked).contains("disk is full"), "{}", stderr(&asked));
}
