//! The words of messages.

use serde_json::{Value, json};

use super::{done, refused, songs, with};

#[tokio::test]
async fn select_is_refused_in_other_words_by_query_and_scan() {
    let (_server, mut client) = songs().await;
    let values = json!({"KeyConditionExpression": "b = :b", "ExpressionAttributeValues": {":b": {"S": "x"}}});
    for (members, message) in [
        (
            json!({"Select": "ALL_PROJECTED_ATTRIBUTES"}),
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            json!({"Select": "SPECIFIC_ATTRIBUTES"}),
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            json!({"Select": "COUNT", "ProjectionExpression": "c"}),
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            json!({"Select": "ALL_ATTRIBUTES", "AttributesToGet": ["c"]}),
            "Cannot specify the AttributesToGet when choosing to get ALL_ATTRIBUTES",
        ),
    ] {
        let scan = with(json!({"TableName": "flat"}), members);
        refused(&mut client, "Scan", scan.clone(), message).await;
        let query = if scan.get("AttributesToGet").is_some() {
            let equal = json!({"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]});
            with(scan, json!({"KeyConditions": {"b": equal}}))
        } else {
            with(scan, values.clone())
        };
        let message = format!("1 validation error detected: {message}");
        refused(&mut client, "Query", query, &message).await;
    }
}

#[tokio::test]
async fn statements_are_refused_in_words_of_their_own() {
    let (_server, mut client) = songs().await;
    let returning = |clause: &str| {
        format!(
            "Invalid returning clause: RETURNING {clause} *. Only RETURNING ALL OLD * is allowed in DELETE statements."
        )
    };
    let delete = |clause: &str| format!("DELETE FROM flat WHERE b = 'x' RETURNING {clause} *");
    for (statement, message) in [
        (
            "SELECT * FROM songs.absent WHERE pk = 'p'".to_owned(),
            "The table does not have the specified index".to_owned(),
        ),
        (
            "SELECT * FROM songs.gsi.more WHERE gk = 'g'".to_owned(),
            "A path may contain at most 2 components in the FROM clause".to_owned(),
        ),
        (
            "SELECT * FROM songs.\"\" WHERE gk = 'g'".to_owned(),
            "Path component cannot be an empty string".to_owned(),
        ),
        (
            "SELECT * FROM \"\" WHERE gk = 'g'".to_owned(),
            "Path component cannot be an empty string".to_owned(),
        ),
        (
            "INSERT INTO \"\" VALUE {'b': 'new'}".to_owned(),
            "Path component cannot be an empty string".to_owned(),
        ),
        (delete("MODIFIED OLD"), returning("MODIFIED OLD")),
        (delete("ALL NEW"), returning("ALL NEW")),
        (delete("MODIFIED NEW"), returning("MODIFIED NEW")),
    ] {
        refused(
            &mut client,
            "ExecuteStatement",
            json!({"Statement": statement}),
            &message,
        )
        .await;
    }
    let consistent = json!({"Statement": "SELECT * FROM songs.gsi WHERE gk = 'g'", "ConsistentRead": true});
    let message = "Strongly consistent read is not supported on Global Secondary Indexes";
    refused(&mut client, "ExecuteStatement", consistent, message).await;
}

#[tokio::test]
async fn query_names_the_index_that_is_missing() {
    let (_server, mut client) = songs().await;
    let query = json!({
        "TableName": "songs", "IndexName": "missing", "KeyConditionExpression": "gk = :g",
        "ExpressionAttributeValues": {":g": {"S": "g"}},
    });
    let missing = "The table does not have the specified index: missing";
    refused(&mut client, "Query", query.clone(), missing).await;
    let consistent = with(query, json!({"IndexName": "gsi", "ConsistentRead": true}));
    let message = "Consistent reads are not supported on global secondary indexes";
    refused(&mut client, "Query", consistent, message).await;
}

#[tokio::test]
async fn malformed_start_keys_of_a_table_without_sort_key() {
    let (_server, mut client) = songs().await;
    let query = |start: Value| {
        json!({
            "TableName": "flat", "KeyConditionExpression": "b = :b",
            "ExpressionAttributeValues": {":b": {"S": "x"}}, "ExclusiveStartKey": start,
        })
    };
    for start in [
        json!({}),
        json!({"c": {"S": "x"}}),
        json!({"b": {"N": "1"}}),
        json!({"b": {"S": "x"}, "c": {"S": "y"}}),
    ] {
        refused(
            &mut client,
            "Query",
            query(start),
            "The provided starting key is invalid",
        )
        .await;
    }
}

/// A legacy condition with values of two types, in every parameter that takes one.
#[tokio::test]
async fn legacy_conditions_with_values_of_two_types() {
    let (_server, mut client) = songs().await;
    let message =
        "One or more parameter values were invalid: AttributeValues inside AttributeValueList must be of same type";
    let test = |operator: &str| json!({"ComparisonOperator": operator, "AttributeValueList": [{"S": "a"}, {"N": "1"}]});
    let key = json!({"TableName": "flat", "Key": {"b": {"S": "x"}}});
    let put = json!({"TableName": "flat", "Item": {"b": {"S": "new"}}});
    let change = json!({"AttributeUpdates": {"d": {"Value": {"S": "d"}}}});
    let equal = json!({"b": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]}});
    for operator in ["BETWEEN", "IN"] {
        let expected = json!({"Expected": {"c": test(operator)}});
        for (operation, request) in [
            ("PutItem", with(put.clone(), expected.clone())),
            ("DeleteItem", with(key.clone(), expected.clone())),
            ("UpdateItem", with(with(key.clone(), change.clone()), expected)),
            (
                "Query",
                json!({"TableName": "flat", "KeyConditions": equal, "QueryFilter": {"c": test(operator)}}),
            ),
            (
                "Scan",
                json!({"TableName": "flat", "ScanFilter": {"c": test(operator)}}),
            ),
            (
                "Query",
                json!({"TableName": "flat", "KeyConditions": {"b": test(operator)}}),
            ),
        ] {
            refused(&mut client, operation, request, message).await;
        }
    }
    let of_equal = &json!({"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p"}]});
    let range = json!({"TableName": "songs", "KeyConditions": {"pk": of_equal, "sk": test("BETWEEN")}});
    refused(&mut client, "Query", range, message).await;
}

/// ADD and DELETE of a value that the attribute's type cannot take.
#[tokio::test]
async fn legacy_updates_of_a_wrong_type() {
    let (_server, mut client) = songs().await;
    let item = json!({"b": {"S": "x"}, "c": {"S": "y"}, "n": {"N": "1"}, "t": {"SS": ["a"]}, "l": {"L": []}});
    done(&mut client, "PutItem", &json!({"TableName": "flat", "Item": item})).await;
    for (name, action, value) in [
        ("c", "ADD", json!({"N": "1"})),
        ("c", "ADD", json!({"SS": ["a"]})),
        ("c", "ADD", json!({"L": []})),
        ("n", "ADD", json!({"NS": ["1"]})),
        ("t", "ADD", json!({"NS": ["1"]})),
        ("l", "ADD", json!({"N": "1"})),
        ("c", "DELETE", json!({"SS": ["y"]})),
        ("n", "DELETE", json!({"NS": ["1"]})),
        ("t", "DELETE", json!({"NS": ["1"]})),
        ("l", "DELETE", json!({"SS": ["a"]})),
    ] {
        let update = json!({
            "TableName": "flat", "Key": {"b": {"S": "x"}},
            "AttributeUpdates": {name: {"Action": action, "Value": value}, "other": {"Value": {"S": "o"}}},
        });
        refused(
            &mut client,
            "UpdateItem",
            update,
            "Type mismatch for attribute to update",
        )
        .await;
    }
}
