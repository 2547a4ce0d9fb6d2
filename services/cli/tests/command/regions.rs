//! Which regions `up` starts, and which of them answers a client that names another one.

use std::fs;

use serde_json::{Value, json};

use crate::{
    dynamodb::{ask, call},
    process::{Server, assert_refused, run, stderr, up},
};

/// Names that are no AWS region's, as clients give them for a local database.
const PLACEHOLDERS: [&str; 3] = ["local", "localhost", "local-not-a-region"];

fn create_table() -> Value {
    json!({
        "TableName": "Things", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    })
}

fn tables(endpoint: &str, region: &str) -> Value {
    ask(endpoint, region, "ListTables", &json!({}))["TableNames"].clone()
}

/// The names of the regions of the ready line.
fn names(server: &Server) -> Vec<&str> {
    let regions = server.ready["regions"].as_array().unwrap();
    regions.iter().map(|region| region["name"].as_str().unwrap()).collect()
}

/// The port at the end of an address.
fn port(address: &Value) -> &str {
    address.as_str().unwrap().rsplit_once(':').unwrap().1
}

#[test]
fn first_region_answers_for_placeholders_and_says_so_once() {
    let server = Server::up(&["--regions", "eu-west-1,us-east-1"]);
    let endpoint = server.endpoint();
    ask(endpoint, "local", "CreateTable", &create_table());
    for name in PLACEHOLDERS {
        let item = json!({"TableName": "Things", "Item": {"pk": {"S": name}}});
        ask(endpoint, name, "PutItem", &item);
        let key = json!({"TableName": "Things", "Key": {"pk": {"S": name}}, "ConsistentRead": true});
        assert_eq!(ask(endpoint, "eu-west-1", "GetItem", &key)["Item"], item["Item"]);
        let table = ask(endpoint, name, "DescribeTable", &json!({"TableName": "Things"}));
        assert_eq!(
            table["Table"]["TableArn"],
            "arn:aws:dynamodb:eu-west-1:000000000000:table/Things"
        );
    }
    assert_eq!(tables(endpoint, "us-east-1"), json!([]));
    let printed = server.end();
    for name in PLACEHOLDERS {
        let logged = format!("no region has this name: the first one answers for it name={name} region=\"eu-west-1\"");
        assert_eq!(printed.matches(&logged).count(), 1, "{printed}");
    }
    assert_eq!(printed.matches("WARN").count(), 3, "{printed}");
}

#[test]
fn aws_region_outside_the_topology_is_refused() {
    let server = Server::up(&["--regions", "us-east-1,eu-west-1"]);
    let port = port(&server.ready["regions"][0]["dynamodb"]);
    for name in ["eu-central-1", "us-gov-west-1"] {
        let (status, answer) = call(server.endpoint(), name, "CreateTable", &create_table());
        assert_eq!(status, 400);
        let expected = json!({
            "__type": "com.amazon.coral.service#InvalidSignatureException",
            "message": format!(
                "Credential should be scoped to a valid region, not '{name}'. The regions of this endpoint are us-east-1, \
                 eu-west-1. To add it, run `beringia up --regions us-east-1,eu-west-1,{name} --ephemeral`. Or send the \
                 request to port {port}, where us-east-1 answers whichever region is named."
            ),
        });
        assert_eq!(answer, expected);
    }
    for region in ["us-east-1", "eu-west-1"] {
        assert_eq!(tables(server.endpoint(), region), json!([]));
    }
    assert_eq!(server.end(), "");
}

#[test]
fn command_in_the_refusal_starts_the_region() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start(&up(&["--regions", "us-east-1", "--data", &path("old")]));
    let (_, answer) = call(server.endpoint(), "eu-central-1", "ListTables", &json!({}));
    let message = answer["message"].as_str().unwrap();
    let command = message
        .split('`')
        .nth(1)
        .unwrap()
        .replace("NEW_DIRECTORY", &path("new"));
    drop(server);
    let words: Vec<&str> = command.strip_prefix("beringia up ").unwrap().split(' ').collect();
    let server = Server::start(&up(&words));
    assert_eq!(names(&server), ["us-east-1", "eu-central-1"]);
    assert_eq!(tables(server.endpoint(), "eu-central-1"), json!([]));
}

#[test]
fn port_of_one_region_takes_any_name() {
    let server = Server::up(&["--regions", "us-east-1,eu-west-1"]);
    let own = server.ready["regions"][1]["dynamodb"].as_str().unwrap();
    ask(own, "ap-south-1", "CreateTable", &create_table());
    for name in PLACEHOLDERS.into_iter().chain(["us-west-2", "us-east-1"]) {
        assert_eq!(tables(own, name), json!(["Things"]), "{name}");
    }
    assert_eq!(tables(server.endpoint(), "us-east-1"), json!([]));
    assert_eq!(server.end(), "");
}

/// With access keys the signature is for a region, so a placeholder fits none.
#[test]
fn placeholders_are_refused_where_signatures_are_verified() {
    let server = Server::up(&["--regions", "us-east-1", "--access-key", "AKIA=secret"]);
    let answers = [
        ("local", "Name one of them: signatures are verified."),
        (
            "us-west-2",
            "To add it, run `beringia up --regions us-east-1,us-west-2 --ephemeral`.",
        ),
    ];
    for (name, advice) in answers {
        let (status, answer) = call(server.endpoint(), name, "CreateTable", &create_table());
        let expected = json!({
            "__type": "com.amazon.coral.service#InvalidSignatureException",
            "message": format!(
                "Credential should be scoped to a valid region, not '{name}'. The regions of this endpoint are us-east-1. \
                 {advice}"
            ),
        });
        assert_eq!((status, answer), (400, expected));
    }
    assert_eq!(server.end(), "");
}

#[test]
fn regions_are_started_by_name_with_their_delays() {
    let server = Server::up(&["--regions", "ap-northeast-1, us-gov-west-1", "--regions", "us-east-1"]);
    assert_eq!(names(&server), ["ap-northeast-1", "us-gov-west-1", "us-east-1"]);
    let links = server.json(&["net", "show"]);
    assert_eq!(links.len(), 6);
    for link in &links {
        let involves_government = [&link["from"], &link["to"]].contains(&&json!("us-gov-west-1"));
        assert_eq!(link["delay_estimated"], involves_government, "{link}");
        assert!(link["delay_ms"].as_f64().unwrap() > 20.0, "{link}");
        assert_eq!(link["jitter_ms"], 0.4);
    }
}

/// Nothing is started or created, and programs get the error as JSON.
#[test]
fn regions_that_cannot_be_started_by_name_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let topology = directory.path().join("t.toml");
    fs::write(&topology, "[[region]]\nname = \"us-east-1\"\n").unwrap();
    let topology = topology.to_str().unwrap();
    let many: Vec<&str> = beringia_regions::known_regions().collect();
    let many = many.join(",");
    let cases: [(&[&str], &str); 6] = [
        (
            &["--regions", "us-east-1,eu-centrl-1"],
            "--regions: \"eu-centrl-1\" is no AWS region whose delays are known; similar names: eu-central-1, \
             eu-central-2 (for other names, write a topology file: --topology)",
        ),
        (
            &["--regions", "moon-1"],
            "--regions: \"moon-1\" is no AWS region whose delays are known; expected names of us-east-1, us-east-2, ",
        ),
        (
            &["--regions", "us-east-1,"],
            "--regions: \"\" is no AWS region whose delays are known; expected names of us-east-1, ",
        ),
        (
            &["--regions", "us-east-1,us-east-1"],
            "--regions: two regions are called us-east-1; expected each name once",
        ),
        (&["--regions", &many], "--regions: 39 regions; expected at most 32"),
        (
            &["--regions", "us-east-1", "--topology", topology],
            "the argument '--regions <NAMES>' cannot be used with '--topology <FILE>'",
        ),
    ];
    for (arguments, message) in cases {
        let words = up(&[&["--data", data.to_str().unwrap()], arguments].concat());
        let output = run(&words);
        assert_refused(&output, &[]);
        let error: Value = serde_json::from_str(&stderr(&output)).unwrap();
        assert_eq!(error["error"]["kind"], "usage_error");
        let found = error["error"]["message"].as_str().unwrap();
        assert!(found.starts_with(message), "{found}");
        assert!(!data.exists(), "{arguments:?}");
    }
    let text = run(&["up", "--regions", "moon-1", "--data", data.to_str().unwrap()]);
    assert_refused(&text, &["error: --regions: \"moon-1\" is no AWS region"]);
}
