//! Drills whose hook takes a region away.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use crate::process::{Server, regions_apart, run, stderr, stdout};

/// The region reports for a second. Then its process is stopped, and its connections stay open for
/// another second: it could do anything in that time.
#[test]
fn a_region_that_a_hook_silences_leaves_the_rpo_unknown() {
    let lost = "ap-northeast-1";
    let regions = regions_apart(&["us-east-1", "eu-west-1", lost]);
    let directory = tempfile::tempdir().unwrap();
    let (file, hook) = (directory.path().join("scenario.toml"), directory.path().join("hook.sh"));
    let text = "topology = \"three\"\nduration = \"7s\"\n\
        [[event]]\nat = \"2s\"\nlasts = \"2s\"\ncrash = \"ap-northeast-1\"\nlose_disk = true\n\
        [expect]\nrpo_max = \"1h\"\n";
    fs::write(&file, text).unwrap();
    let process = regions[2].process();
    let script = format!(
        "#!/bin/sh\ncase $1 in\ncrash) sleep 1; kill -STOP {process}; sleep 1 ;;\nrestart) kill -CONT {process} ;;\nesac\n"
    );
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let controls = regions.iter().map(Server::control).collect::<Vec<_>>().join(",");
    let file = file.to_str().unwrap();
    let drill = ["drill", "run", file, "--attach", "--allow-data-loss", "--hook"];
    let words = [hook.to_str().unwrap(), "--format", "json", "--control", &controls];
    let output = run(&[&drill[..], &words].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let run: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let loss = &run["disk_losses"][0];
    assert_eq!(
        (&loss["region"], &loss["reported_backlog"]),
        (&json!(lost), &Value::Null)
    );
    let mut verdicts = run["verdicts"].as_array().unwrap().iter();
    let rpo = verdicts.find(|one| one["expected"].as_str().unwrap().starts_with("RPO at most"));
    let rpo = rpo.unwrap_or_else(|| panic!("no RPO: {}", run["verdicts"]));
    assert_eq!(rpo["holds"], false, "{rpo}");
    assert!(rpo["measured"].as_str().unwrap().starts_with("unknown"), "{rpo}");
    let notes = run["notes"].to_string();
    assert!(notes.contains("ms before it was dead"), "{notes}");
}
