//! Which of two faults is reported.

use serde_json::{Value, json};

use super::{refused, songs, with};

fn query(condition: &str, members: Value) -> Value {
    let values = json!({":p": {"S": "p"}, ":s": {"S": "s"}});
    let request = json!({
        "TableName": "songs", "KeyConditionExpression": condition, "ExpressionAttributeValues": values,
    });
    with(request, members)
}

#[tokio::test]
async fn empty_expressions_are_reported_before_a_bad_key_condition() {
    let (_server, mut client) = songs().await;
    for (member, kind) in [
        ("FilterExpression", "Invalid FilterExpression"),
        ("ProjectionExpression", "Invalid ProjectionExpression"),
    ] {
        for bad in [
            "pk = :p AND",
            "pk = :p OR sk = :s",
            "attribute_exists(pk)",
            "pk = :missing",
            "sk = :s",
        ] {
            let message = format!("{kind}: The expression can not be empty;");
            refused(&mut client, "Query", query(bad, json!({member: ""})), &message).await;
        }
    }
}

/// The start key of a query: the fault of the sort key comes first.
#[tokio::test]
async fn start_key_outside_the_range_is_reported_before_its_partition() {
    let (_server, mut client) = songs().await;
    let start = |pk: &str, sk: &str| json!({"ExclusiveStartKey": {"pk": {"S": pk}, "sk": {"S": sk}}});
    let range = "The provided starting key does not match the range key predicate";
    let partition = "The provided starting key is outside query boundaries based on provided conditions";
    for condition in [
        "pk = :p AND sk > :s",
        "pk = :p AND begins_with(sk, :s)",
        "pk = :p AND sk = :s",
    ] {
        for pk in ["p", "q"] {
            refused(&mut client, "Query", query(condition, start(pk, "a")), range).await;
        }
    }
    let condition = "pk = :p AND sk > :s";
    refused(&mut client, "Query", query(condition, start("q", "z")), partition).await;
}

/// Capacity units that no table can have.
#[tokio::test]
async fn units_are_reported_before_a_missing_table() {
    let (_server, mut client) = songs().await;
    let units = |read: u64, write: u64| json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    let most = 1_000_000_000_000_u64;
    for (wanted, kind) in [
        (units(most + 1, 1), "ReadCapacityUnits"),
        (units(1, most + 1), "WriteCapacityUnits"),
    ] {
        let message = format!("Given value 1000000000001 for {kind} is out of bounds");
        let request = json!({"TableName": "absent", "ProvisionedThroughput": wanted});
        refused(&mut client, "UpdateTable", request, &message).await;
        let update = json!({"Update": {"IndexName": "by-x", "ProvisionedThroughput": wanted}});
        let create = json!({"Create": {
            "IndexName": "by-x", "ProvisionedThroughput": wanted,
            "KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }});
        for change in [update, create] {
            let request = json!({
                "TableName": "absent", "GlobalSecondaryIndexUpdates": [change],
                "AttributeDefinitions": [{"AttributeName": "x", "AttributeType": "S"}],
            });
            let message = format!("{message} for index by-x");
            refused(&mut client, "UpdateTable", request, &message).await;
        }
    }
    let request = json!({"TableName": "absent", "ProvisionedThroughput": units(most, most)});
    let answer = client.call("UpdateTable", &request).await;
    assert_eq!(answer.exception(), "ResourceNotFoundException");
}

/// A table with the keys `a` and, where `sort` says so, `b`; the attribute `unused` is defined.
fn with_unused(sort: bool, members: Value) -> Value {
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name: &str, role: &str| json!({"AttributeName": name, "KeyType": role});
    let keys = [key("a", "HASH"), key("b", "RANGE")];
    let request = json!({
        "TableName": "new",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [attribute("a"), attribute("b"), attribute("unused")],
        "KeySchema": if sort { &keys[..] } else { &keys[..1] },
    });
    with(request, members)
}

#[tokio::test]
async fn faults_of_index_lists_come_before_unused_definitions() {
    let (_server, mut client) = songs().await;
    let local = |keys: Value| {
        let index = json!({"IndexName": "local", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}});
        json!({"LocalSecondaryIndexes": [index]})
    };
    let hash = json!({"AttributeName": "a", "KeyType": "HASH"});
    let range = json!({"AttributeName": "b", "KeyType": "RANGE"});
    let invalid = "One or more parameter values were invalid: ";
    for (sort, members, message) in [
        (
            true,
            json!({"LocalSecondaryIndexes": []}),
            "List of LocalSecondaryIndexes is empty",
        ),
        (
            true,
            json!({"GlobalSecondaryIndexes": []}),
            "List of GlobalSecondaryIndexes is empty",
        ),
        (
            false,
            json!({"GlobalSecondaryIndexes": []}),
            "List of GlobalSecondaryIndexes is empty",
        ),
        (
            false,
            local(json!([hash, range])),
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ),
        (
            true,
            local(json!([hash])),
            "Index KeySchema does not have a range key for index: local",
        ),
    ] {
        let message = format!("{invalid}{message}");
        refused(&mut client, "CreateTable", with_unused(sort, members), &message).await;
    }
    // Without these faults, the unused definition is reported.
    let answer = client
        .call("CreateTable", &with_unused(true, local(json!([hash, range]))))
        .await;
    assert!(
        answer.text().contains("Some AttributeDefinitions are not used"),
        "{}",
        answer.text()
    );
    let tables = client.call("ListTables", &json!({})).await.json();
    assert_eq!(tables, json!({"TableNames": ["flat", "songs"]}));
}
