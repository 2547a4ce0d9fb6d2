//! Bad input gets a clear error and does no harm: each case below is sent to a running `up`, which
//! must answer the next good request.

use beringia_tests::{
    http::{Answer, Connection},
    up::Up,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const REGION: &str = "us-east-1";

async fn table(endpoint: &str) -> Connection {
    let mut connection = Connection::open(endpoint, REGION).await.expect("the server is there");
    let definition = json!({
        "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    });
    let created = connection
        .call("CreateTable", &definition.to_string())
        .await
        .expect("an answer");
    assert_eq!(created.status, 200, "{}", created.json());
    connection
}

/// The kind (without its namespace) and message of an error.
fn error(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let kind = body["__type"].as_str().unwrap_or_default();
    let message = body["message"]
        .as_str()
        .or(body["Message"].as_str())
        .unwrap_or_default();
    (
        answer.status,
        kind.rsplit('#').next().unwrap_or_default().to_owned(),
        message.to_owned(),
    )
}

async fn still_serves(endpoint: &str) {
    let mut connection = Connection::open(endpoint, REGION).await.expect("the server is there");
    let put = json!({"TableName": "things", "Item": {"id": {"S": "good"}, "v": {"N": "1"}}});
    assert_eq!(
        connection
            .call("PutItem", &put.to_string())
            .await
            .expect("an answer")
            .status,
        200
    );
    let get = json!({"TableName": "things", "Key": {"id": {"S": "good"}}, "ConsistentRead": true});
    let got = connection.call("GetItem", &get.to_string()).await.expect("an answer");
    assert_eq!(got.json()["Item"], put["Item"]);
}

/// A value of `depth` nested lists: `{"L":[{"L":[…]}]}`.
fn nested_list(depth: usize) -> String {
    format!("{}{}{}", r#"{"L":["#.repeat(depth), r#"{"N":"1"}"#, "]}".repeat(depth))
}

#[tokio::test]
async fn malformed_and_mistyped_requests_get_serialization_errors() {
    let up = Up::start(&["--ephemeral"]);
    let mut connection = table(up.region(REGION)).await;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"text\"",
        "{\"TableName\": \"things\", \"Item\": ",
        "\u{0}\u{1}\u{2}",
        r#"{"TableName": 7, "Item": {"id": {"S": "x"}}}"#,
        r#"{"TableName": "things", "Item": "text"}"#,
        r#"{"TableName": "things", "Item": {"id": {"S": 7}}}"#,
        r#"{"TableName": "things", "Item": {"id": "x"}}"#,
    ] {
        let answer = connection
            .call("PutItem", body)
            .await
            .expect("an answer, on the same connection");
        let (status, kind, _) = error(&answer);
        assert_eq!(status, 400, "{body}");
        assert!(
            kind == "SerializationException" || kind == "ValidationException",
            "{body}: {kind}"
        );
    }
    still_serves(up.region(REGION)).await;
}

#[tokio::test]
async fn wrong_values_get_validation_errors() {
    let up = Up::start(&["--ephemeral"]);
    let mut connection = table(up.region(REGION)).await;
    let big = "x".repeat(400 * 1024);
    let cases: &[(&str, Value, &str)] = &[
        (
            "PutItem",
            json!({"TableName": "things", "Item": {"id": {"S": "x"}, "big": {"S": big}}}),
            "Item size has exceeded the maximum allowed size",
        ),
        (
            "PutItem",
            json!({"TableName": "things", "Item": {"id": {"N": "1"}}}),
            "Type mismatch for key id expected: S actual: N",
        ),
        (
            "PutItem",
            json!({"TableName": "things", "Item": {"id": {"S": ""}}}),
            "empty string value",
        ),
        (
            "PutItem",
            json!({"TableName": "things", "Item": {"id": {"S": "x"}, "n": {"N": "one"}}}),
            "cannot be converted to a numeric value",
        ),
        (
            "PutItem",
            json!({"TableName": "things", "Item": {"id": {"S": "x"}, "s": {"SS": []}}}),
            "may not be empty",
        ),
        (
            "GetItem",
            json!({"TableName": "things", "Key": {"other": {"S": "x"}}}),
            "The provided key element does not match the schema",
        ),
        ("GetItem", json!({"TableName": "things"}), "1 validation error detected"),
        (
            "Scan",
            json!({"TableName": "things", "Limit": 0}),
            "greater than or equal to 1",
        ),
        (
            "PutItem",
            json!({"TableName": "things", "Item": {"id": {"S": "x"}}, "ReturnValues": "EVERYTHING"}),
            "returnValues",
        ),
    ];
    for (operation, body, expected) in cases {
        let answer = connection.call(operation, &body.to_string()).await.expect("an answer");
        let (status, kind, message) = error(&answer);
        assert_eq!(
            (status, kind.as_str()),
            (400, "ValidationException"),
            "{operation}: {message}"
        );
        assert!(
            message.contains(expected),
            "{operation}: `{message}` does not say `{expected}`"
        );
    }
    still_serves(up.region(REGION)).await;
}

#[tokio::test]
async fn unknown_tables_and_operations_are_named_as_such() {
    let up = Up::start(&["--ephemeral"]);
    let mut connection = table(up.region(REGION)).await;
    let missing = connection
        .call("GetItem", r#"{"TableName": "nowhere", "Key": {"id": {"S": "x"}}}"#)
        .await
        .expect("an answer");
    assert_eq!(error(&missing).1, "ResourceNotFoundException");
    let unknown = connection.call("MakeCoffee", "{}").await.expect("an answer");
    assert_eq!(error(&unknown).1, "UnknownOperationException");
    still_serves(up.region(REGION)).await;
}

#[tokio::test]
async fn nesting_ten_thousand_deep_is_refused_without_harm() {
    let up = Up::start(&["--ephemeral"]);
    let mut connection = table(up.region(REGION)).await;
    for depth in [33, 100, 10_000] {
        let body = format!(
            r#"{{"TableName": "things", "Item": {{"id": {{"S": "deep"}}, "d": {}}}}}"#,
            nested_list(depth)
        );
        let answer = connection.call("PutItem", &body).await.expect("an answer");
        assert_eq!(answer.status, 400, "a document {depth} deep: {}", answer.json());
    }
    let in_limits = format!(
        r#"{{"TableName": "things", "Item": {{"id": {{"S": "deep"}}, "d": {}}}}}"#,
        nested_list(31)
    );
    let accepted = connection.call("PutItem", &in_limits).await.expect("an answer");
    assert_eq!(accepted.status, 200, "{}", accepted.json());

    let parentheses = format!("{}id = :x{}", "(".repeat(10_000), ")".repeat(10_000));
    let negations = format!("{} id = :x", "NOT ".repeat(10_000));
    let path = format!("a{} = :x", "[0]".repeat(10_000));
    for condition in [parentheses, negations, path] {
        let body = json!({
            "TableName": "things", "Item": {"id": {"S": "x"}}, "ConditionExpression": condition, "ExpressionAttributeValues": {":x": {"S": "x"}},
        });
        let answer = connection.call("PutItem", &body.to_string()).await.expect("an answer");
        let (status, kind, message) = error(&answer);
        assert_eq!((status, kind.as_str()), (400, "ValidationException"), "{message}");
    }
    still_serves(up.region(REGION)).await;
}

#[tokio::test]
async fn half_a_request_does_no_harm() {
    let up = Up::start(&["--ephemeral"]);
    let endpoint = up.region(REGION);
    drop(table(endpoint).await);
    let authority = endpoint.trim_start_matches("http://");
    for half in [
        "POST / HT",
        "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\nContent-Length: 1000\r\n\r\n{\"TableName\": \"things\", ",
    ] {
        let mut stream = TcpStream::connect(authority).await.expect("the server is there");
        stream.write_all(half.as_bytes()).await.expect("it reads");
        stream.shutdown().await.expect("the other half never comes");
        let mut rest = Vec::new();
        // The server closes the connection, with an error or without; it does not hang.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(
            !String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"),
            "half a request was executed"
        );
    }
    let mut stream = TcpStream::connect(authority).await.expect("the server is there");
    stream
        .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no HTTP\r\n\r\n")
        .await
        .expect("it reads");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"));
    still_serves(endpoint).await;
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let up = Up::start(&["--ephemeral"]);
    drop(table(up.region(REGION)).await);
    let mut connection = Connection::open(up.region(REGION), REGION)
        .await
        .expect("the server is there");
    let body = format!(
        r#"{{"TableName": "things", "Item": {{"id": {{"S": "x"}}, "v": {{"S": "{}"}}}}}}"#,
        "x".repeat(17 << 20)
    );
    // The server may answer and close before it has read everything, but it must not accept the
    // item.
    if let Ok(answer) = connection.call("PutItem", &body).await {
        assert!((400..500).contains(&answer.status), "{}", answer.head);
    }
    still_serves(up.region(REGION)).await;
}

#[tokio::test]
async fn garbage_on_the_replication_port_is_refused() {
    let up = Up::start(&["--ephemeral"]);
    drop(table(up.region(REGION)).await);
    let authority = up.replication(REGION).trim_start_matches("http://");
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        &[0; 4096],
    ] {
        let mut stream = TcpStream::connect(authority).await.expect("the server is there");
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    still_serves(up.region(REGION)).await;
}
