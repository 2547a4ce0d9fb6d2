//! The commands that control a running `up`: links, failures, status, convergence.

use serde_json::Value;

use crate::process::{Server, assert_refused, stderr, stdout};

/// The state of the link between two regions in the output of `net`.
fn link<'a>(links: &'a [Value], from: &str, to: &str) -> &'a Value {
    links
        .iter()
        .find(|link| link["from"] == from && link["to"] == to)
        .unwrap()
}

fn states(links: &[Value]) -> Vec<&str> {
    links.iter().map(|link| link["state"].as_str().unwrap()).collect()
}

#[test]
fn links_are_cut_and_healed_both_ways_or_one_way() {
    let up = Server::up(&[]);
    let links = up.json(&["net", "show"]);
    assert_eq!(states(&links), ["open"; 6]);

    let links = up.json(&["net", "cut", "us-east-1", "eu-west-1"]);
    assert_eq!(link(&links, "us-east-1", "eu-west-1")["state"], "cut");
    assert_eq!(link(&links, "eu-west-1", "us-east-1")["state"], "cut");
    assert_eq!(link(&links, "us-east-1", "ap-northeast-1")["state"], "open");
    assert_eq!(up.json(&["net", "show"]), links);

    let links = up.json(&["net", "cut", "us-east-1", "ap-northeast-1", "--one-way", "--reset"]);
    assert_eq!(link(&links, "us-east-1", "ap-northeast-1")["state"], "reset");
    assert_eq!(link(&links, "ap-northeast-1", "us-east-1")["state"], "open");

    let links = up.json(&["net", "heal", "eu-west-1", "us-east-1"]);
    assert_eq!(link(&links, "us-east-1", "eu-west-1")["state"], "open");
    assert_eq!(link(&links, "us-east-1", "ap-northeast-1")["state"], "reset");

    let _ = up.json(&["net", "cut", "us-east-1", "eu-west-1"]);
    let links = up.json(&["net", "heal", "eu-west-1", "us-east-1", "--one-way"]);
    assert_eq!(link(&links, "eu-west-1", "us-east-1")["state"], "open");
    assert_eq!(link(&links, "us-east-1", "eu-west-1")["state"], "cut");

    let links = up.json(&["net", "isolate", "eu-west-1"]);
    assert_eq!(states(&links).iter().filter(|state| **state == "cut").count(), 4);
    assert_eq!(states(&up.json(&["net", "heal"])), ["open"; 6]);
    let links = up.json(&["net", "isolate", "eu-west-1", "--reset"]);
    assert_eq!(states(&links).iter().filter(|state| **state == "reset").count(), 4);
}

#[test]
fn delay_loss_and_bandwidth_are_set_and_shown_with_their_units() {
    let up = Server::up(&[]);
    let before = up.json(&["net", "show"]);
    let jitter = link(&before, "us-east-1", "eu-west-1")["jitter_ms"].clone();
    let links = up.json(&["net", "delay", "us-east-1", "eu-west-1", "12.5"]);
    let there = link(&links, "us-east-1", "eu-west-1");
    assert_eq!(there["delay_ms"], 12.5);
    assert_eq!(there["jitter_ms"], jitter, "jitter stays where it is not given");
    assert_eq!(link(&links, "eu-west-1", "us-east-1")["delay_ms"], 12.5);

    let links = up.json(&[
        "net",
        "delay",
        "us-east-1",
        "eu-west-1",
        "20",
        "--jitter",
        "3",
        "--one-way",
    ]);
    assert_eq!(link(&links, "us-east-1", "eu-west-1")["jitter_ms"], 3.0);
    assert_eq!(link(&links, "eu-west-1", "us-east-1")["delay_ms"], 12.5);

    let links = up.json(&["net", "loss", "us-east-1", "eu-west-1", "0.5"]);
    assert_eq!(link(&links, "eu-west-1", "us-east-1")["loss_percent"], 0.5);
    let links = up.json(&["net", "bandwidth", "us-east-1", "eu-west-1", "10"]);
    assert_eq!(link(&links, "us-east-1", "eu-west-1")["bandwidth_mbit"], 10.0);
    let links = up.json(&["net", "bandwidth", "us-east-1", "eu-west-1", "unlimited"]);
    assert_eq!(link(&links, "us-east-1", "eu-west-1")["bandwidth_mbit"], Value::Null);
}

#[test]
fn refuses_a_link_that_does_not_exist() {
    let up = Server::up(&[]);
    assert_refused(
        &up.command(&["net", "cut", "us-east-1", "mars-1"]),
        &["mars-1", "us-east-1, eu-west-1, ap-northeast-1"],
    );
    assert_refused(
        &up.command(&["net", "cut", "us-east-1", "us-east-1"]),
        &["two different regions"],
    );
    assert_refused(&up.command(&["net", "isolate", "mars-1"]), &["mars-1"]);
    assert_refused(&up.command(&["net", "isolate", "mars-1", "--reset"]), &["mars-1"]);
}

#[test]
fn net_show_as_text_is_a_table() {
    let up = Server::up(&[]);
    let output = up.command(&["net", "show"]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    assert!(
        lines[0]
            .split_whitespace()
            .eq(["FROM", "TO", "STATE", "DELAY", "JITTER", "LOSS", "BANDWIDTH"]),
        "{text}"
    );
    assert!(
        lines[1].starts_with("us-east-1") && lines[1].contains(" ms") && lines[1].ends_with("unlimited"),
        "{text}"
    );
}

#[test]
fn a_failed_region_is_down_until_it_is_recovered() {
    let up = Server::up(&[]);
    let address = up.ready["regions"][1]["dynamodb"]
        .as_str()
        .unwrap()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    assert_eq!(
        up.json(&["region-fail", "eu-west-1"]),
        [serde_json::json!({"region": "eu-west-1", "running": false})]
    );
    let status = up.json(&["status"]);
    assert_eq!(status[0]["regions"][1]["state"], "down");
    assert_eq!(status[0]["regions"][0]["state"], "running");
    assert!(std::net::TcpStream::connect(&address).is_err(), "its port is closed");
    assert_refused(
        &up.command(&["region-fail", "eu-west-1"]),
        &["eu-west-1 is down already"],
    );

    let output = up.command(&["converge", "--timeout", "0", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let printed: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(printed["converged"], false);
    assert_eq!(printed["divergent"][0]["table"], "(catalog)");
    assert!(
        printed["divergent"][0]["reasons"][0]
            .as_str()
            .unwrap()
            .contains("eu-west-1 is down")
    );

    assert_eq!(
        up.json(&["region-recover", "eu-west-1"]),
        [serde_json::json!({"region": "eu-west-1", "running": true})]
    );
    assert_refused(&up.command(&["region-recover", "eu-west-1"]), &["eu-west-1 is running"]);
    assert_refused(
        &up.command(&["region-fail", "mars-1"]),
        &["no region `mars-1`", "us-east-1"],
    );
    std::net::TcpStream::connect(&address).expect("it has its port again");
    assert_eq!(up.json(&["converge", "--timeout", "60"])[0]["converged"], true);
}

#[test]
fn empty_regions_have_converged() {
    let up = Server::up(&[]);
    for format in ["text", "json"] {
        let output = up.command(&["converge", "--timeout", "60", "--verify", "--format", format]);
        assert!(output.status.success(), "{}", stderr(&output));
        let printed: Value = serde_json::from_str(&stdout(&output)).expect("one JSON object in either format");
        assert_eq!(printed["converged"], true);
        assert!(printed["elapsed_ms"].is_u64());
        assert_eq!(printed["digest"].as_str().unwrap().len(), 32);
    }
}

#[test]
fn status_shows_every_pair_and_the_catalog() {
    let up = Server::up(&[]);
    let _ = up.json(&["net", "cut", "us-east-1", "eu-west-1", "--one-way"]);
    let status = up.json(&["status"]);
    let pairs = status[0]["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 6);
    assert_eq!(link(pairs, "us-east-1", "eu-west-1")["link"], "cut");
    assert_eq!(link(pairs, "eu-west-1", "us-east-1")["link"], "open");
    let text = stdout(&up.command(&["status"]));
    for part in ["LAG", "BACKLOG", "BYTES", "DIVERGENT RANGES", "(catalog)"] {
        assert!(text.contains(part), "expected {part} in:\n{text}");
    }
}

#[test]
fn refuses_questions_about_unknown_tables() {
    let up = Server::up(&[]);
    assert_refused(
        &up.command(&["explain", "--table", "Nothing", "--key", r#"{"pk":{"S":"x"}}"#]),
        &["Nothing"],
    );
    assert_refused(
        &up.command(&["explain", "--table", "Nothing", "--key", "{"]),
        &["--key is not JSON"],
    );
    assert_refused(&up.command(&["conflicts", "--table", "Nothing"]), &["Nothing"]);
    assert_eq!(stdout(&up.command(&["conflicts"])), "no conflicts\n");
    assert_eq!(stdout(&up.command(&["conflicts", "--format", "json"])), "");
}
