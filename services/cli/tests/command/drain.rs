//! Draining a region of a running `up`: refused writes, the proof, and what the message says
//! without it.

use serde_json::{Value, json};

use crate::{
    dynamodb::{call, get, put, up_with_table},
    process::{assert_refused, stderr, stdout},
};

const US: &str = "us-east-1";
const EU: &str = "eu-west-1";

#[test]
fn a_drained_region_refuses_writes_and_prints_the_proof() {
    let up = up_with_table(&[]);
    for number in 0..20 {
        put(up.endpoint(), US, &format!("k{number}"), "v");
    }
    let reports = up.json(&["drain", US, "--timeout", "60"]);
    let outcome = reports.last().unwrap();
    assert_eq!((&outcome["region"], &outcome["drained"]), (&json!(US), &json!(true)));
    assert!(
        reports[..reports.len() - 1]
            .iter()
            .all(|report| report["drained"] == false),
        "before it there is only progress: {reports:?}"
    );
    let watermarks = outcome["watermarks"].as_array().unwrap();
    assert_eq!(watermarks.len(), 4, "two regions, the table and the catalog");
    for watermark in watermarks {
        assert!(
            watermark["last"]
                .as_str()
                .is_some_and(|last| last.parse::<u64>().is_ok()),
            "{watermark}"
        );
        assert_eq!(watermark["acknowledged"], watermark["last"]);
        assert!(watermark["acknowledged_at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(watermark["obstacle"], Value::Null);
        assert_eq!(watermark["missing_mutations"], 0);
    }
    let of = |peer: &str, table: &str| watermarks.iter().any(|w| w["peer"] == peer && w["table"] == table);
    assert!(of(EU, "Things") && of("ap-northeast-1", "(catalog)"));
    for region in [EU, "ap-northeast-1"] {
        assert_eq!(get(up.endpoint(), region, "k19").as_deref(), Some("v"));
    }

    let item = json!({"TableName": "Things", "Item": {"pk": {"S": "k"}}});
    let (status, answer) = call(up.endpoint(), US, "PutItem", &item);
    assert_eq!(status, 503);
    assert!(
        answer["__type"].as_str().unwrap().ends_with("#ServiceUnavailable"),
        "{answer}"
    );
    assert_eq!(get(up.endpoint(), US, "k0").as_deref(), Some("v"), "reads continue");
    put(up.endpoint(), EU, "k", "failed over");
    assert_eq!(up.json(&["status"])[0]["regions"][0]["draining"], true);

    let text = stdout(&up.command(&["drain", US]));
    assert!(text.starts_with("us-east-1 is drained after"), "{text}");
    assert!(text.contains("ACKNOWLEDGED"), "{text}");

    assert_eq!(up.json(&["undrain", US]), [json!({"region": US, "draining": false})]);
    put(up.endpoint(), US, "k", "failed back");
    assert_eq!(up.json(&["status"])[0]["regions"][0]["draining"], false);
}

#[test]
fn a_drain_names_unreachable_peers_and_missing_writes() {
    let up = up_with_table(&[]);
    let _ = up.json(&["net", "cut", US, EU, "--reset"]);
    put(up.endpoint(), US, "a", "v");
    put(up.endpoint(), US, "b", "v");
    let output = up.command(&["drain", US, "--timeout", "0.5"]);
    assert_eq!(output.status.code(), Some(1));
    let printed = stderr(&output);
    assert!(printed.contains("us-east-1 is not drained after 0."), "{printed}");
    assert!(printed.contains("writes to Things (unreachable)"), "{printed}");
    assert!(printed.contains(EU) && !printed.contains("ap-northeast-1"), "{printed}");
    assert!(printed.contains("`beringia undrain us-east-1` opens it"), "{printed}");
    let output = up.command(&["drain", US, "--timeout", "0", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let outcome: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(outcome["drained"], false);

    let _ = up.json(&["net", "heal"]);
    assert_eq!(
        up.json(&["drain", US, "--timeout", "60"]).last().unwrap()["drained"],
        true
    );
}

#[test]
fn refuses_to_drain_unknown_and_stopped_regions() {
    let up = up_with_table(&[]);
    assert_refused(&up.command(&["drain", "mars-1"]), &["no region `mars-1`", US]);
    assert_refused(&up.command(&["undrain", "mars-1"]), &["no region `mars-1`", US]);
    let _ = up.json(&["region-fail", EU]);
    assert_refused(&up.command(&["drain", EU]), &["eu-west-1 is down"]);
}
