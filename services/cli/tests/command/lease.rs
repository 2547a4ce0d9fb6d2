//! Regions undo the faults of a drill that no longer renews its lease.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    dynamodb::{call, converge, get, put, up_with_table},
    process::{Server, beringia, regions_apart, run, stderr, stdout},
};

/// Starts a drill of this scenario against running regions.
fn drill(directory: &Path, text: &str, control: &str, lease: &str) -> Child {
    let file = directory.join("faults.toml");
    fs::write(&file, text).unwrap();
    let words = ["drill", "run", file.to_str().unwrap(), "--attach", "--with-load"];
    let mut command = beringia();
    command.args(words).args(["--control", control, "--lease", lease]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// The `status` of the regions once it is as wanted.
pub(crate) fn status_when(control: &str, wanted: &str, is: impl Fn(&Value) -> bool) -> Value {
    // Each look starts a process, so this ends after some minutes at the latest.
    let mut last = Value::Null;
    for _ in 0..5_000 {
        let output = run(&["status", "--format", "json", "--control", control]);
        last = serde_json::from_str(&stdout(&output)).unwrap();
        if is(&last) {
            return last;
        }
    }
    panic!("never {wanted}: {last}");
}

fn leases_are(state: &'static str) -> impl Fn(&Value) -> bool {
    move |status| {
        let mut leases = status["leases"].as_array().unwrap().iter();
        leases.any(|lease| lease["state"] == state) && leases.all(|lease| lease["state"] == state)
    }
}

fn state(status: &Value, region: &str) -> Value {
    let regions = status["regions"].as_array().unwrap();
    regions.iter().find(|one| one["name"] == region).unwrap()["state"].clone()
}

/// One region is cut off, one is down, and another has a slow link, a slow disk, a wrong clock and
/// a pause when the drill is killed. What was so before the drill stays.
#[test]
fn regions_undo_the_faults_of_a_killed_drill() {
    let up = up_with_table(&["--shift-policy", "dns=0"]);
    let _ = up.json(&["net", "delay", "us-east-1", "eu-west-1", "7"]);
    let _ = up.json(&["net", "pause", "--table", "Things", "--region", "eu-west-1"]);
    let before = up.json(&["net", "show"]);
    let text = "topology = \"three\"\nduration = \"200s\"\n[[workload]]\nrate = 10\n\
        [[event]]\nat = \"100ms\"\nisolate = \"eu-west-1\"\n\
        [[event]]\nat = \"100ms\"\ndelay = [\"us-east-1\", \"ap-northeast-1\"]\nto = \"400ms\"\n\
        [[event]]\nat = \"100ms\"\npause_replication = \"us-east-1\"\n\
        [[event]]\nat = \"100ms\"\nslow_disk = \"us-east-1\"\nby = \"700ms\"\n\
        [[event]]\nat = \"100ms\"\nclock_step = \"us-east-1\"\nby = \"-200ms\"\n\
        [[event]]\nat = \"100ms\"\nshift = \"eu-west-1\"\nto = \"us-east-1\"\n\
        [[event]]\nat = \"200ms\"\nlasts = \"190s\"\ncrash = \"ap-northeast-1\"\n";
    let directory = tempfile::tempdir().unwrap();
    let mut drill = drill(directory.path(), text, up.control(), "2");
    let status = status_when(up.control(), "down", |status| state(status, "ap-northeast-1") == "down");
    let moved = &status["reroutes"][0];
    assert_eq!(
        (&moved["region"], &moved["served_by"], &moved["policy"]),
        (&json!("eu-west-1"), &json!("us-east-1"), &json!("dns=0s"))
    );
    signal(&drill, Signal::KILL);
    drill.wait().unwrap();
    let status = status_when(up.control(), "undone", leases_are("undone"));
    assert_eq!(state(&status, "ap-northeast-1"), "running");
    assert_eq!(up.json(&["net", "show"]), before);
    assert_eq!(status["reroutes"], json!([]));
    let lease = &status["leases"][0];
    assert_eq!(
        (&lease["holder"], &lease["problems"]),
        (&json!("drill of faults"), &json!([]))
    );
    let undone = lease["changes"].to_string();
    for change in [
        "link eu-west-1 -> us-east-1",
        "ap-northeast-1 was down",
        "disk of us-east-1",
        "clock of us-east-1",
        "in us-east-1",
        "move of the clients of eu-west-1",
    ] {
        assert!(undone.contains(change), "{change} in {undone}");
    }
    let text = stdout(&up.command(&["status"]));
    assert!(text.contains("LEASE OF") && text.contains("drill of faults"), "{text}");
    put(up.endpoint(), "us-east-1", "after", "1");
    let _ = up.json(&["net", "resume"]);
    converge(&up);
    assert_eq!(get(up.endpoint(), "eu-west-1", "after").as_deref(), Some("1"));
    assert_eq!(get(up.endpoint(), "ap-northeast-1", "after").as_deref(), Some("1"));
}

#[test]
fn a_region_apart_undoes_pauses_and_drains() {
    let regions = regions_apart(&["us-east-1", "eu-west-1", "ap-northeast-1"]);
    let controls: Vec<&str> = regions.iter().map(Server::control).collect();
    let text = "topology = \"three\"\nduration = \"200s\"\n[[workload]]\nrate = 10\n\
        [[event]]\nat = \"100ms\"\npause_replication = \"us-east-1\"\n\
        [[event]]\nat = \"200ms\"\ndrain = \"eu-west-1\"\n";
    let directory = tempfile::tempdir().unwrap();
    let controls = controls.join(",");
    let mut drill = drill(directory.path(), text, &controls, "2");
    let draining = |status: &Value| {
        let mut regions = status["regions"].as_array().unwrap().iter();
        regions.any(|region| region["draining"] == true)
    };
    let status = status_when(&controls, "drained", draining);
    assert_ne!(status["paused"], json!([]));
    signal(&drill, Signal::KILL);
    drill.wait().unwrap();
    // The third region had nothing to undo.
    let is_undone = |status: &Value| leases_are("undone")(status) && status["leases"].as_array().unwrap().len() == 2;
    let status = status_when(&controls, "undone", is_undone);
    assert!(!draining(&status) && status["paused"] == json!([]), "{status}");
}

/// It finds the regions repaired, changes nothing more, and deletes its tables.
#[test]
fn a_drill_suspended_for_too_long_fails() {
    let up = Server::up(&[]);
    let text = "topology = \"three\"\nduration = \"200s\"\n[[workload]]\nrate = 10\n\
        [[event]]\nat = \"100ms\"\nisolate = \"eu-west-1\"\n";
    let directory = tempfile::tempdir().unwrap();
    let drill = drill(directory.path(), text, up.control(), "1");
    let is_cut = |status: &Value| {
        status["pairs"]
            .as_array()
            .unwrap()
            .iter()
            .any(|pair| pair["link"] == "cut")
    };
    status_when(up.control(), "cut", is_cut);
    signal(&drill, Signal::STOP);
    let status = status_when(up.control(), "undone", leases_are("undone"));
    assert!(!is_cut(&status), "{status}");
    signal(&drill, Signal::CONT);
    let output = drill.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let printed = stderr(&output);
    assert!(printed.contains("was not renewed in time"), "{printed}");
    assert!(!printed.contains("could not undo"), "{printed}");
    let tables = call(up.endpoint(), "us-east-1", "ListTables", &json!({})).1;
    assert_eq!(tables["TableNames"], json!([]));
}

/// One drill at a time decides where the clients of a region go.
#[test]
fn a_second_drill_that_moves_clients_is_refused() {
    let up = Server::up(&[]);
    let text = "topology = \"three\"\nduration = \"200s\"\n[[workload]]\nrate = 10\n\
        [[event]]\nat = \"100ms\"\nshift = \"eu-west-1\"\nto = \"us-east-1\"\n";
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut going = drill(first.path(), text, up.control(), "30");
    let is_moved = |status: &Value| status["reroutes"] != json!([]);
    status_when(up.control(), "moved", is_moved);
    let shown = stdout(&up.command(&["status"]));
    assert!(shown.contains("MOVED TO") && shown.contains("dns=5s"), "{shown}");
    let refused = drill(second.path(), text, up.control(), "30")
        .wait_with_output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let printed = stderr(&refused);
    assert!(
        printed.contains("the clients of eu-west-1 are moved already"),
        "{printed}"
    );
    signal(&going, Signal::INT);
    going.wait().unwrap();
    let status = &up.json(&["status"])[0];
    assert!(!is_moved(status), "{status}");
}
