//! A small DynamoDB client: one request per connection, with a signature that only the development
//! mode accepts.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::process::{PATIENCE, Server};

/// Calls an operation; returns the status and the body of the answer.
pub(crate) fn call(endpoint: &str, region: &str, operation: &str, body: &Value) -> (u16, Value) {
    let headers =
        format!("content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n");
    exchange(
        endpoint,
        region,
        "dynamodb",
        &format!("POST / HTTP/1.1\r\n{headers}"),
        body,
    )
}

/// Sends a request that begins with `head`; returns the status and the body of the answer.
pub(crate) fn exchange(endpoint: &str, region: &str, service: &str, head: &str, body: &Value) -> (u16, Value) {
    try_exchange(endpoint, region, service, head, body).unwrap()
}

/// As [`call`], where the region may not answer.
pub(crate) fn try_call(endpoint: &str, region: &str, operation: &str, body: &Value) -> io::Result<(u16, Value)> {
    let head = format!(
        "POST / HTTP/1.1\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n"
    );
    try_exchange(endpoint, region, "dynamodb", &head, body)
}

fn try_exchange(endpoint: &str, region: &str, service: &str, head: &str, body: &Value) -> io::Result<(u16, Value)> {
    let host = endpoint.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{head}host: {host}\r\nconnection: close\r\nx-amz-date: 20260101T000000Z\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=any/20260101/{region}/{service}/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature=0000000000000000000000000000000000000000000000000000000000000000\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// Sends a request that must succeed.
pub(crate) fn ask(endpoint: &str, region: &str, operation: &str, body: &Value) -> Value {
    let (status, answer) = call(endpoint, region, operation, body);
    assert_eq!(status, 200, "{operation} {body} in {region}: {answer}");
    answer
}

/// Creates a table with replicas; `converge` waits until all regions hold the same data.
pub(crate) fn global_table(endpoint: &str, home: &str, others: &[&str], converge: impl Fn()) {
    ask(
        endpoint,
        home,
        "CreateTable",
        &json!({
            "TableName": "Things", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        }),
    );
    for region in others {
        let create = json!({"TableName": "Things", "ReplicaUpdates": [{"Create": {"RegionName": region}}]});
        ask(endpoint, home, "UpdateTable", &create);
        converge();
    }
}

/// Puts an item with a value.
pub(crate) fn put(endpoint: &str, region: &str, pk: &str, value: &str) {
    let item = json!({"TableName": "Things", "Item": {"pk": {"S": pk}, "v": {"S": value}}});
    ask(endpoint, region, "PutItem", &item);
}

/// The value of an item; `None` if there is no item.
pub(crate) fn get(endpoint: &str, region: &str, pk: &str) -> Option<String> {
    let key = json!({"TableName": "Things", "Key": {"pk": {"S": pk}}, "ConsistentRead": true});
    ask(endpoint, region, "GetItem", &key)["Item"]["v"]["S"]
        .as_str()
        .map(str::to_owned)
}

/// A running `up` with a table that has a replica in every region.
pub(crate) fn up_with_table(arguments: &[&str]) -> Server {
    let up = Server::up(arguments);
    global_table(up.endpoint(), "us-east-1", &["eu-west-1", "ap-northeast-1"], || {
        converge(&up);
    });
    up
}

/// Waits until all regions hold the same data.
pub(crate) fn converge(server: &Server) {
    assert_eq!(server.json(&["converge", "--timeout", "60"])[0]["converged"], true);
}
