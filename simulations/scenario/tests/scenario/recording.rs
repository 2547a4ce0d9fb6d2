//! Reading recordings.

use beringia_scenario::Recording;

#[test]
fn a_line_that_is_none_of_a_recording_is_named() {
    let wrong = |text: &str| Recording::parse(text).expect_err("wrong").to_string();
    let operation = r#"{"at_ms": 5, "region": "r", "operation": "GetItem", "parameters": {}}"#;
    assert!(wrong("{}\n").starts_with("line 1 of the recording: missing field `at_ms`"));
    assert!(wrong(&format!("{operation}\n\nnonsense")).starts_with("line 3 of the recording: no JSON"));
    assert!(wrong(r#"{"table": {"TableName": "t"}}"#).contains("`HASH` key"));
    assert!(wrong(r#"{"items_of": "t", "items": []}"#).contains("no table t stands above"));
}

#[test]
fn a_recording_has_operations_and_items_in_whichever_order_they_came() {
    let text = r#"{"at_ms": 5, "region": "r", "operation": "GetItem", "parameters": {}}
        {"table": {"TableName": "t", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}, "items": [1]}
        {"at_ms": 4, "region": "r", "operation": "PutItem", "parameters": {}}
        {"items_of": "t", "items": [2, 3]}"#;
    let recording = Recording::parse(text).expect("a recording");
    let times: Vec<u64> = recording.operations.iter().map(|recorded| recorded.at_ms).collect();
    assert_eq!(times, [4, 5]);
    assert_eq!(recording.tables[0].items, [1, 2, 3]);
}
