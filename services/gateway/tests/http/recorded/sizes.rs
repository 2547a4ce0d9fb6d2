//! Items near the limit of 400 KB.

use serde_json::{Value, json};

use super::{cancelled, done, refused, songs};

const LIMIT: usize = 400 * 1024;
const TOO_LARGE: &str = "Item size has exceeded the maximum allowed size";
const UPDATE_TOO_LARGE: &str = "Item size to update has exceeded the maximum allowed size";

fn text(length: usize) -> Value {
    json!({"S": "x".repeat(length)})
}

/// Updates of `flat` that make an item of `size` bytes, of which `key` are those of the key's name
/// and value: as an expression, as a legacy parameter and as a statement.
fn updates(key: usize, size: usize) -> [(&'static str, Value); 4] {
    let key_value = text(key - 1);
    let value = text(size - key - 1);
    let update = json!({
        "TableName": "flat", "Key": {"b": key_value}, "UpdateExpression": "SET v = :v",
        "ExpressionAttributeValues": {":v": value},
    });
    let legacy = json!({
        "TableName": "flat", "Key": {"b": key_value}, "AttributeUpdates": {"v": {"Action": "PUT", "Value": value}},
    });
    let statement = json!({"Statement": "UPDATE flat SET v = ? WHERE b = ?", "Parameters": [value, key_value]});
    [
        ("TransactWriteItems", json!({"TransactItems": [{"Update": update}]})),
        ("UpdateItem", update),
        ("UpdateItem", legacy),
        ("ExecuteStatement", statement),
    ]
}

/// A SET costs 22 bytes besides what it writes, which count instead of the key if that is smaller.
#[tokio::test]
async fn update_is_limited_by_what_it_writes_or_by_the_item() {
    let (_server, mut client) = songs().await;
    for (key, most) in [(3, LIMIT - 19), (21, LIMIT - 1), (22, LIMIT), (100, LIMIT)] {
        let existing = json!({"TableName": "flat", "Item": {"b": text(key - 1)}});
        done(&mut client, "PutItem", &existing).await;
        for (operation, request) in updates(key, most + 1) {
            if operation == "TransactWriteItems" {
                cancelled(&mut client, operation, request, 0, UPDATE_TOO_LARGE).await;
            } else {
                refused(&mut client, operation, request, UPDATE_TOO_LARGE).await;
            }
        }
        for (operation, request) in updates(key, most) {
            done(&mut client, operation, &request).await;
        }
        let remove = json!({"TableName": "flat", "Key": {"b": text(key - 1)}});
        done(&mut client, "DeleteItem", &remove).await;
    }
}

/// Every action has a cost of its own: 19 bytes of SET and ADD, 2 bytes of REMOVE and DELETE.
#[tokio::test]
async fn each_action_of_an_update_counts() {
    let (_server, mut client) = songs().await;
    let update = |length: usize, more: &str| {
        json!({
            "TableName": "flat", "Key": {"b": {"S": "x"}}, "UpdateExpression": format!("SET v = :v {more}"),
            "ExpressionAttributeValues": {":v": text(length)},
        })
    };
    // The name of the attribute that is removed counts, too.
    for (more, cost) in [("", 0), ("REMOVE c", 3), ("REMOVE c, dd", 7)] {
        let most = LIMIT - 3 - 19 - 1 - cost;
        refused(&mut client, "UpdateItem", update(most + 1, more), UPDATE_TOO_LARGE).await;
        done(&mut client, "UpdateItem", &update(most, more)).await;
    }
}

#[tokio::test]
async fn transactions_refuse_a_put_above_the_limit() {
    let (_server, mut client) = songs().await;
    let put = |length: usize| json!({"Put": {"TableName": "flat", "Item": {"b": {"S": "n"}, "v": text(length)}}});
    let other = json!({"Put": {"TableName": "flat", "Item": {"b": {"S": "m"}}}});
    let transaction = |length: usize| json!({"TransactItems": [other.clone(), put(length)]});
    refused(&mut client, "TransactWriteItems", transaction(LIMIT - 2), TOO_LARGE).await;
    done(&mut client, "TransactWriteItems", &transaction(LIMIT - 3)).await;
    // An update that grows an item beyond the limit cancels the transaction.
    let grow = json!({"TransactItems": [other, {"Update": {
        "TableName": "flat", "Key": {"b": {"S": "n"}}, "UpdateExpression": "SET w = :w",
        "ExpressionAttributeValues": {":w": {"S": "w"}},
    }}]});
    cancelled(&mut client, "TransactWriteItems", grow, 1, UPDATE_TOO_LARGE).await;
}

#[tokio::test]
async fn other_puts_above_the_limit_are_refused() {
    let (_server, mut client) = songs().await;
    let item = json!({"b": {"S": "n"}, "v": text(LIMIT - 2)});
    refused(
        &mut client,
        "PutItem",
        json!({"TableName": "flat", "Item": item}),
        TOO_LARGE,
    )
    .await;
    let batch = json!({"RequestItems": {"flat": [{"PutRequest": {"Item": item}}]}});
    refused(&mut client, "BatchWriteItem", batch, TOO_LARGE).await;
    let statement = json!({"Statement": "INSERT INTO flat VALUE {'b': 'n', 'v': ?}", "Parameters": [item["v"]]});
    refused(&mut client, "ExecuteStatement", statement.clone(), TOO_LARGE).await;
    let transaction = json!({"TransactStatements": [statement]});
    refused(&mut client, "ExecuteTransaction", transaction, TOO_LARGE).await;
}
