//! Items near the limit of 400 KB.

use serde_json::{Value, json};

use super::{cancelled, done, everything, refused, songs, with};
use crate::support::Client;

const LIMIT: usize = 400 * 1024;
const TOO_LARGE: &str = "Item size has exceeded the maximum allowed size";
const UPDATE_TOO_LARGE: &str = "Item size to update has exceeded the maximum allowed size";

/// The name and the input of an operation.
type Request = (&'static str, Value);

fn text(length: usize) -> Value {
    json!({"S": "x".repeat(length)})
}

/// Updates of `flat` that make an item of `size` bytes, of which `key` are those of the key's name
/// and value: as an expression and as a legacy parameter, also if there is no such item, and as a
/// statement.
fn updates(key: usize, size: usize) -> ([Request; 3], [Request; 3]) {
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
    let upserts = [
        ("TransactWriteItems", json!({"TransactItems": [{"Update": update}]})),
        ("UpdateItem", update),
        ("UpdateItem", legacy),
    ];
    let statements = [
        ("BatchExecuteStatement", json!({"Statements": [statement]})),
        ("ExecuteTransaction", json!({"TransactStatements": [statement]})),
        ("ExecuteStatement", statement),
    ];
    (upserts, statements)
}

/// Asserts that the update is refused because of its size, in the form of the operation.
async fn update_refused(client: &mut Client, operation: &str, request: Value) {
    match operation {
        "TransactWriteItems" | "ExecuteTransaction" => {
            cancelled(client, operation, request, 0, UPDATE_TOO_LARGE).await;
        }
        "BatchExecuteStatement" => {
            let before = everything(client).await;
            let error = json!({"Code": "ValidationError", "Message": UPDATE_TOO_LARGE});
            let answer = done(client, operation, &request).await;
            assert_eq!(answer, json!({"Responses": [{"Error": error, "TableName": "flat"}]}));
            assert_eq!(everything(client).await, before);
        }
        _ => refused(client, operation, request, UPDATE_TOO_LARGE).await,
    }
}

async fn delete(client: &mut Client, key: &Value) {
    done(client, "DeleteItem", &json!({"TableName": "flat", "Key": {"b": key}})).await;
}

/// The bytes of the key and the most that an item may have: a SET costs 22 bytes besides what it
/// writes, which count instead of the key if that is smaller.
const MOST: [(usize, usize); 4] = [(3, LIMIT - 19), (21, LIMIT - 1), (22, LIMIT), (100, LIMIT)];

#[tokio::test]
async fn update_is_limited_by_what_it_writes_or_by_the_item() {
    let (_server, mut client) = songs().await;
    for (key, most) in MOST {
        let existing = json!({"TableName": "flat", "Item": {"b": text(key - 1)}});
        done(&mut client, "PutItem", &existing).await;
        let (of_items, statements) = updates(key, most + 1);
        for (operation, request) in of_items.into_iter().chain(statements) {
            update_refused(&mut client, operation, request).await;
        }
        let (of_items, statements) = updates(key, most);
        for (operation, request) in of_items.into_iter().chain(statements) {
            done(&mut client, "PutItem", &existing).await;
            let answer = done(&mut client, operation, &request).await;
            assert!(!answer.to_string().contains("Error"), "{operation}: {answer}");
            let read = json!({"TableName": "flat", "Key": {"b": text(key - 1)}});
            let item = &done(&mut client, "GetItem", &read).await["Item"];
            assert_eq!(item["v"], text(most - key - 1), "{operation}");
        }
        delete(&mut client, &text(key - 1)).await;
    }
}

#[tokio::test]
async fn update_that_creates_an_item_is_limited_alike() {
    let (_server, mut client) = songs().await;
    for (key, most) in MOST {
        for (operation, request) in updates(key, most + 1).0 {
            update_refused(&mut client, operation, request).await;
        }
        for (operation, request) in updates(key, most).0 {
            done(&mut client, operation, &request).await;
            delete(&mut client, &text(key - 1)).await;
        }
    }
}

/// What an update may do besides `SET v`, as an expression and as changes of attributes, with its
/// cost in bytes: 19 of each SET and ADD and 2 of each REMOVE and DELETE, and those of the name and
/// the value of the request. That these values count, and not the results, is inferred.
fn more_actions() -> [(&'static str, Value, usize); 8] {
    let add = |value: Value| json!({"Action": "ADD", "Value": value});
    let delete = |value: Value| json!({"Action": "DELETE", "Value": value});
    let remove = json!({"Action": "DELETE"});
    let (number, set) = (json!({"N": "12"}), json!({"SS": ["one", "two"]}));
    [
        ("", json!({}), 0),
        ("REMOVE c", json!({"c": remove}), 3),
        ("REMOVE c, dd", json!({"c": remove, "dd": remove}), 7),
        ("ADD n :number", json!({"n": add(number.clone())}), 22),
        ("ADD t :set", json!({"t": add(set.clone())}), 26),
        ("DELETE t :set", json!({"t": delete(set.clone())}), 9),
        ("DELETE gone :set", json!({"gone": delete(set.clone())}), 12),
        (
            "ADD n :number DELETE t :set REMOVE c",
            json!({"n": add(number), "t": delete(set), "c": remove}),
            34,
        ),
    ]
}

#[tokio::test]
async fn each_action_of_an_update_counts() {
    let (_server, mut client) = songs().await;
    let item = json!({"b": {"S": "x"}, "c": {"S": "y"}, "t": {"SS": ["one", "two", "three"]}});
    let existing = json!({"TableName": "flat", "Item": item});
    for (more, changes, cost) in more_actions() {
        let forms = |length: usize| {
            let mut values = json!({":v": text(length)});
            for (name, value) in [(":number", json!({"N": "12"})), (":set", json!({"SS": ["one", "two"]}))] {
                if more.contains(name) {
                    values[name] = value;
                }
            }
            let key = json!({"TableName": "flat", "Key": {"b": {"S": "x"}}});
            let update = with(
                key.clone(),
                json!({"UpdateExpression": format!("SET v = :v {more}"), "ExpressionAttributeValues": values}),
            );
            let put = json!({"v": {"Action": "PUT", "Value": text(length)}});
            let legacy = with(key, json!({"AttributeUpdates": with(put, changes.clone())}));
            [
                ("TransactWriteItems", json!({"TransactItems": [{"Update": update}]})),
                ("UpdateItem", update),
                ("UpdateItem", legacy),
            ]
        };
        let most = LIMIT - 3 - 19 - 1 - cost;
        for (operation, request) in forms(most + 1) {
            done(&mut client, "PutItem", &existing).await;
            update_refused(&mut client, operation, request).await;
        }
        for (operation, request) in forms(most) {
            done(&mut client, "PutItem", &existing).await;
            done(&mut client, operation, &request).await;
        }
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
    // The member of a batch was refused before it ran, so it names no table.
    let before = everything(&mut client).await;
    let batch = |value: &Value| {
        let statement = json!({"Statement": "INSERT INTO flat VALUE {'b': 'n', 'v': ?}", "Parameters": [value]});
        json!({"Statements": [statement]})
    };
    let error = json!({"Code": "ValidationError", "Message": TOO_LARGE});
    let answer = done(&mut client, "BatchExecuteStatement", &batch(&item["v"])).await;
    assert_eq!(answer, json!({"Responses": [{"Error": error}]}));
    assert_eq!(everything(&mut client).await, before);
    let answer = done(&mut client, "BatchExecuteStatement", &batch(&text(LIMIT - 3))).await;
    assert_eq!(answer, json!({"Responses": [{"TableName": "flat"}]}));
}
