//! The operations on one item, and the ones that read many.

use serde_json::{Value, json};

use super::{ladder, music};

const NOT_THERE: &str = "ResourceNotFoundException";
const EMPTY_VALUE: &str = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
const MIXED: &str = "Can not use both expression and non-expression parameters in the same request";
const NO_EXPRESSION: &str = "can only be specified when using expressions";

/// Names for expressions, and none of these.
fn names_alone() -> Value {
    let mut request = json!({"ExpressionAttributeNames": {"#v": "v"}});
    for expression in ["Update", "Condition", "Filter", "Projection"] {
        request[format!("{expression}Expression")] = Value::Null;
    }
    request
}

#[tokio::test]
async fn get_item() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "GetItem",
        json!({"TableName": "Music", "Key": {"a": {"S": "x"}, "b": {"N": "1"}}}),
        &[
            (
                json!({"ConsistentRead": 1}),
                "NUMBER_VALUE cannot be converted to Boolean",
            ),
            (
                json!({"ReturnConsumedCapacity": "x"}),
                "Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint",
            ),
            (json!({"Key": null}), "Value null at 'key'"),
            (json!({"Key": {"a": {}, "b": {"N": "1"}}}), EMPTY_VALUE),
            (
                json!({"Key": {"a": {"S": "x"}, "b": {"N": "x"}}}),
                "cannot be converted to a numeric value: x",
            ),
            (json!({"AttributesToGet": ["v"], "ProjectionExpression": "v"}), MIXED),
            (names_alone(), NO_EXPRESSION),
            (json!({"ProjectionExpression": ""}), "The expression can not be empty"),
            (
                json!({"ProjectionExpression": "v,,w"}),
                "Invalid ProjectionExpression: Syntax error",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"Key": {"a": {"S": "x"}}}),
                "The provided key element does not match the schema",
            ),
            (
                json!({"Key": {"a": {"S": "x"}, "b": {"S": "1"}}}),
                "The provided key element does not match the schema",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn put_item() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "PutItem",
        json!({"TableName": "Music", "Item": {"a": {"S": "x"}, "b": {"N": "1"}}}),
        &[
            (
                json!({"ConditionExpression": []}),
                "Unrecognized collection type class java.lang.String",
            ),
            (
                json!({"ReturnItemCollectionMetrics": "x"}),
                "at 'returnItemCollectionMetrics' failed to satisfy constraint",
            ),
            (json!({"Item": {"a": {}}}), EMPTY_VALUE),
            (
                json!({"ReturnValues": "ALL_NEW"}),
                "ReturnValues can only be ALL_OLD or NONE",
            ),
            (
                json!({"Expected": {"v": {"Exists": false}}, "ConditionExpression": "attribute_not_exists(v)"}),
                MIXED,
            ),
            (
                json!({"ExpressionAttributeValues": {":v": {"S": "v"}}, "ConditionExpression": null}),
                NO_EXPRESSION,
            ),
            (
                json!({"ConditionExpression": "v =="}),
                "Invalid ConditionExpression: Syntax error",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"Item": {"a": {"S": "x"}}}),
                "One or more parameter values were invalid: Missing the key b in the item",
            ),
            (
                json!({"Item": {"a": {"S": "x"}, "b": {"S": "1"}}}),
                "Type mismatch for key b expected: N actual: S",
            ),
            (json!({"Item": {"a": {"S": ""}, "b": {"N": "1"}}}), "empty string value"),
            (
                json!({"ConditionExpression": "attribute_exists(v)"}),
                "ConditionalCheckFailedException",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn delete_item() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "DeleteItem",
        json!({"TableName": "Music", "Key": {"a": {"S": "x"}, "b": {"N": "1"}}}),
        &[
            (json!({"Expected": []}), "Unrecognized collection type java.util.Map"),
            (
                json!({"ReturnValues": "x"}),
                "Value 'x' at 'returnValues' failed to satisfy constraint",
            ),
            (json!({"Key": {"a": {}, "b": {"N": "1"}}}), EMPTY_VALUE),
            (
                json!({"ReturnValues": "UPDATED_NEW"}),
                "ReturnValues can only be ALL_OLD or NONE",
            ),
            (
                json!({"Expected": {"v": {"Exists": false}}, "ConditionExpression": "attribute_not_exists(v)"}),
                MIXED,
            ),
            (
                json!({"ExpressionAttributeValues": {":v": {"S": "v"}}, "ConditionExpression": null}),
                NO_EXPRESSION,
            ),
            (
                json!({"ConditionExpression": "v = :none"}),
                "An expression attribute value used in expression is not defined",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"Key": {"a": {"S": "x"}}}),
                "The provided key element does not match the schema",
            ),
            (
                json!({"ConditionExpression": "attribute_exists(v)"}),
                "ConditionalCheckFailedException",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn update_item() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "UpdateItem",
        json!({"TableName": "Music", "Key": {"a": {"S": "x"}, "b": {"N": "1"}}}),
        &[
            (
                json!({"UpdateExpression": {}}),
                "Start of structure or map found where not expected",
            ),
            (
                json!({"AttributeUpdates": {"v": {"Action": "x"}}}),
                "Value 'x' at 'attributeUpdates.v.member.action' failed to satisfy constraint",
            ),
            (json!({"Key": {"a": {}, "b": {"N": "1"}}}), EMPTY_VALUE),
            (
                json!({"AttributeUpdates": {"v": {"Action": "DELETE"}}, "UpdateExpression": "REMOVE v"}),
                MIXED,
            ),
            (names_alone(), NO_EXPRESSION),
            (
                json!({"UpdateExpression": "SET v"}),
                "Invalid UpdateExpression: Syntax error",
            ),
            (
                json!({"UpdateExpression": "REMOVE v, v"}),
                "Two document paths overlap with each other",
            ),
            (
                json!({"ConditionExpression": "v <"}),
                "Invalid ConditionExpression: Syntax error",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"UpdateExpression": "REMOVE b"}),
                "Cannot update attribute b. This attribute is part of the key",
            ),
            (
                json!({"ConditionExpression": "attribute_exists(v)"}),
                "ConditionalCheckFailedException",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn query() {
    let (_server, mut client) = music().await;
    let value = json!({":a": {"S": "x"}});
    ladder(
        &mut client,
        "Query",
        json!({"TableName": "Music", "KeyConditionExpression": "a = :a", "ExpressionAttributeValues": value}),
        &[
            (json!({"Limit": "1"}), "STRING_VALUE cannot be converted to Integer"),
            (json!({"Limit": 0}), "Value '0' at 'limit' failed to satisfy constraint"),
            (
                json!({"Select": "x"}),
                "Value 'x' at 'select' failed to satisfy constraint",
            ),
            (json!({"ExclusiveStartKey": {"a": {}}}), EMPTY_VALUE),
            (
                json!({"KeyConditionExpression": "a = :a", "AttributesToGet": ["v"]}),
                MIXED,
            ),
            (
                json!({"KeyConditionExpression": null, "ExpressionAttributeValues": null}),
                "Either the KeyConditions or KeyConditionExpression parameter must be specified",
            ),
            (
                json!({"Select": "COUNT", "ProjectionExpression": "v"}),
                "when choosing to get only the Count",
            ),
            (
                json!({"FilterExpression": "v ="}),
                "Invalid FilterExpression: Syntax error",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"IndexName": "by-x"}),
                "The table does not have the specified index: by-x",
            ),
            (
                json!({"IndexName": "by-c", "ConsistentRead": true}),
                "Consistent reads are not supported on global secondary indexes",
            ),
            (
                json!({"KeyConditionExpression": "d = :a"}),
                "Query condition missed key schema element: a",
            ),
            (
                json!({"FilterExpression": "b > :a"}),
                "Filter Expression can only contain non-primary key attributes",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn scan() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "Scan",
        json!({"TableName": "Music"}),
        &[
            (json!({"Segment": true}), "TRUE_VALUE cannot be converted to Integer"),
            (
                json!({"Segment": 0, "TotalSegments": 0}),
                "Value '0' at 'totalSegments' failed to satisfy constraint",
            ),
            (json!({"ExclusiveStartKey": {"a": {}}}), EMPTY_VALUE),
            (
                json!({"TotalSegments": 2}),
                "The Segment parameter is required but was not present",
            ),
            (
                json!({"Segment": 2, "TotalSegments": 2}),
                "The Segment parameter is zero-based",
            ),
            (
                json!({"AttributesToGet": ["v"], "FilterExpression": "attribute_exists(v)"}),
                MIXED,
            ),
            (names_alone(), NO_EXPRESSION),
            (
                json!({"FilterExpression": "v ="}),
                "Invalid FilterExpression: Syntax error",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"IndexName": "by-x"}),
                "The table does not have the specified index: by-x",
            ),
            (
                json!({"ExclusiveStartKey": {"a": {"S": "x"}}}),
                "The provided starting key is invalid",
            ),
        ],
    )
    .await;
}
