//! Pausing the replication of a table in one region of a running `up`.

use serde_json::{Value, json};

use crate::{
    dynamodb::{converge, exchange, get, put, up_with_table},
    process::{Server, assert_refused, on_free_ports, stdout},
};

const US: &str = "us-east-1";
const EU: &str = "eu-west-1";
const AP: &str = "ap-northeast-1";

fn pause(up: &Server, region: &str) -> Vec<Value> {
    up.json(&["net", "pause", "--table", "Things", "--region", region])
}

/// Waits until a write of another region has arrived.
fn until_there(up: &Server, region: &str, pk: &str) {
    while get(up.endpoint(), region, pk).is_none() {
        std::thread::yield_now();
    }
}

#[test]
fn a_paused_table_does_not_replicate_until_resumed() {
    let up = up_with_table(&[]);
    let paused = json!({"region": EU, "table": "Things", "replication": "paused"});
    assert_eq!(pause(&up, EU), std::slice::from_ref(&paused));
    put(up.endpoint(), EU, "inside", "1");
    put(up.endpoint(), US, "outside", "2");
    until_there(&up, AP, "outside");
    assert_eq!(get(up.endpoint(), EU, "outside"), None);
    assert_eq!(get(up.endpoint(), US, "inside"), None);
    assert_eq!(up.command(&["converge", "--timeout", "0"]).status.code(), Some(1));

    assert_eq!(up.json(&["net", "show"]).last(), Some(&paused), "after the links");
    let text = stdout(&up.command(&["net", "show"]));
    assert!(text.contains("REPLICATION PAUSED IN"), "{text}");
    assert_eq!(
        up.json(&["status"])[0]["paused"],
        json!([{"region": EU, "table": "Things"}])
    );
    let text = stdout(&up.command(&["status"]));
    assert!(text.contains("REPLICATION PAUSED IN"), "{text}");

    let resumed = up.json(&["net", "resume", "--table", "Things", "--region", EU]);
    assert_eq!(resumed, Vec::<Value>::new());
    converge(&up);
    assert_eq!(get(up.endpoint(), EU, "outside").as_deref(), Some("2"));
    assert_eq!(get(up.endpoint(), US, "inside").as_deref(), Some("1"));
    assert_eq!(up.json(&["status"])[0]["paused"], json!([]));
}

/// A restart of the region ends its pauses, too.
#[test]
fn resume_without_a_name_ends_all_pauses() {
    let up = up_with_table(&[]);
    assert_eq!(pause(&up, EU).len(), 1);
    assert_eq!(pause(&up, AP).len(), 2);
    let left = up.json(&["net", "resume", "--region", AP, "--table", "Others"]);
    assert_eq!(left.len(), 2, "none of that table");
    let text = stdout(&up.command(&["net", "resume"]));
    assert_eq!(text, "no replication is paused\n");
    assert_eq!(pause(&up, EU).len(), 1);
    let _ = up.json(&["region-fail", EU]);
    assert_refused(
        &up.command(&["net", "pause", "--table", "Things", "--region", EU]),
        &["eu-west-1 is down"],
    );
    let _ = up.json(&["region-recover", EU]);
    assert_eq!(up.json(&["net", "show"]).len(), 6, "links alone");
}

#[test]
fn refuses_to_pause_tables_that_are_not_replicated() {
    let up = up_with_table(&[]);
    let refused = up.command(&["net", "pause", "--table", "Nothing", "--region", EU]);
    assert_refused(&refused, &["eu-west-1 has no replica of a global table `Nothing`"]);
    let refused = up.command(&["net", "pause", "--table", "Things", "--region", "mars-1"]);
    assert_refused(&refused, &["no region `mars-1`", US]);
    let refused = up.command(&["net", "resume", "--region", "mars-1"]);
    assert_refused(&refused, &["no region `mars-1`", US]);
}

/// Sends a request to the Fault Injection Service, which must succeed.
fn experiments(endpoint: &str, request: &str, body: &Value) -> Value {
    let (status, answer) = exchange(endpoint, EU, "fis", &format!("{request} HTTP/1.1\r\n"), body);
    assert_eq!(status, 200, "{request}: {answer}");
    answer
}

#[test]
fn an_experiment_in_one_region_targets_its_own_replicas() {
    let server = Server::start(&on_free_ports(
        "region",
        &["--format", "json", "--ephemeral", "--name", EU],
    ));
    for (region, reason) in [
        (US, "no region `us-east-1` in this process, whose regions are eu-west-1"),
        (EU, "eu-west-1 has no replica of a global table `Things`"),
    ] {
        let template = json!({
            "clientToken": region, "description": "a pause", "roleArn": "arn:aws:iam::000000000000:role/fis",
            "stopConditions": [{"source": "none"}],
            "targets": {"tables": {
                "resourceType": "aws:dynamodb:global-table", "selectionMode": "ALL",
                "resourceArns": [format!("arn:aws:dynamodb:{region}:000000000000:table/Things")],
            }},
            "actions": {"pause": {
                "actionId": "aws:dynamodb:global-table-pause-replication", "targets": {"Tables": "tables"},
                "parameters": {"duration": "PT1S"},
            }},
        });
        let made = experiments(server.endpoint(), "POST /experimentTemplates", &template);
        let start = json!({"clientToken": region, "experimentTemplateId": made["experimentTemplate"]["id"]});
        let started = experiments(server.endpoint(), "POST /experiments", &start);
        let shown = format!("GET /experiments/{}", started["experiment"]["id"].as_str().unwrap());
        let state = loop {
            let state = experiments(server.endpoint(), &shown, &Value::Null)["experiment"]["state"].clone();
            if state["status"] != "initiating" {
                break state;
            }
        };
        assert_eq!(state["status"], "failed");
        assert!(state["reason"].as_str().unwrap().contains(reason), "{state}");
    }
}
