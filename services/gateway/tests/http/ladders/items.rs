//! Operations on one item, and those that read many.

use serde_json::{Value, json};

use super::{Fault, ladder, music};

const NOT_THERE: &str = "ResourceNotFoundException";
const EMPTY_VALUE: &str = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
const MIXED: &str = "Can not use both expression and non-expression parameters in the same request";
const NO_EXPRESSION: &str = "can only be specified when using expressions";

/// Names for expressions in a request without expressions.
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
            (
                json!({"ProjectionExpression": "#v", "ExpressionAttributeNames": {"v": "v"}}),
                "ExpressionAttributeNames contains invalid key: Syntax error; key: \\\"v\\\"",
            ),
            (
                json!({"ProjectionExpression": "#w", "ExpressionAttributeNames": {"#v": "v"}}),
                "An expression attribute name used in the document path is not defined; attribute name: #w",
            ),
            (
                json!({"ProjectionExpression": "v", "ExpressionAttributeNames": {"#v": "v"}}),
                "Value provided in ExpressionAttributeNames unused in expressions: keys: {#v}",
            ),
            (
                json!({"ProjectionExpression": "name"}),
                "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: name",
            ),
            (
                json!({"ProjectionExpression": "v, v.w"}),
                "Invalid ProjectionExpression: Two document paths overlap with each other",
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
            (
                json!({"ConditionExpression": "v = :v", "ExpressionAttributeValues": {":w": {"S": "v"}}}),
                "An expression attribute value used in expression is not defined; attribute value: :v",
            ),
            (
                json!({"ConditionExpression": "attribute_not_exists(v)", "ExpressionAttributeValues": {":w": {"S": "v"}}}),
                "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
            ),
            (
                json!({"ConditionExpression": "size(v)"}),
                "Invalid ConditionExpression: The function is not allowed to be used this way in an expression; function: size",
            ),
            (
                json!({"Expected": {"v": {}}, "ConditionExpression": null}),
                "One or more parameter values were invalid: Value must be provided when Exists is null for Attribute: v",
            ),
            (
                json!({"Item": {"a": {"S": "x"}, "b": {"N": "1"}, "v": {"S": "v".repeat(400 * 1024)}}}),
                "Item size has exceeded the maximum allowed size",
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
            (
                json!({"Expected": {"v": {"ComparisonOperator": "EQ"}}, "ConditionExpression": null}),
                "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: v",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"Key": {"a": {"S": "x"}}}),
                "The provided key element does not match the schema",
            ),
            (json!({"Key": {"a": {"S": ""}, "b": {"N": "1"}}}), "empty string value"),
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
                json!({"UpdateExpression": "SET v = :v SET w = :v", "ExpressionAttributeValues": {":v": {"N": "1"}}}),
                "Invalid UpdateExpression: The \\\"SET\\\" section can only be used once in an update expression;",
            ),
            (
                json!({"UpdateExpression": "SET v = :w", "ExpressionAttributeValues": {":v": {"N": "1"}}}),
                "An expression attribute value used in expression is not defined; attribute value: :w",
            ),
            (
                json!({"UpdateExpression": "ADD v :v", "ExpressionAttributeValues": {":v": {"S": "1"}}}),
                "Incorrect operand type for operator or function; operator: ADD, operand type: STRING",
            ),
            (
                json!({"AttributeUpdates": {"v": {"Action": "PUT"}}, "UpdateExpression": null, "ConditionExpression": null}),
                "Only DELETE action is allowed when no attribute value is specified",
            ),
            (
                json!({"ConditionExpression": "v <"}),
                "Invalid ConditionExpression: Syntax error",
            ),
            (
                json!({"UpdateExpression": "REMOVE v", "ExpressionAttributeValues": {":v": {"N": "1"}}}),
                "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}",
            ),
            (json!({"TableName": "Films"}), NOT_THERE),
            (
                json!({"Key": {"a": {"S": "x"}}}),
                "The provided key element does not match the schema",
            ),
            (json!({"Key": {"a": {"S": ""}, "b": {"N": "1"}}}), "empty string value"),
            (
                json!({"UpdateExpression": "REMOVE b"}),
                "Cannot update attribute b. This attribute is part of the key",
            ),
            (
                json!({
                    "UpdateExpression": "SET c = :c", "ExpressionAttributeValues": {":c": {"N": "1"}}, "ConditionExpression": null,
                }),
                "secondary index key",
            ),
            (
                json!({"ConditionExpression": "attribute_exists(v)"}),
                "ConditionalCheckFailedException",
            ),
        ],
    )
    .await;
}

/// The faults of a query that do not depend on the table.
fn of_its_own() -> Vec<Fault> {
    vec![
        (json!({"Limit": "1"}), "STRING_VALUE cannot be converted to Integer"),
        (
            json!({"Limit": 0}),
            "Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
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
            json!({"Select": "SPECIFIC_ATTRIBUTES"}),
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            json!({"Select": "ALL_PROJECTED_ATTRIBUTES", "IndexName": null}),
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            json!({"KeyConditionExpression": "a = :a AND"}),
            "Invalid KeyConditionExpression: Syntax error",
        ),
        (
            json!({"KeyConditionExpression": "a = :a OR a = :a"}),
            "Invalid operator used in KeyConditionExpression: OR",
        ),
        (
            json!({"FilterExpression": "v ="}),
            "Invalid FilterExpression: Syntax error",
        ),
        (
            json!({"ExpressionAttributeValues": {":a": {"S": "x"}, ":z": {"S": "x"}}}),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:z}",
        ),
    ]
}

/// The faults of a query that depend on the table.
fn of_the_table() -> Vec<Fault> {
    vec![
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
            json!({"ExpressionAttributeValues": {":a": {"N": "1"}}}),
            "Condition parameter type does not match schema type",
        ),
        (
            json!({"KeyConditionExpression": "a > :a"}),
            "Query key condition not supported",
        ),
        (
            json!({"FilterExpression": "b > :a"}),
            "Filter Expression can only contain non-primary key attributes",
        ),
        (
            json!({"ExclusiveStartKey": {"a": {"S": "x"}}}),
            "The provided starting key is invalid",
        ),
        (
            json!({"ExclusiveStartKey": {"a": {"S": "y"}, "b": {"N": "1"}}}),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
    ]
}

#[tokio::test]
async fn query() {
    let (_server, mut client) = music().await;
    let value = json!({":a": {"S": "x"}});
    ladder(
        &mut client,
        "Query",
        json!({"TableName": "Music", "KeyConditionExpression": "a = :a", "ExpressionAttributeValues": value}),
        &[of_its_own(), of_the_table()].concat(),
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
            (
                json!({"FilterExpression": "v = :v"}),
                "An expression attribute value used in expression is not defined; attribute value: :v",
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
                json!({"IndexName": "by-c", "Select": "ALL_ATTRIBUTES"}),
                "Select type ALL_ATTRIBUTES is not supported for global secondary index by-c",
            ),
            (
                json!({"ExclusiveStartKey": {"a": {"S": "x"}}}),
                "The provided starting key is invalid",
            ),
        ],
    )
    .await;
}
