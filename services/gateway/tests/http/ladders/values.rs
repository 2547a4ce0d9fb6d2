//! If several attribute values of a request cannot be read, the first one is reported. Items and
//! keys come first, then the values of legacy conditions and updates, then placeholders; among
//! these, names come in order, and elements of lists in theirs.

use serde_json::{Value, json};

use super::{call, music};
use crate::support::Client;

/// A value that cannot be read, with a number that shows in the message.
fn unreadable(number: usize) -> Value {
    json!({"N": format!("bad{number}")})
}

/// Puts unreadable values at these places. Asserts that each one alone is reported, and that of two
/// the earlier one is.
async fn in_order(client: &mut Client, operation: &str, request: Value, places: &[&str]) {
    let broken = |numbers: &[usize]| {
        let mut request = request.clone();
        for number in numbers {
            *request.pointer_mut(places[*number]).unwrap() = unreadable(*number);
        }
        request
    };
    for first in 0..places.len() {
        for second in first..places.len() {
            let request = broken(&[second, first]);
            let (status, body) = call(client, operation, &request).await;
            let words = format!("The parameter cannot be converted to a numeric value: bad{first}");
            assert!(
                status == 400 && body.contains(&words),
                "{operation} {request}: {status} {body}, not {words}"
            );
            let placeholder = places[first]
                .rsplit_once("/ExpressionAttributeValues/")
                .map(|(_, name)| name);
            let reported = placeholder.map(|name| format!("bad{first} for key {name}"));
            assert!(reported.is_none_or(|reported| body.contains(&reported)), "{body}");
        }
    }
}

fn expected() -> Value {
    json!({
        "e": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "1"}, {"N": "2"}]},
        "f": {"Value": {"N": "1"}},
    })
}

fn placeholders() -> Value {
    json!({":a": {"N": "1"}, ":b": {"N": "1"}})
}

const EXPECTED: [&str; 3] = [
    "/Expected/e/AttributeValueList/0",
    "/Expected/e/AttributeValueList/1",
    "/Expected/f/Value",
];
const PLACEHOLDERS: [&str; 2] = ["/ExpressionAttributeValues/:a", "/ExpressionAttributeValues/:b"];
const KEY: [&str; 2] = ["/Key/a", "/Key/b"];

fn key() -> Value {
    json!({"a": {"S": "x"}, "b": {"N": "1"}})
}

#[tokio::test]
async fn order_in_writes_of_one_item() {
    let (_server, mut client) = music().await;
    let put = json!({
        "TableName": "Music", "Item": {"a": {"S": "x"}, "b": {"N": "1"}, "c": {"L": [{"N": "1"}]}},
        "Expected": expected(), "ExpressionAttributeValues": placeholders(),
    });
    let item = ["/Item/a", "/Item/b", "/Item/c/L/0"];
    in_order(
        &mut client,
        "PutItem",
        put,
        &[&item[..], &EXPECTED, &PLACEHOLDERS].concat(),
    )
    .await;
    let delete = json!({
        "TableName": "Music", "Key": key(), "Expected": expected(), "ExpressionAttributeValues": placeholders(),
    });
    let places = [&KEY[..], &EXPECTED, &PLACEHOLDERS].concat();
    in_order(&mut client, "DeleteItem", delete, &places).await;
    let update = json!({
        "TableName": "Music", "Key": key(), "Expected": expected(), "ExpressionAttributeValues": placeholders(),
        "AttributeUpdates": {"u": {"Value": {"N": "1"}}, "v": {"Value": {"N": "1"}}},
    });
    let updates = ["/AttributeUpdates/u/Value", "/AttributeUpdates/v/Value"];
    let places = [&KEY[..], &updates, &EXPECTED, &PLACEHOLDERS].concat();
    in_order(&mut client, "UpdateItem", update, &places).await;
}

#[tokio::test]
async fn placeholder_may_be_deeper_than_an_item_until_stored() {
    let (_server, mut client) = music().await;
    let nested = |levels| (1..levels).fold(json!({"S": "x"}), |inner, _| json!({"L": [inner]}));
    let with = |deep: usize, mut action: Value| {
        action["TableName"] = json!("Music");
        action["ExpressionAttributeValues"] = json!({":v": nested(deep)});
        action
    };
    let transact = |action: &str, members: Value| json!({"TransactItems": [{action: members}]});
    let failed = "The conditional request failed";
    let deep = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit";
    let set = json!({"Key": key(), "UpdateExpression": "SET v = :v"});
    for (operation, request, words) in [
        (
            "PutItem",
            with(33, json!({"Item": key(), "ConditionExpression": "v = :v"})),
            failed,
        ),
        (
            "DeleteItem",
            with(50, json!({"Key": key(), "ConditionExpression": "v = :v"})),
            failed,
        ),
        ("UpdateItem", with(33, set.clone()), deep),
        (
            "TransactWriteItems",
            transact(
                "ConditionCheck",
                with(33, json!({"Key": key(), "ConditionExpression": "v = :v"})),
            ),
            "[ConditionalCheckFailed]",
        ),
        (
            "TransactWriteItems",
            transact("Update", with(33, set.clone())),
            "[ValidationError]",
        ),
        ("UpdateItem", with(65, set.clone()), "SerializationException"),
    ] {
        let (status, body) = call(&mut client, operation, &request).await;
        assert!(
            status == 400 && body.contains(words),
            "{operation}: {status} {body}, not {words}"
        );
    }
    for (operation, request) in [
        ("UpdateItem", with(32, set)),
        (
            "Query",
            json!({
                "TableName": "Music", "KeyConditionExpression": "a = :a", "FilterExpression": "v <> :v",
                "ExpressionAttributeValues": {":a": {"S": "x"}, ":v": nested(33)},
            }),
        ),
    ] {
        let (status, body) = call(&mut client, operation, &request).await;
        assert_eq!(status, 200, "{operation}: {body}");
    }
}

#[tokio::test]
async fn order_in_reads() {
    let (_server, mut client) = music().await;
    in_order(
        &mut client,
        "GetItem",
        json!({"TableName": "Music", "Key": key()}),
        &KEY,
    )
    .await;
    let condition = json!({"e": {"ComparisonOperator": "EQ", "AttributeValueList": [{"N": "1"}]}});
    let start = ["/ExclusiveStartKey/a", "/ExclusiveStartKey/b"];
    let query = json!({
        "TableName": "Music", "KeyConditions": condition, "QueryFilter": condition, "ExclusiveStartKey": key(),
        "ExpressionAttributeValues": placeholders(),
    });
    let conditions = [
        "/KeyConditions/e/AttributeValueList/0",
        "/QueryFilter/e/AttributeValueList/0",
    ];
    let places = [&conditions[..], &start, &PLACEHOLDERS].concat();
    in_order(&mut client, "Query", query, &places).await;
    let scan = json!({
        "TableName": "Music", "ScanFilter": condition, "ExclusiveStartKey": key(), "ExpressionAttributeValues": placeholders(),
    });
    let places = [&["/ScanFilter/e/AttributeValueList/0"][..], &start, &PLACEHOLDERS].concat();
    in_order(&mut client, "Scan", scan, &places).await;
}

#[tokio::test]
async fn order_in_batches() {
    let (_server, mut client) = music().await;
    let get = json!({"RequestItems": {"Films": {"Keys": [key()]}, "Music": {"Keys": [key(), key()]}}});
    let keys = [
        "/RequestItems/Films/Keys/0/a",
        "/RequestItems/Music/Keys/0/a",
        "/RequestItems/Music/Keys/0/b",
        "/RequestItems/Music/Keys/1/a",
    ];
    in_order(&mut client, "BatchGetItem", get, &keys).await;
    let writes = json!([{"PutRequest": {"Item": key()}}, {"DeleteRequest": {"Key": key()}}]);
    let write = json!({"RequestItems": {"Films": writes, "Music": writes}});
    let places = [
        "/RequestItems/Films/0/PutRequest/Item/a",
        "/RequestItems/Films/1/DeleteRequest/Key/b",
        "/RequestItems/Music/0/PutRequest/Item/a",
    ];
    in_order(&mut client, "BatchWriteItem", write, &places).await;
}

#[tokio::test]
async fn order_in_transactions_and_statements() {
    let (_server, mut client) = music().await;
    let get = json!({"Get": {"TableName": "Music", "Key": key()}});
    let gets = ["/TransactItems/0/Get/Key/a", "/TransactItems/1/Get/Key/a"];
    in_order(
        &mut client,
        "TransactGetItems",
        json!({"TransactItems": [get, get]}),
        &gets,
    )
    .await;
    let write = json!({"TransactItems": [
        {"Put": {"TableName": "Music", "Item": key(), "ExpressionAttributeValues": placeholders()}},
        {"Update": {"TableName": "Music", "Key": key(), "UpdateExpression": "SET v = :a", "ExpressionAttributeValues": placeholders()}},
        {"Delete": {"TableName": "Music", "Key": key(), "ExpressionAttributeValues": placeholders()}},
        {"ConditionCheck": {
            "TableName": "Music", "Key": key(), "ConditionExpression": "v = :a", "ExpressionAttributeValues": placeholders(),
        }},
    ]});
    let places = [
        "/TransactItems/0/Put/Item/b",
        "/TransactItems/0/Put/ExpressionAttributeValues/:a",
        "/TransactItems/1/Update/Key/a",
        "/TransactItems/1/Update/ExpressionAttributeValues/:b",
        "/TransactItems/2/Delete/Key/b",
        "/TransactItems/2/Delete/ExpressionAttributeValues/:a",
        "/TransactItems/3/ConditionCheck/Key/a",
        "/TransactItems/3/ConditionCheck/ExpressionAttributeValues/:a",
    ];
    in_order(&mut client, "TransactWriteItems", write, &places).await;
    let statement =
        json!({"Statement": "SELECT * FROM Music WHERE a = ? AND b = ?", "Parameters": [{"S": "x"}, {"N": "1"}]});
    in_order(
        &mut client,
        "ExecuteStatement",
        statement.clone(),
        &["/Parameters/0", "/Parameters/1"],
    )
    .await;
    for (operation, list) in [
        ("BatchExecuteStatement", "Statements"),
        ("ExecuteTransaction", "TransactStatements"),
    ] {
        let places = [
            format!("/{list}/0/Parameters/0"),
            format!("/{list}/0/Parameters/1"),
            format!("/{list}/1/Parameters/0"),
        ];
        let request = json!({list: [statement, statement]});
        in_order(&mut client, operation, request, &places.each_ref().map(String::as_str)).await;
    }
}
