//! Compressed bodies, scripts of web pages, oversized heads, and the address of the endpoint.

use std::io::{Read, Write};

use flate2::{Compression, read, write};
use serde_json::json;

use crate::support::{Running, request};

/// The request with another body and additional header lines.
fn with_body(operation: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = request(operation, "").replace("content-length: 0\r\n", "");
    let head = head.trim_end();
    let mut bytes = format!("{head}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_request_is_read_and_broken_one_rejected() {
    let server = Running::in_memory();
    let mut client = server.connect();
    let table = json!({
        "TableName": "Music", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
    });
    let coded = gzip(&table.to_string());
    let broken = &coded[..coded.len() - 1];
    let headers = "content-encoding: gzip\r\n";
    let answer = client.ask(with_body("CreateTable", headers, broken)).await;
    assert_eq!(answer.status, 500);
    let names = client.call("ListTables", &json!({})).await.json();
    assert_eq!(names, json!({"TableNames": []}));
    let answer = client.ask(with_body("CreateTable", headers, &coded)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let names = client.call("ListTables", &json!({})).await.json();
    assert_eq!(names, json!({"TableNames": ["Music"]}));
}

#[tokio::test]
async fn small_body_that_decompresses_beyond_limit_is_rejected() {
    let server = Running::start();
    let body = gzip(&format!("{{{}}}", " ".repeat(17 << 20)));
    assert!(body.len() < 1 << 20);
    let mut client = server.connect();
    let answer = client
        .ask(with_body("ListTables", "content-encoding: gzip\r\n", &body))
        .await;
    let error = "{\"__type\":\"com.amazon.coral.service#RequestEntityTooLargeException\"}";
    let length = error.len().to_string();
    let headers = [
        ("content-length", &*length),
        ("content-type", "application/x-amz-json-1.0"),
    ];
    answer.is_exactly(413, &headers, error);
    assert_eq!(client.call("ListTables", &json!({})).await.status, 200);
}

#[tokio::test]
async fn large_answer_is_compressed_on_request() {
    let server = Running::in_memory();
    let mut client = server.connect();
    let definition = json!([{"AttributeName": "a", "AttributeType": "S"}]);
    for i in 0..100 {
        let table = json!({
            "TableName": format!("A-table-whose-name-is-long-enough-to-fill-an-answer-soon-{i:03}"),
            "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": definition,
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        });
        assert_eq!(client.call("CreateTable", &table).await.status, 200);
    }
    let plain = client.call("ListTables", &json!({})).await;
    assert_eq!(plain.header("content-encoding"), None);
    for coding in ["gzip", "deflate"] {
        let headers = format!("accept-encoding: br, {coding}\r\n");
        let coded = client.ask(with_body("ListTables", &headers, b"{}")).await;
        assert_eq!(coded.header("content-encoding"), Some(coding));
        let checksum = crc32fast::hash(&coded.body).to_string();
        assert_eq!(coded.header("x-amz-crc32"), Some(checksum.as_str()));
        assert!(coded.body.len() < plain.body.len() / 4);
        let mut decoded = Vec::new();
        match coding {
            "gzip" => read::GzDecoder::new(coded.body.as_slice()).read_to_end(&mut decoded),
            _ => read::ZlibDecoder::new(coded.body.as_slice()).read_to_end(&mut decoded),
        }
        .unwrap();
        assert_eq!(decoded, plain.body);
        let small = client.ask(with_body("ListTables", &headers, b"{\"Limit\":1}")).await;
        assert_eq!(small.header("content-encoding"), None);
    }
}

#[tokio::test]
async fn scripts_of_web_pages_may_ask() {
    let server = Running::start();
    let mut client = server.connect();
    let preflight = "OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: http://a.example\r\naccess-control-request-method: \
                     POST\r\naccess-control-request-headers: x-amz-target, authorization\r\n\r\n";
    let allowed = client.ask(preflight).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("*"));
    assert_eq!(allowed.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(
        allowed.header("access-control-allow-headers"),
        Some("x-amz-target, authorization")
    );
    assert_eq!(allowed.header("access-control-max-age"), Some("172800"));
    let answer = client
        .ask(with_body("ListTables", "origin: http://a.example\r\n", b"{}"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("access-control-expose-headers").is_some());
    assert_eq!(answer.header("access-control-max-age"), None);
    let plain = client.call("ListTables", &json!({})).await;
    assert_eq!(plain.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Running::start();
    let long = |bytes: usize| format!("x-1: {}\r\nx-2: {}\r\n", "a".repeat(bytes / 2), "b".repeat(bytes / 2));
    let fits = server
        .connect()
        .ask(with_body("ListTables", &long(15_000), b"{}"))
        .await;
    assert_eq!(fits.status, 200);
    let refused = server
        .connect()
        .ask(with_body("ListTables", &long(17_000), b"{}"))
        .await;
    assert_eq!((refused.status, refused.header("connection")), (400, Some("close")));
    let line = request("ListTables", "{}").replace("POST /", &format!("POST /{}", "a".repeat(17_000)));
    assert_eq!(server.connect().ask(line).await.status, 400);
}

/// DescribeLimits returns DynamoDB's limits.
#[tokio::test]
async fn describe_endpoints_returns_the_address_that_was_used() {
    let server = Running::start();
    let mut client = server.connect();
    let endpoints = client.call("DescribeEndpoints", &json!({})).await.json();
    assert_eq!(
        endpoints,
        json!({"Endpoints": [{"Address": "localhost", "CachePeriodInMinutes": 1440}]})
    );
    let limits = client.call("DescribeLimits", &json!({})).await.json();
    assert_eq!(
        limits,
        json!({
            "AccountMaxReadCapacityUnits": 80000, "AccountMaxWriteCapacityUnits": 80000,
            "TableMaxReadCapacityUnits": 40000, "TableMaxWriteCapacityUnits": 40000,
        })
    );
}
