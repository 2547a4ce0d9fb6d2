//! Empty expressions.

use serde_json::{Value, json};

use super::{refused, songs, with};

fn equal(name: &str, value: &str) -> Value {
    let test = json!({"ComparisonOperator": "EQ", "AttributeValueList": [{"S": value}]});
    json!({"KeyConditions": {name: test}})
}

/// A key condition may be a legacy parameter next to a filter that is an expression.
#[tokio::test]
async fn empty_expressions_next_to_key_conditions() {
    let (_server, mut client) = songs().await;
    for member in ["FilterExpression", "ProjectionExpression"] {
        let message = format!("Invalid {member}: The expression can not be empty;");
        for source in [
            with(json!({"TableName": "flat"}), equal("b", "x")),
            with(json!({"TableName": "songs", "IndexName": "gsi"}), equal("gk", "g")),
            with(json!({"TableName": "songs", "IndexName": "lsi"}), equal("pk", "p")),
            // A condition on no key of the index.
            with(json!({"TableName": "songs", "IndexName": "gsi"}), equal("pk", "p")),
        ] {
            refused(&mut client, "Query", with(source, json!({member: ""})), &message).await;
        }
    }
}

#[tokio::test]
async fn empty_expressions_on_an_index() {
    let (_server, mut client) = songs().await;
    for member in ["FilterExpression", "ProjectionExpression"] {
        let message = format!("Invalid {member}: The expression can not be empty;");
        for index in ["gsi", "lsi", "missing"] {
            let scan = json!({"TableName": "songs", "IndexName": index, member: ""});
            refused(&mut client, "Scan", scan.clone(), &message).await;
            for condition in ["gk = :k", "pk = :k", "sk = :k"] {
                let values = json!({
                    "KeyConditionExpression": condition, "ExpressionAttributeValues": {":k": {"S": "g"}},
                });
                refused(&mut client, "Query", with(scan.clone(), values), &message).await;
            }
        }
    }
}
