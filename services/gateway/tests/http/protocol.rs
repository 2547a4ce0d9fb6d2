//! Answers to valid and invalid requests, byte for byte where DynamoDB's own bytes are known.

use std::sync::Arc;

use beringia_endpoint::{Authentication, ConnectionLimits, OneRegion};
use serde_json::{Value, json};

use crate::support::{EmptyStore, ReceivedAnswer, Running, gateway, request, services, signed};

/// A request with exactly these header lines and this body.
fn bare(method: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} / HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

const JSON: &str = "content-type: application/json\r\n";
const AMZ_JSON: &str = "content-type: application/x-amz-json-1.0\r\n";

/// Asserts that an answer is DynamoDB's, by its known checksum.
#[track_caller]
fn is_dynamodbs(answer: &ReceivedAnswer, exception: &str, checksum: &str, content_type: &str) {
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["__type"], format!("com.amazon.coral.service#{exception}"));
    assert_eq!(answer.header("x-amz-crc32"), Some(checksum), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some(content_type));
}

#[tokio::test]
async fn answer_has_id_date_and_checksum() {
    let server = Running::start();
    let answer = server.connect().call("ListTables", &json!({})).await;
    assert_eq!((answer.status, answer.text()), (200, "{\"TableNames\":[]}"));
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.0"));
    assert_eq!(answer.header("date"), Some("Thu, 29 Feb 2024 23:59:58 GMT"));
    assert_eq!(
        answer.header("x-amz-crc32"),
        Some(crc32fast::hash(&answer.body).to_string().as_str())
    );
    assert_eq!(answer.header("x-amzn-requestid").map(str::len), Some(52));
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = Running::start();
    let mut client = server.connect();
    let first = client.call("ListTables", &json!({})).await;
    let failed = client.call("DescribeTable", &json!({"TableName": "Music"})).await;
    let last = client.call("ListTables", &json!({})).await;
    assert_eq!(failed.exception(), "ResourceNotFoundException");
    assert_eq!((first.status, last.status), (200, 200));
    assert_ne!(first.header("x-amzn-requestid"), last.header("x-amzn-requestid"));
    // Two requests sent together are answered in order.
    client
        .send([request("ListTables", "{}"), request("Nothing", "{}")].concat())
        .await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.answer().await.status, 400);
}

#[tokio::test]
async fn the_same_seed_and_the_same_requests_give_the_same_bytes() {
    let run = async || {
        let server = Running::start();
        let mut client = server.connect();
        let mut answers = Vec::new();
        for body in [json!({}), json!({"Limit": 0}), json!({"Limit": "x"})] {
            answers.push(client.call("ListTables", &body).await);
        }
        answers
    };
    assert_eq!(run().await, run().await);
}

#[tokio::test]
async fn a_get_is_a_health_check() {
    let server = Running::start();
    let mut client = server.connect();
    let answer = client.ask(bare("GET", "", "")).await;
    assert_eq!((answer.status, answer.text()), (200, "healthy: localhost "));
    assert_eq!(answer.header("content-length"), Some("19"));
    assert!(answer.header("x-amz-crc32").is_some() && answer.header("x-amzn-requestid").is_some());
    let answer = client.ask("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(answer.text(), "healthy: dynamodb.eu-west-1.amazonaws.com ");
}

#[tokio::test]
async fn unknown_methods_paths_and_types_are_not_found() {
    let server = Running::start();
    let mut client = server.connect();
    let requests = [
        bare("PUT", "", ""),
        bare("DELETE", "", ""),
        bare("OPTIONS", "", ""),
        bare("GET", "", "").replace("GET /", "GET /index.html"),
        request("ListTables", "{}").replace("POST /", "POST /v1"),
        bare("POST", "", "hi"),
        bare("POST", "content-type: whatever\r\n", "hi"),
        bare("POST", "content-type: application/x-amz-json-1.1\r\n", "hi"),
        bare("POST", "content-type: application/jsonasdf\r\n", "hi"),
    ];
    for request in requests {
        let answer = client.ask(&request).await;
        assert_eq!(
            (answer.status, answer.text()),
            (404, "<UnknownOperationException/>\n"),
            "{request}"
        );
        assert_eq!(answer.header("x-amz-crc32"), Some("3552371480"));
    }
}

#[tokio::test]
async fn body_that_is_not_a_json_object_fails_to_deserialize() {
    let server = Running::start();
    let mut client = server.connect();
    for (content_type, answers_in) in [
        (JSON, "application/json"),
        (AMZ_JSON, "application/x-amz-json-1.0"),
        ("content-type: application/json;\r\n", "application/json"),
        ("content-type:   application/json  ;   asfd\r\n", "application/json"),
        (
            "content-type: application/x-amz-json-1.0;blahblah\r\n",
            "application/x-amz-json-1.0",
        ),
    ] {
        let answer = client.ask(bare("POST", content_type, "hi")).await;
        is_dynamodbs(&answer, "SerializationException", "3948637019", answers_in);
    }
    for body in [
        "[]",
        "\"text\"",
        "null",
        "1",
        "{",
        "{}{}",
        "{\"a\":}",
        "{\"a\":\"\\ud800\"}",
    ] {
        let answer = client.ask(request("ListTables", body)).await;
        assert_eq!(
            (answer.status, answer.exception().as_str()),
            (400, "SerializationException"),
            "{body}"
        );
    }
    let not_utf8 = [
        request("ListTables", "????").trim_end_matches("????").as_bytes(),
        b"\"\xff\xfe\"",
    ]
    .concat();
    assert_eq!(client.ask(not_utf8).await.exception(), "SerializationException");
}

#[tokio::test]
async fn document_nested_ten_thousand_deep_only_gets_an_error() {
    let server = Running::start();
    let mut client = server.connect();
    let nested = |open: &str, close: &str| format!("{{\"Item\":{}1{}}}", open.repeat(10_000), close.repeat(10_000));
    for body in [
        nested("[", "]"),
        nested("{\"M\":{\"a\":", "}}"),
        format!("{{\"Item\":{}", "[".repeat(100_000)),
    ] {
        let answer = client.ask(request("PutItem", &body)).await;
        assert_eq!(
            (answer.status, answer.exception().as_str()),
            (400, "SerializationException")
        );
    }
    assert_eq!(client.call("ListTables", &json!({})).await.status, 200);
}

#[tokio::test]
async fn deepest_item_that_dynamodb_accepts_is_read() {
    let server = Running::start();
    let mut client = server.connect();
    let nested = |levels: usize| {
        (1..levels).fold(json!({"S": "deep"}), |inner, level| {
            if level % 2 == 0 {
                json!({"L": [inner]})
            } else {
                json!({"M": {"a": inner}})
            }
        })
    };
    let put = |levels| json!({"TransactItems": [{"Put": {"TableName": "Music", "Item": {"a": nested(levels)}}}]});
    // The only fault is that the table does not exist.
    let deepest = client.call("TransactWriteItems", &put(32)).await;
    assert_eq!(deepest.exception(), "ResourceNotFoundException", "{}", deepest.text());
    let deeper = client.call("TransactWriteItems", &put(33)).await;
    assert_eq!(deeper.exception(), "ValidationException");
    let message = deeper.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("nested levels beyond supported limit"), "{message}");
}

#[tokio::test]
async fn nonexistent_operation_is_unknown() {
    let server = Running::start();
    let mut client = server.connect();
    let without = |content_type: &str| bare("POST", content_type, "{}");
    let known = "1368724161";
    is_dynamodbs(
        &client.ask(bare("POST", "", "")).await,
        "UnknownOperationException",
        known,
        "application/json",
    );
    is_dynamodbs(
        &client.ask(without(JSON)).await,
        "UnknownOperationException",
        known,
        "application/json",
    );
    let amz = client.ask(without(AMZ_JSON)).await;
    is_dynamodbs(&amz, "UnknownOperationException", known, "application/x-amz-json-1.0");
    let answer = client.call("ListTable", &json!({})).await;
    is_dynamodbs(
        &answer,
        "UnknownOperationException",
        known,
        "application/x-amz-json-1.0",
    );
    let later = client.call("ImportTable", &json!({})).await;
    assert_eq!(later.exception(), "UnknownOperationException");
    assert_eq!(
        later.json()["message"],
        "The operation ImportTable is not supported yet."
    );
}

#[tokio::test]
async fn faults_are_reported_in_dynamodbs_order() {
    let server = Running::start();
    let mut client = server.connect();
    let list = "x-amz-target: DynamoDB_20120810.ListTables\r\n";
    let nothing = client.ask(bare("POST", &format!("{JSON}{list}"), "")).await;
    is_dynamodbs(
        &nothing,
        "MissingAuthenticationTokenException",
        "2088342776",
        "application/json",
    );
    assert_eq!(nothing.json()["message"], "Request is missing Authentication Token");
    let bad_json = client.ask(bare("POST", &format!("{JSON}{list}"), "hi")).await;
    assert_eq!(bad_json.exception(), "SerializationException");
    let bad_target = client.ask(bare("POST", AMZ_JSON, "{}")).await;
    assert_eq!(bad_target.exception(), "UnknownOperationException");
    let no_body = client.ask(request("ListTables", "")).await;
    assert_eq!(no_body.exception(), "SerializationException");
    let bad_value = client.call("ListTables", &json!({"Limit": 0})).await;
    assert_eq!(bad_value.exception(), "ValidationException");
    let unsigned = client
        .ask(bare("POST", &format!("{AMZ_JSON}{list}"), "{\"Limit\":0}"))
        .await;
    assert_eq!(unsigned.exception(), "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn every_operation_reads_its_request() {
    let server = Running::start();
    let mut client = server.connect();
    let key = json!({"pk": {"S": "a"}});
    let named = |more: Value| {
        let mut request = json!({"TableName": "Music"});
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        request
    };
    let update = json!({"Key": key, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"N": "1"}}});
    let query = json!({"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}});
    let requests = [
        ("DescribeTable", named(json!({}))),
        ("GetItem", named(json!({"Key": key}))),
        ("PutItem", named(json!({"Item": key}))),
        ("UpdateItem", named(update)),
        ("DeleteItem", named(json!({"Key": key}))),
        ("Query", named(query)),
        ("Scan", named(json!({}))),
        ("BatchGetItem", json!({"RequestItems": {"Music": {"Keys": [key]}}})),
        (
            "BatchWriteItem",
            json!({"RequestItems": {"Music": [{"DeleteRequest": {"Key": key}}]}}),
        ),
        (
            "TransactGetItems",
            json!({"TransactItems": [{"Get": named(json!({"Key": key}))}]}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [{"Put": named(json!({"Item": key}))}]}),
        ),
    ];
    for (operation, request) in requests {
        let answer = client.call(operation, &request).await;
        assert_eq!(
            answer.exception(),
            "ResourceNotFoundException",
            "{operation}: {}",
            answer.text()
        );
        assert_eq!(
            answer.json()["__type"],
            "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"
        );
    }
}

#[tokio::test]
async fn verified_requests_need_the_right_secret() {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned();
    let authentication = Authentication::Verify([("AKIDEXAMPLE".to_owned(), secret)].into());
    let resolver = Arc::new(OneRegion(services(
        gateway(EmptyStore::new("eu-west-1")),
        authentication,
    )));
    let server = Running::with(resolver, ConnectionLimits::default());
    let mut client = server.connect();
    // Botocore's signature of DescribeTable for localhost:8001 at this time.
    let good = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240229/eu-west-1/dynamodb/aws4_request, \
                SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
                Signature=5311b9249ece0e94c16b36d5a7e8716f43e88f8c1fda577903e4e3eac6f33f86";
    let ask = |authorization: &str| {
        signed(authorization, "DescribeTable", "{\"TableName\": \"Music\"}")
            .replace("host: localhost\r\n", "host: localhost:8001\r\n")
    };
    assert_eq!(client.ask(ask(good)).await.exception(), "ResourceNotFoundException");
    assert_eq!(
        client.ask(ask(&good.replace("5311", "5312"))).await.exception(),
        "InvalidSignatureException"
    );
    assert_eq!(
        client.ask(ask(&good.replace("AKIDE", "AKIDF"))).await.exception(),
        "UnrecognizedClientException"
    );
}
