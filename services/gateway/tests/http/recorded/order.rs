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
