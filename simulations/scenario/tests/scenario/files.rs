//! The meaning of scenario files.

use std::{fs, path::Path, time::Duration};

use beringia_regions::{Topology, form::FileError};
use beringia_scenario::{
    Action, Availability, ClockDeviation, Count, Ends, KeyChoice, Objective, Policy, Scenario, ScenarioError, Span,
    SwarmProfile, TimelineEvent, What, When, WorkloadKind,
};

use crate::support::{parse, refused};

fn seconds(seconds: u64) -> Span {
    let length = Duration::from_secs(seconds);
    Span {
        least: length,
        most: length,
    }
}

const EVERYTHING: &str = r#"
about = "Ireland is cut off."
seed = 7
topology = "three"
duration = "2m"
policy = "merge"
replicas = ["eu-west-1", "us-east-1"]

[[link]]
between = ["us-east-1", "eu-west-1"]
bandwidth_mbit = 20

[clocks.eu-west-1]
offset = "-80ms"
drift_ppm = 50

[[workload]]
kind = "sessions"
name = "logins"
regions = ["eu-west-1"]
rate = 12.5
clients = 4
keys = 300
choice = "latest"
theta = 0.8
value_bytes = 64
from = "10s"
until = "90s"
ttl = "20s"

[[event]]
at = "30s..45s"
lasts = "20s"
isolate = "eu-west-1"

[[event]]
after = "5s"
cut = ["us-east-1", "ap-northeast-1"]
one_way = true
reset = true

[[event]]
at = "1m"
lasts = "30s"
swarm = 9

[expect]
converged_within = "10s"
drained_within = "2s"
conflicts = { min = 1 }
availability = { "*" = 99.9, eu-west-1 = 50 }
anomalies = { lost-update = { max = 3 } }
slo = { success = 99.9, p99_ms = 200 }
"#;

/// The file has regions, load, faults and expectations.
#[test]
fn reads_a_file_with_all_sections() {
    let scenario = parse(EVERYTHING);
    assert_eq!((scenario.name.as_str(), scenario.seed), ("test", Some(7)));
    assert_eq!(scenario.about, "Ireland is cut off.");
    assert_eq!(scenario.duration, Duration::from_secs(120));
    assert_eq!(scenario.policy, Policy::Merge);
    assert_eq!(
        scenario.replicas,
        ["us-east-1", "eu-west-1"],
        "in the order of the topology"
    );
    let link = |from, to| scenario.topology.link(from, to).expect("it is there").bandwidth_mbit;
    assert_eq!(link("eu-west-1", "us-east-1"), Some(20.0));
    assert_eq!(link("eu-west-1", "ap-northeast-1"), None);
    let clock = ClockDeviation {
        offset_ms: -80,
        drift_ppm: 50,
    };
    assert_eq!(
        scenario.clocks.into_iter().collect::<Vec<_>>(),
        [("eu-west-1".to_owned(), clock)]
    );

    let [workload] = scenario.workloads.as_slice() else {
        panic!("one workload")
    };
    assert_eq!(
        (workload.name.as_str(), workload.rate, workload.clients),
        ("logins", 12.5, 4)
    );
    let ttl = Duration::from_secs(20);
    assert_eq!(
        (&workload.kind, workload.choice),
        (&WorkloadKind::Sessions { ttl }, KeyChoice::Latest { theta: 0.8 })
    );
    assert_eq!((workload.keys, workload.value_bytes), (300, 64));
    assert_eq!(
        (workload.from, workload.until),
        (Duration::from_secs(10), Some(Duration::from_secs(90)))
    );
    assert_eq!(workload.regions, ["eu-west-1"]);

    let isolate = Action::Isolate {
        region: "eu-west-1".to_owned(),
        reset: false,
    };
    let cut = Action::Cut {
        ends: Ends {
            from: "us-east-1".to_owned(),
            to: "ap-northeast-1".to_owned(),
            one_way: true,
        },
        reset: true,
    };
    let random = Span {
        least: Duration::from_secs(30),
        most: Duration::from_secs(45),
    };
    let event = |at, lasts, what| TimelineEvent { at, lasts, what };
    let swarm = What::Swarm {
        faults: 9,
        lose_disk: false,
        profile: SwarmProfile::Basic,
    };
    assert_eq!(
        scenario.events,
        [
            event(When::After(random), Some(seconds(20)), What::Do(isolate)),
            event(When::AfterPrevious(seconds(5)), None, What::Do(cut)),
            event(When::After(seconds(60)), Some(seconds(30)), swarm),
        ]
    );

    let expect = scenario.expect;
    assert_eq!(expect.converged_within, Some(Duration::from_secs(10)));
    assert_eq!(expect.drained_within, Some(Duration::from_secs(2)));
    assert_eq!(expect.conflicts, Some(Count { min: 1, max: None }));
    let percent = |percent_min| Availability { percent_min };
    assert_eq!(expect.availability["*"], percent(99.9));
    assert_eq!(expect.availability["eu-west-1"], percent(50.0));
    assert_eq!(expect.anomalies["lost-update"], Count { min: 0, max: Some(3) });
    assert_eq!(expect.rto_max, None);
}

#[test]
fn an_objective_has_defaults_and_bounds() {
    let expected = |slo: &str| parse(&format!("[expect]\nslo = {slo}")).expect.objective;
    assert_eq!(expected("{}"), Objective::default());
    let all = Objective {
        success_percent_min: 99.9,
        latency_max: Duration::from_millis(200),
        window: Duration::from_secs(10),
    };
    assert_eq!(expected("{ success = 99.9, p99_ms = 200, window = \"10s\" }"), all);
    let of_everything = parse(EVERYTHING).expect.objective;
    let window = Objective::default().window;
    assert_eq!(of_everything, Objective { window, ..all });
    for (wrong, field) in [
        ("{ success = 100.5 }", "success"),
        ("{ p99_ms = 0.5 }", "p99_ms"),
        ("{ window = \"10ms\" }", "window"),
    ] {
        let error = refused(&format!("[expect]\nslo = {wrong}")).2.to_string();
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn default_scenario_is_a_minute_of_ycsb_a_in_three_regions() {
    let scenario = parse("about = \"\"");
    assert_eq!(scenario.topology, Topology::three());
    assert_eq!(scenario.duration, Duration::from_secs(60));
    assert_eq!(scenario.replicas, ["us-east-1", "eu-west-1", "ap-northeast-1"]);
    let [workload] = scenario.workloads.as_slice() else {
        panic!("one workload")
    };
    assert_eq!(
        (workload.name.as_str(), &workload.kind),
        ("ycsb-a", &WorkloadKind::YcsbA)
    );
    assert_eq!(workload.choice, KeyChoice::Zipfian { theta: 0.99 });
    assert_eq!(scenario.regions_of(workload), scenario.replicas);
    assert!(scenario.events.is_empty());
}

#[test]
fn a_topology_is_a_name_or_a_file_or_written_in_the_scenario() {
    assert_eq!(parse("topology = \"ten\"").topology, Topology::ten());
    let written = parse(
        "[topology]\ndefaults = { delay_ms = 5 }\n[[topology.region]]\nname = \"a\"\n[[topology.region]]\nname = \"b\"\n",
    );
    assert_eq!(written.topology.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(written.topology.link("a", "b").map(|link| link.delay_ms), Some(5.0));

    let directory = tempfile::tempdir().expect("a directory");
    fs::write(
        directory.path().join("pair.toml"),
        "[defaults]\ndelay_ms = 9\n[[region]]\nname = \"a\"\n[[region]]\nname = \"c\"\n",
    )
    .expect("a file");
    let file = directory.path().join("scenario.toml");
    fs::write(&file, "topology = \"pair.toml\"").expect("a file");
    let beside = Scenario::load(&file).expect("a scenario");
    assert_eq!(beside.topology.names().collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn reads_a_recording_beside_the_scenario() {
    let directory = tempfile::tempdir().expect("a directory");
    let operations = "{\"at_ms\": 5, \"region\": \"r\", \"operation\": \"GetItem\", \"parameters\": {}}\n".to_owned();
    fs::write(directory.path().join("monday.jsonl"), &operations).expect("a file");
    let text = "[[workload]]\nkind = \"replay\"\nfile = \"monday.jsonl\"";
    let file = directory.path().join("scenario.toml");
    let scenario = Scenario::parse(text, &file).expect("a scenario");
    assert_eq!(scenario.workloads[0].kind, WorkloadKind::Replay { operations });

    match Scenario::parse(&text.replace("monday", "tuesday"), &file) {
        Err(error @ ScenarioError::File(FileError::Invalid { line: 3, column: 8, .. })) => {
            let missing = directory.path().join("tuesday.jsonl");
            assert!(
                error
                    .to_string()
                    .contains(&format!("cannot read {}: ", missing.display())),
                "{error}"
            );
        }
        other => panic!("expected that the recording is missing, got {other:?}"),
    }
}

/// The place is in the recording's file, or in the scenario if the recording is written there.
#[test]
fn errors_in_recordings_name_the_place_of_the_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let beside = directory.path().join("monday.jsonl");
    fs::write(&beside, "\n{\"at_ms\": 5,}\n").expect("a file");
    let text = "[[workload]]\nkind = \"replay\"\nfile = \"monday.jsonl\"";
    let error = Scenario::parse(text, &directory.path().join("scenario.toml")).expect_err("a broken line");
    assert_eq!(
        error.to_string(),
        format!(
            "{}:2:13: not JSON: trailing comma; expected one object per line",
            beside.display()
        )
    );

    let text = "[[workload]]\nkind = \"replay\"\noperations = \"\"\"\n\n{\"at_ms\": 5,}\"\"\"";
    let (line, column, problem) = refused(text);
    assert_eq!((line, column), (3, 14));
    assert_eq!(
        problem.to_string(),
        "line 2 of the recording, column 13: not JSON: trailing comma; expected one object per line"
    );
}

/// The error also has the place in the file.
#[test]
fn unknown_topologies_are_named_with_the_built_in_ones() {
    let error = Scenario::parse("about = \"\"\ntopology = \"four\"", Path::new("/nowhere/mine.toml"));
    let message = error.expect_err("it is not there").to_string();
    assert!(
        message.starts_with("/nowhere/mine.toml:2:12: cannot read /nowhere/four: "),
        "{message}"
    );
    assert!(
        message.contains("expected one of two, three, ten, or the path of a file"),
        "{message}"
    );
}

#[test]
fn an_empty_file_is_refused() {
    for text in ["", "\n  \n", "# later\n", "\u{feff}\n"] {
        let error = Scenario::parse(text, Path::new("empty.toml")).expect_err("it is empty");
        assert!(
            error
                .to_string()
                .starts_with("empty.toml:1:1: an empty scenario; expected"),
            "{error}"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Scenario::load(Path::new("/nowhere/partition.toml")).expect_err("it is not there");
    assert!(
        error.to_string().starts_with("cannot read /nowhere/partition.toml: "),
        "{error}"
    );
}
