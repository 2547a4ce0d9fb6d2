//! Recording what clients of a running `up` do, and playing it again in virtual time.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::{
    dynamodb::{ask, converge, put, up_with_table},
    process::{Server, assert_refused, beringia, run, stderr, stdout},
};

const US: &str = "us-east-1";
const EU: &str = "eu-west-1";

/// Writes in two regions, cuts links and pauses replication until the recording ends.
fn write_during(recording: &mut Child, up: &Server) {
    let mut number = 0;
    while recording.try_wait().unwrap().is_none() {
        number += 1;
        put(up.endpoint(), US, &format!("k{number}"), "v");
        let _ = up.json(&["net", "cut", US, EU]);
        let update = json!({
            "TableName": "Things",
            "Key": {"pk": {"S": "counter"}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        });
        ask(up.endpoint(), EU, "UpdateItem", &update);
        let statement = json!({
            "Statement": "UPDATE Things SET v = ? WHERE pk = 'before' RETURNING ALL NEW *",
            "Parameters": [{"S": number.to_string()}],
        });
        ask(up.endpoint(), US, "ExecuteStatement", &statement);
        let _ = up.json(&["net", "heal", US, EU]);
        let _ = up.json(&["net", "pause", "--table", "Things", "--region", EU]);
        let _ = up.json(&["net", "resume", "--table", "Things", "--region", EU]);
    }
}

#[test]
fn a_simulation_plays_the_recording_of_a_live_run() {
    let up = up_with_table(&[]);
    let tag = json!({
        "ResourceArn": format!("arn:aws:dynamodb:{US}:000000000000:table/Things"),
        "Tags": [{"Key": "beringia:conflict-policy", "Value": "merge"}],
    });
    ask(up.endpoint(), US, "TagResource", &tag);
    put(up.endpoint(), US, "before", "1");
    converge(&up);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("live.toml");
    let mut recording = beringia()
        .args([
            "record",
            "--format",
            "json",
            "--duration",
            "3",
            "--control",
            up.control(),
            "--out",
        ])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    write_during(&mut recording, &up);
    let output = recording.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let printed: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (&printed["tables"], &printed["missed"]),
        (&json!(["Things"]), &json!(0))
    );
    assert!(printed["operations"].as_u64().unwrap() >= 2, "{printed}");
    assert!(printed["events"].as_u64().unwrap() >= 2, "{printed}");
    let beside = directory.path().join("live.jsonl");
    let contains = |file: &Path, parts: &[&str]| {
        let text = fs::read_to_string(file).unwrap();
        for part in parts {
            assert!(text.contains(part), "expected `{part}` in:\n{text}");
        }
    };
    contains(
        &file,
        &[
            r#"policy = "merge""#,
            r#"kind = "replay""#,
            r#"file = "live.jsonl""#,
            "starts = 20",
            "cut = [",
            "pause_replication = \"eu-west-1\"\ntable = \"Things\"",
        ],
    );
    contains(&beside, &["UpdateItem", "ADD n :one", "ExecuteStatement", "before"]);

    let played = run(&["sim", "run", file.to_str().unwrap(), "--seed", "1", "--format", "json"]);
    assert!(played.status.success(), "{}\n{}", stdout(&played), stderr(&played));
    // Every operation that was answered live is answered in the simulation, and the oracle knows
    // every write of it.
    let run: Value = serde_json::from_str(stdout(&played).lines().last().unwrap()).unwrap();
    assert_eq!(run["writes"]["acknowledged"], printed["operations"], "{run}");

    fs::remove_file(&file).unwrap();
    let again = up.command(&["record", "--duration", "0", "--out", file.to_str().unwrap()]);
    assert_refused(&again, &["cannot write", "live.jsonl", "name another file with --out"]);
}

#[test]
fn writes_no_file_if_nothing_can_be_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("none.toml");
    let nobody = [
        "record",
        "--control",
        "http://127.0.0.1:1",
        "--out",
        file.to_str().unwrap(),
    ];
    assert_refused(&run(&nobody), &["no control service answers"]);
    assert!(!file.exists());
}
