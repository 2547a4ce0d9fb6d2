//! For each operation: a valid request, everything that can be wrong with it, and which of two
//! faults is reported.
//!
//! DynamoDB checks a request in steps: the types of its members, their constraints, its attribute
//! values, the combination of parameters and the expressions, whether the table exists, and then
//! the request's demands on the table. The first step that finds a fault answers. Where DynamoDB's
//! order is unknown, these tests pin ours. The faults of an operation therefore form a ladder, from
//! those reported first to those reported last.

mod definitions;
mod items;
mod many;
mod statements;
mod streams;
mod values;

use serde_json::{Value, json};

use crate::support::{Client, Running};

/// A fault of a request: members to set (null: to remove), and a part of the message.
type Fault = (Value, &'static str);

/// Sends a request to either service.
async fn call(client: &mut Client, operation: &str, request: &Value) -> (u16, String) {
    let service = match operation {
        "ListStreams" | "DescribeStream" | "GetShardIterator" | "GetRecords" => "DynamoDBStreams_20120810",
        _ => "DynamoDB_20120810",
    };
    let bytes = crate::support::request(operation, &request.to_string()).replace("DynamoDB_20120810", service);
    let answer = client.ask(bytes).await;
    (answer.status, answer.text().to_owned())
}

/// A server with a table whose items have the keys `a` (S) and `b` (N), an index `by-c`, and a
/// stream.
async fn music() -> (Running, Client) {
    let server = Running::in_memory();
    let mut client = server.connect();
    let table = json!({
        "TableName": "Music",
        "AttributeDefinitions": [
            {"AttributeName": "a", "AttributeType": "S"},
            {"AttributeName": "b", "AttributeType": "N"},
            {"AttributeName": "c", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-c",
            "KeySchema": [{"AttributeName": "c", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
    });
    let (status, body) = call(&mut client, "CreateTable", &table).await;
    assert_eq!(status, 200, "{body}");
    (server, client)
}

fn apply(request: &mut Value, fault: &Value) {
    for (name, value) in fault.as_object().unwrap() {
        if value.is_null() {
            request.as_object_mut().unwrap().remove(name);
        } else {
            request[name] = value.clone();
        }
    }
}

fn share_a_member(one: &Value, other: &Value) -> bool {
    let other = other.as_object().unwrap();
    one.as_object().unwrap().keys().any(|name| other.contains_key(name))
}

/// Asserts that a request is valid, that each fault alone is reported, and that of two faults the
/// earlier one in the list is.
async fn ladder(client: &mut Client, operation: &str, request: Value, faults: &[Fault]) {
    for (position, (fault, words)) in faults.iter().enumerate() {
        let mut alone = request.clone();
        apply(&mut alone, fault);
        let (status, body) = call(client, operation, &alone).await;
        assert!(
            status == 400 && body.contains(words),
            "{operation} {alone}: {status} {body}, not {words}"
        );
        for (later, _) in faults[position + 1..]
            .iter()
            .filter(|(later, _)| !share_a_member(fault, later))
        {
            let mut both = request.clone();
            apply(&mut both, later);
            apply(&mut both, fault);
            let (_, body) = call(client, operation, &both).await;
            assert!(body.contains(words), "{operation} {both}: {body}, not {words}");
        }
    }
    let (status, body) = call(client, operation, &request).await;
    assert_eq!(status, 200, "{operation} {request}: {body}");
}
