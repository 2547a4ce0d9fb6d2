//! Writes to one item on both sides of a cut: convergence, the journal, the explanation.

use std::io::{BufRead as _, BufReader};

use beringia_clock::{SystemClock, WallClock as _};
use serde_json::{Value, json};

use crate::{
    dynamodb::{ask, call, converge, get, global_table, put, up_with_table},
    process::{self, PATIENCE, Server, assert_refused, beringia, run, start_until, stderr, stdout},
};

const US: &str = "us-east-1";
const EU: &str = "eu-west-1";
const AP: &str = "ap-northeast-1";

/// Writes the item `both` on both sides of a cut and heals it; the later write is that of
/// eu-west-1.
fn conflict(up: &Server) {
    let _ = up.json(&["net", "isolate", EU]);
    put(up.endpoint(), US, "both", "american");
    // Within one millisecond the greater region would win instead of the later write.
    let written_ms = SystemClock.now_ms();
    while SystemClock.now_ms() <= written_ms {
        std::thread::yield_now();
    }
    put(up.endpoint(), EU, "both", "irish");
}

#[test]
fn names_divergent_ranges_of_regions_that_are_cut_off() {
    let up = up_with_table(&[]);
    conflict(&up);
    let output = up.command(&["converge", "--timeout", "0.2", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let printed: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(printed["converged"], false);
    assert_eq!(printed["divergent"][0]["table"], "Things");
    let ranges = printed["divergent"][0]["divergent_ranges"].as_array().unwrap();
    assert_eq!(ranges.len(), 1, "one item differs: {printed}");
    let output = up.command(&["converge", "--timeout", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&format!("divergent ranges: {}", ranges[0])),
        "{}",
        stderr(&output)
    );

    let status = up.json(&["status"]);
    assert_eq!(status[0]["converged"], false);
    let tables = status[0]["tables"].as_array().unwrap();
    assert_eq!(
        tables.iter().find(|table| table["table"] == "Things").unwrap()["divergent_ranges"],
        json!(ranges)
    );
    let pairs = status[0]["pairs"].as_array().unwrap();
    let pair = pairs
        .iter()
        .find(|pair| pair["from"] == EU && pair["to"] == US)
        .unwrap();
    assert_eq!(pair["backlog_mutations"], 1);
    assert!(pair["backlog_bytes"].as_u64().unwrap() > 0);
    assert_eq!(pair["link"], "cut");

    let _ = up.json(&["net", "heal"]);
    converge(&up);
    let digests: Vec<Value> = (0..2).map(|_| up.json(&["converge"])[0]["digest"].clone()).collect();
    assert_eq!(digests[0], digests[1], "the digest of the same state is the same");
    put(up.endpoint(), AP, "more", "x");
    converge(&up);
    assert_ne!(up.json(&["converge"])[0]["digest"], digests[0]);
}

/// The listing names every region that saw it.
#[test]
fn lists_a_conflict_once_with_both_images() {
    let up = up_with_table(&[]);
    put(up.endpoint(), US, "alone", "first");
    converge(&up);
    put(up.endpoint(), EU, "alone", "second, knowing of the first");
    conflict(&up);
    let _ = up.json(&["net", "heal"]);
    converge(&up);
    let conflicts = up.json(&["conflicts", "--table", "Things"]);
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    let conflict = &conflicts[0];
    assert_eq!(conflict["table"], "Things");
    assert_eq!(conflict["key"], json!({"pk": {"S": "both"}}));
    assert_eq!(conflict["rule"], "later time");
    assert_eq!(conflict["winner"]["region"], EU);
    assert_eq!(conflict["winner"]["image"]["v"], json!({"S": "irish"}));
    assert_eq!(conflict["loser"]["region"], US);
    assert_eq!(conflict["loser"]["image"]["v"], json!({"S": "american"}));
    assert!(
        conflict["winner"]["version"]["time"].as_str().unwrap()
            > conflict["loser"]["version"]["time"].as_str().unwrap()
    );
    let mut seen: Vec<&str> = conflict["seen"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["region"].as_str().unwrap())
        .collect();
    seen.sort_unstable();
    assert!(seen.contains(&EU) && seen.contains(&US), "both sides see it: {seen:?}");
    let text = stdout(&up.command(&["conflicts"]));
    for part in [
        "Things {\"pk\":{\"S\":\"both\"}}",
        "winner",
        "irish",
        "loser",
        "american",
        "later time",
    ] {
        assert!(text.contains(part), "expected `{part}` in:\n{text}");
    }
    assert_eq!(up.json(&["conflicts"]), conflicts, "there is no other");
}

#[test]
fn restores_a_lost_write_as_a_new_version() {
    let up = up_with_table(&[]);
    conflict(&up);
    let _ = up.json(&["net", "heal"]);
    converge(&up);
    let listed = &up.json(&["conflicts"])[0];
    assert_eq!(listed["attributes"], json!([]));
    let id = listed["id"].as_str().unwrap();
    assert!(stdout(&up.command(&["conflicts"])).contains(&format!("id      {id}")));

    let restored = &up.json(&["conflicts", "restore", id, "--region", AP])[0];
    assert_eq!(
        (&restored["region"], &restored["table"]),
        (&json!(AP), &json!("Things"))
    );
    assert_eq!(restored["version"]["region"], AP);
    assert!(restored["version"]["time"].as_str().unwrap() > listed["winner"]["version"]["time"].as_str().unwrap());
    converge(&up);
    for region in [US, EU, AP] {
        assert_eq!(get(up.endpoint(), region, "both").as_deref(), Some("american"));
    }
    assert_eq!(
        up.json(&["conflicts"]).len(),
        1,
        "the new write causally depends on both"
    );
    let text = stdout(&up.command(&["conflicts", "restore", id]));
    assert!(text.starts_with("restored in "), "{text}");
    assert_refused(
        &up.command(&["conflicts", "restore", "000000000000"]),
        &["no region has a conflict"],
    );
    assert_refused(
        &up.command(&["conflicts", "restore", id, "--region", "mars-1"]),
        &["no region `mars-1`"],
    );
}

/// Of what `--dry-run` shows, all is removed, and only in the named region.
#[test]
fn prunes_journals_by_region_table_and_age() {
    let up = up_with_table(&[]);
    conflict(&up);
    let _ = up.json(&["net", "heal"]);
    converge(&up);
    let prune = |words: &[&str]| up.json(&[&["conflicts", "prune"], words].concat());
    let in_us = ["--region", US, "--older-than", "0s", "--table", "Things"];
    let counted = prune(&[&in_us[..], &["--dry-run"]].concat());
    assert_eq!(
        (&counted[0]["region"], &counted[0]["conflicts"], &counted[0]["dry_run"]),
        (&json!(US), &json!(1), &json!(true))
    );
    assert!(counted[0]["bytes"].as_u64().unwrap() > 50);
    assert_eq!(
        prune(&["--all"])
            .iter()
            .filter(|pruned| pruned["conflicts"] == 0)
            .count(),
        3
    );
    assert_eq!(up.json(&["conflicts"]).len(), 1, "it is younger than seven days");
    assert_refused(
        &up.command(&["conflicts", "prune", "--all", "--older-than", "0s", "--table", "Others"]),
        &["no region of this process has a table `Others`"],
    );

    let removed = prune(&in_us);
    assert_eq!(removed[0]["bytes"], counted[0]["bytes"]);
    let left = up.json(&["conflicts"]);
    assert!(
        left[0]["seen"]
            .as_array()
            .unwrap()
            .iter()
            .all(|seen| seen["region"] != US)
    );
    let text = stdout(&up.command(&["conflicts", "prune", "--all", "--older-than", "0s"]));
    assert!(
        text.contains("us-east-1: removed 0 conflicts and 0 unshipped writes, 0 bytes")
            && text.contains("eu-west-1: removed 1 conflicts"),
        "{text}"
    );
    assert_eq!(up.json(&["conflicts"]).len(), 0);
    assert_refused(&up.command(&["conflicts", "prune"]), &["--region", "--all"]);
    assert_refused(
        &up.command(&["conflicts", "prune", "--all", "--older-than", "soon"]),
        &["7d, 12h or 0s"],
    );
}

/// The ARN of the table in a region.
fn arn(region: &str) -> String {
    format!("arn:aws:dynamodb:{region}:000000000000:table/Things")
}

fn set_attribute(up: &Server, region: &str, name: &str, value: &str) {
    let update = json!({
        "TableName": "Things", "Key": {"pk": {"S": "both"}},
        "UpdateExpression": "SET #a = :v ADD visits :one", "ExpressionAttributeNames": {"#a": name},
        "ExpressionAttributeValues": {":v": {"S": value}, ":one": {"N": "1"}},
    });
    ask(up.endpoint(), region, "UpdateItem", &update);
}

#[test]
fn a_merging_table_journals_only_real_losses() {
    let up = up_with_table(&[]);
    let tag = json!({"ResourceArn": arn(EU), "Tags": [{"Key": "beringia:conflict-policy", "Value": "merge"}]});
    ask(up.endpoint(), EU, "TagResource", &tag);
    converge(&up);
    for region in [US, EU, AP] {
        let tags = ask(
            up.endpoint(),
            region,
            "ListTagsOfResource",
            &json!({"ResourceArn": arn(region)}),
        );
        assert_eq!(tags["Tags"], tag["Tags"], "in {region}");
    }
    let status = up.json(&["status"]);
    let tables = status[0]["tables"].as_array().unwrap();
    let things = tables.iter().find(|table| table["table"] == "Things").unwrap();
    assert_eq!(things["conflict_policies"], json!(["merge"]));
    assert!(stdout(&up.command(&["status"])).contains("CONFLICT POLICY"));

    let _ = up.json(&["net", "isolate", EU]);
    set_attribute(&up, US, "from", "america");
    set_attribute(&up, US, "color", "red");
    let written_ms = SystemClock.now_ms();
    while SystemClock.now_ms() <= written_ms {
        std::thread::yield_now();
    }
    set_attribute(&up, EU, "to", "europe");
    set_attribute(&up, EU, "color", "blue");
    let _ = up.json(&["net", "heal"]);
    converge(&up);
    let key = json!({"TableName": "Things", "Key": {"pk": {"S": "both"}}});
    let merged = json!({
        "pk": {"S": "both"}, "from": {"S": "america"}, "to": {"S": "europe"}, "color": {"S": "blue"}, "visits": {"N": "4"},
    });
    for region in [US, EU, AP] {
        assert_eq!(
            ask(up.endpoint(), region, "GetItem", &key)["Item"],
            merged,
            "in {region}"
        );
    }
    let conflicts = up.json(&["conflicts"]);
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    assert_eq!(conflicts[0]["attributes"], json!(["color"]));
    assert!(stdout(&up.command(&["conflicts"])).contains("lost    color"));

    let _ = up.json(&["conflicts", "restore", conflicts[0]["id"].as_str().unwrap()]);
    converge(&up);
    let restored = ask(up.endpoint(), EU, "GetItem", &key)["Item"].clone();
    assert_eq!(
        (&restored["color"], &restored["visits"]),
        (&json!({"S": "red"}), &json!({"N": "4"}))
    );
}

#[test]
fn follows_conflicts_as_they_happen() {
    let up = up_with_table(&[]);
    let mut follower = beringia()
        .args(["conflicts", "--follow", "--format", "json", "--control", up.control()])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    conflict(&up);
    let _ = up.json(&["net", "heal"]);
    let line = receiver.recv_timeout(PATIENCE).unwrap();
    follower.kill().unwrap();
    follower.wait().unwrap();
    let conflict: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(conflict["winner"]["image"]["v"], json!({"S": "irish"}));
}

#[test]
fn explains_an_item_while_regions_differ_and_after() {
    let up = up_with_table(&[]);
    put(up.endpoint(), US, "both", "agreed");
    converge(&up);
    conflict(&up);
    let explain = ["explain", "--table", "Things", "--key", r#"{"pk":{"S":"both"}}"#];
    let printed = &up.json(&explain)[0];
    assert_eq!(printed["agree"], false);
    assert_eq!(printed["winner"]["region"], EU);
    let why = printed["why"].as_str().unwrap();
    assert!(
        why.contains("us-east-1 still has") && why.contains("the link from eu-west-1 to us-east-1 is cut"),
        "{why}"
    );
    assert_eq!(printed["regions"][0]["item"]["v"], json!({"S": "american"}));
    assert_eq!(printed["regions"][1]["item"]["v"], json!({"S": "irish"}));

    let _ = up.json(&["net", "heal"]);
    converge(&up);
    let printed = &up.json(&explain)[0];
    assert_eq!(printed["agree"], true);
    let why = printed["why"].as_str().unwrap();
    assert!(
        why.contains("is concurrent with") && why.contains("later time"),
        "{why}"
    );
    for region in printed["regions"].as_array().unwrap() {
        assert_eq!((&region["state"], &region["origin"]), (&json!("present"), &json!(EU)));
    }
    let text = stdout(&up.command(&explain));
    assert!(text.contains("All replicas agree."), "{text}");
    assert_refused(
        &up.command(&["explain", "--table", "Things", "--key", r#"{"pk":{"N":"1"}}"#]),
        &["expected: S actual: N"],
    );
    assert_refused(
        &up.command(&[
            "explain",
            "--table",
            "Things",
            "--key",
            r#"{"pk":{"S":"x"},"v":{"S":"y"}}"#,
        ]),
        &["v is not a key attribute"],
    );
}

#[test]
fn a_failed_region_recovers_its_data_and_catches_up() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for storage in [&["--ephemeral"][..], &["--data", data.to_str().unwrap()]] {
        let up = Server::start(&process::up(storage));
        global_table(up.endpoint(), US, &[EU, AP], || converge(&up));
        put(up.endpoint(), EU, "before", "kept");
        let _ = up.json(&["region-fail", EU]);
        let (status, answer) = call(up.endpoint(), EU, "ListTables", &json!({}));
        assert!(status >= 500, "{answer}");
        put(up.endpoint(), US, "meanwhile", "caught up");
        let _ = up.json(&["region-recover", EU]);
        assert_eq!(get(up.endpoint(), EU, "before").as_deref(), Some("kept"));
        converge(&up);
        assert_eq!(get(up.endpoint(), EU, "meanwhile").as_deref(), Some("caught up"));
        assert_eq!(get(up.endpoint(), US, "before").as_deref(), Some("kept"));
    }
}

#[test]
fn a_region_without_its_disk_is_bootstrapped_by_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for storage in [&["--ephemeral"][..], &["--data", data.to_str().unwrap()]] {
        let up = Server::start(&process::up(storage));
        global_table(up.endpoint(), US, &[EU, AP], || converge(&up));
        put(up.endpoint(), EU, "shipped", "kept");
        converge(&up);
        let _ = up.json(&["net", "isolate", EU]);
        put(up.endpoint(), EU, "unshipped", "gone");
        let _ = up.json(&["region-fail", EU, "--lose-disk"]);
        let _ = up.json(&["net", "heal"]);
        let _ = up.json(&["region-recover", EU]);
        converge(&up);
        assert_eq!(get(up.endpoint(), EU, "shipped"), Some("kept".to_owned()));
        assert_eq!(get(up.endpoint(), EU, "unshipped"), None, "no other region had it");
    }
}

/// Repeats a check until it holds.
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let began_ms = SystemClock.now_ms();
    while !is_so() {
        let waited_ms = u128::from(SystemClock.now_ms().saturating_sub(began_ms));
        assert!(waited_ms < PATIENCE.as_millis(), "never: {what}");
        std::thread::yield_now();
    }
}

/// The status of a region's replica, as another region describes it.
fn replica(up: &Server, region: &str, of: &str) -> Value {
    let described = ask(up.endpoint(), region, "DescribeTable", &json!({"TableName": "Things"}));
    let replicas = described["Table"]["Replicas"].as_array().unwrap();
    let found = replicas.iter().find(|replica| replica["RegionName"] == of);
    found.cloned().unwrap_or_default()
}

#[test]
fn lists_and_restores_unshipped_writes() {
    let up = up_with_table(&["--max-unreachable-ms", "1000"]);
    put(up.endpoint(), EU, "shipped", "kept");
    converge(&up);
    let _ = up.json(&["net", "isolate", EU]);
    put(up.endpoint(), EU, "unshipped", "not yet sent");
    wait_for("the others drop the unreachable region", || {
        replica(&up, US, EU)["ReplicaStatus"] == "REGION_DISABLED"
    });
    assert!(replica(&up, US, EU)["ReplicaInaccessibleDateTime"].is_number());

    let _ = up.json(&["net", "heal"]);
    wait_for("it is filled again, and what it alone had is listed", || {
        replica(&up, US, EU)["ReplicaStatus"] == "ACTIVE" && !up.json(&["conflicts"]).is_empty()
    });
    converge(&up);
    assert_eq!(get(up.endpoint(), EU, "shipped").as_deref(), Some("kept"));
    assert_eq!(get(up.endpoint(), EU, "unshipped"), None);
    let listed = up.json(&["conflicts"]);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["winner"], Value::Null);
    assert_eq!(listed[0]["loser"]["image"]["v"], json!({"S": "not yet sent"}));
    assert!(stdout(&up.command(&["conflicts"])).contains("winner  none"));

    let _ = up.json(&["conflicts", "restore", listed[0]["id"].as_str().unwrap()]);
    converge(&up);
    for region in [US, EU, AP] {
        assert_eq!(get(up.endpoint(), region, "unshipped").as_deref(), Some("not yet sent"));
    }
}

#[test]
fn data_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let words = process::up(&["--data", data.to_str().unwrap()]);
    let up = Server::start(&words);
    global_table(up.endpoint(), US, &[EU, AP], || converge(&up));
    put(up.endpoint(), AP, "kept", "yes");
    up.terminate();
    assert_eq!(up.wait().0.code(), Some(0));
    let up = Server::start(&words);
    assert_eq!(get(up.endpoint(), AP, "kept").as_deref(), Some("yes"));
    converge(&up);
    assert_eq!(get(up.endpoint(), US, "kept").as_deref(), Some("yes"));
}

#[test]
fn the_credential_scope_chooses_the_region() {
    let up = Server::up(&[]);
    let table = json!({
        "TableName": "Local", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    });
    ask(up.endpoint(), EU, "CreateTable", &table);
    assert_eq!(
        ask(up.endpoint(), EU, "ListTables", &json!({}))["TableNames"],
        json!(["Local"])
    );
    assert_eq!(
        ask(up.endpoint(), US, "ListTables", &json!({}))["TableNames"],
        json!([])
    );
    let own = up.ready["regions"][1]["dynamodb"].as_str().unwrap();
    assert_eq!(ask(own, EU, "ListTables", &json!({}))["TableNames"], json!(["Local"]));
    let (status, answer) = call(up.endpoint(), "us-west-2", "ListTables", &json!({}));
    assert_eq!(status, 400, "{answer}");
    assert_eq!(
        up.json(&["converge", "--timeout", "60"])[0]["converged"],
        true,
        "a regional table needs no other region"
    );
}

#[test]
fn verifies_signatures_if_keys_are_given() {
    let up = Server::up(&["--access-key", "AKIA=secret"]);
    let (status, answer) = call(up.endpoint(), US, "ListTables", &json!({}));
    assert_eq!(status, 400, "{answer}");
    assert!(answer["__type"].as_str().unwrap().contains("Exception"), "{answer}");
    ask(Server::up(&[]).endpoint(), US, "ListTables", &json!({}));
}

#[test]
fn separate_processes_replicate_and_are_watched_together() {
    let names = [US, EU, AP];
    let servers = process::regions_apart(&names);
    let controls = servers.iter().map(Server::control).collect::<Vec<_>>().join(",");
    let command = |words: &[&str]| run(&[words, &["--control", &controls]].concat());
    let wait = || {
        let output = command(&["converge", "--timeout", "60"]);
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    };
    global_table(servers[0].endpoint(), US, &[EU, AP], wait);
    put(servers[2].endpoint(), AP, "x", "from afar");
    wait();
    assert_eq!(get(servers[0].endpoint(), US, "x").as_deref(), Some("from afar"));
    let printed = stdout(&command(&[
        "explain",
        "--table",
        "Things",
        "--key",
        r#"{"pk":{"S":"x"}}"#,
        "--format",
        "json",
    ]));
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["agree"], true);
    assert_eq!(printed["regions"].as_array().unwrap().len(), 3);
    let status: Value = serde_json::from_str(&stdout(&command(&["status", "--format", "json"]))).unwrap();
    assert_eq!(status["pairs"].as_array().unwrap().len(), 6);
    assert!(
        status["pairs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|pair| pair["link"].is_null() && pair["lag_ms"].is_u64()),
        "{status}"
    );
    assert_eq!(stdout(&command(&["conflicts"])), "no conflicts\n");

    // A region that does not answer is named, and the regions do not count as converged without it.
    drop(servers.into_iter().next_back());
    let output = command(&["converge", "--timeout", "0"]);
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn the_ready_text_asks_for_signatures_if_keys_are_given() {
    let words = process::on_free_ports("up", &["--ephemeral", "--access-key", "AKIA=secret"]);
    let (mut child, text, _) = start_until(&words, |line| line.contains("Ctrl-C"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(text.contains("must be signed") && !text.contains("secret"), "{text}");
}
