//! Tests of how recordings are read.

use beringia_scenario::Recording;

const OPERATION: &str = r#"{"at_ms": 5, "region": "r", "operation": "GetItem", "parameters": {}}"#;
const TABLE: &str = r#"{"table": {"TableName": "t", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}}"#;

/// The error has the line's place and what was expected.
#[test]
fn invalid_lines_of_a_recording_are_named() {
    let an_operation = "an operation has `at_ms`, `region`, `operation` and `parameters`";
    let no_json = "expected one object per line";
    let wrong = [
        ("{}".to_owned(), 1, 2, "missing field `at_ms`", an_operation),
        (
            format!("{OPERATION}\n\nnonsense"),
            3,
            2,
            "not JSON: expected ident",
            no_json,
        ),
        (
            format!("{OPERATION}\r\n{{\"é\": \"è\", 5}}"),
            2,
            12,
            "not JSON: key must be a string",
            no_json,
        ),
        (
            OPERATION.replace("5", "\"5\""),
            1,
            13,
            "invalid type: string \"5\", expected u64",
            an_operation,
        ),
        (
            OPERATION.replace("{}}", "3}"),
            1,
            1,
            "3 is not an object",
            "`parameters` is an object",
        ),
        (
            "7".to_owned(),
            1,
            1,
            "invalid type: integer `7`, expected an object",
            "a line is a table",
        ),
        (
            r#"{"table": {"TableName": "t"}}"#.to_owned(),
            1,
            1,
            "`table` needs a `TableName`",
            "with a `HASH` key",
        ),
        (
            r#"{"items_of": "t", "items": []}"#.to_owned(),
            1,
            1,
            "no line above defines the table t",
            "expected its line first",
        ),
        (
            format!("{TABLE}\n{}", r#"{"items_of": "t", "items": [1]}"#),
            2,
            1,
            "1 is not an object",
            "each of `items` is an object",
        ),
    ];
    for (text, line, column, what, expected) in wrong {
        let error = Recording::parse(&text).expect_err(&text);
        assert_eq!((error.line, error.column), (line, column), "{error}\n{text}");
        assert!(
            error.problem.starts_with(what) && error.problem.contains(expected),
            "{error}"
        );
        assert!(!error.problem.contains("at line"), "{error}");
        let message = format!("line {line} of the recording, column {column}: ");
        assert!(error.to_string().starts_with(&message), "{error}");
    }
}

#[test]
fn a_recordings_operations_and_items_come_in_any_order() {
    let text = r#"{"at_ms": 5, "region": "r", "operation": "GetItem", "parameters": {}}
        {"table": {"TableName": "t", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}, "items": [{"id": 1}]}
        {"at_ms": 4, "region": "r", "operation": "PutItem", "parameters": {}}
        {"items_of": "t", "items": [{"id": 2}, {"id": 3}]}"#;
    let recording = Recording::parse(text).expect("a recording");
    let times: Vec<u64> = recording.operations.iter().map(|recorded| recorded.at_ms).collect();
    assert_eq!(times, [4, 5]);
    let items: Vec<String> = recording.tables[0].items.iter().map(ToString::to_string).collect();
    assert_eq!(items, [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#]);
}
