//! Whole answers that DynamoDB was seen to give to requests of real clients: status, exception and
//! message, and that a refused request writes nothing.

mod empty;
mod index_filters;
mod key_paths;
mod order;
mod sizes;
mod statements;
mod wording;

use serde_json::{Value, json};

use crate::support::{Client, Running};

/// A server with two tables that have one item each. `songs` has the keys `pk` and `sk` (S); the
/// global indexes `gsi`, which copies `copied`, `gsi-keys`, which copies only keys, and `gsi-all`,
/// which copies everything, on `gk`; and a local index `lsi` on `lk` that copies only keys. `flat`
/// has the key `b` (S).
async fn songs() -> (Running, Client) {
    let server = Running::in_memory();
    let mut client = server.connect();
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name: &str, role: &str| json!({"AttributeName": name, "KeyType": role});
    let global = |name: &str, projection: Value| json!({"IndexName": name, "KeySchema": [key("gk", "HASH")], "Projection": projection});
    let tables = [
        json!({
            "TableName": "songs",
            "AttributeDefinitions": [attribute("pk"), attribute("sk"), attribute("gk"), attribute("lk")],
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "GlobalSecondaryIndexes": [
                global("gsi", json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["copied"]})),
                global("gsi-keys", json!({"ProjectionType": "KEYS_ONLY"})),
                global("gsi-all", json!({"ProjectionType": "ALL"})),
            ],
            "LocalSecondaryIndexes": [{
                "IndexName": "lsi",
                "KeySchema": [key("pk", "HASH"), key("lk", "RANGE")],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
            "BillingMode": "PAY_PER_REQUEST",
        }),
        json!({
            "TableName": "flat",
            "AttributeDefinitions": [attribute("b")],
            "KeySchema": [key("b", "HASH")],
            "BillingMode": "PAY_PER_REQUEST",
        }),
    ];
    for table in tables {
        done(&mut client, "CreateTable", &table).await;
    }
    let item = json!({
        "pk": {"S": "p"}, "sk": {"S": "s"}, "gk": {"S": "g"}, "lk": {"S": "l"},
        "copied": {"S": "c"}, "uncopied": {"S": "o"}, "map": {"M": {"in": {"S": "i"}}},
    });
    done(&mut client, "PutItem", &json!({"TableName": "songs", "Item": item})).await;
    let item = json!({"b": {"S": "x"}, "c": {"S": "y"}});
    done(&mut client, "PutItem", &json!({"TableName": "flat", "Item": item})).await;
    (server, client)
}

/// The answer to a request that must succeed.
async fn done(client: &mut Client, operation: &str, request: &Value) -> Value {
    let answer = client.call(operation, request).await;
    assert_eq!(answer.status, 200, "{operation} {request}: {}", answer.text());
    answer.json()
}

/// All items of both tables.
async fn everything(client: &mut Client) -> [Value; 2] {
    let songs = done(client, "Scan", &json!({"TableName": "songs"})).await;
    let flat = done(client, "Scan", &json!({"TableName": "flat"})).await;
    [songs, flat]
}

/// Asserts that the request is refused with a ValidationException of this message, and that
/// nothing was written.
async fn refused(client: &mut Client, operation: &str, request: Value, message: &str) {
    let before = everything(client).await;
    let answer = client.call(operation, &request).await;
    let body = json!({"__type": "com.amazon.coral.validate#ValidationException", "message": message});
    assert_eq!((answer.status, answer.json()), (400, body), "{operation} {request}");
    assert_eq!(
        everything(client).await,
        before,
        "{operation} {request} wrote something"
    );
}

/// Asserts that the transaction is cancelled with a `ValidationError` for its action at `index`
/// and no reason for the others, and that nothing was written.
async fn cancelled(client: &mut Client, operation: &str, request: Value, index: usize, message: &str) {
    let before = everything(client).await;
    let answer = client.call(operation, &request).await;
    let actions = request.get("TransactItems").or(request.get("TransactStatements"));
    let mut codes = vec!["None"; actions.and_then(Value::as_array).unwrap().len()];
    codes[index] = "ValidationError";
    let mut reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code})).collect();
    reasons[index]["Message"] = json!(message);
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": reasons,
        "Message": format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
    });
    assert_eq!((answer.status, answer.json()), (400, body), "{operation}");
    assert_eq!(everything(client).await, before, "{operation} wrote something");
}

/// `request` with more members.
fn with(mut request: Value, members: Value) -> Value {
    let Value::Object(members) = members else {
        panic!("the members must be a JSON object")
    };
    request.as_object_mut().unwrap().extend(members);
    request
}
