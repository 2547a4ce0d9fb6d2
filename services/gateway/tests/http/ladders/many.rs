//! Operations of batches and transactions.

use serde_json::{Value, json};

use super::{ladder, music};

const NOT_THERE: &str = "ResourceNotFoundException";
const EMPTY_VALUE: &str = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";

fn key(number: usize) -> Value {
    json!({"a": {"S": "x"}, "b": {"N": number.to_string()}})
}

#[tokio::test]
async fn batch_get_item() {
    let (_server, mut client) = music().await;
    let of = |keys: &[Value]| json!({"RequestItems": {"Music": {"Keys": keys}}});
    let many: Vec<_> = (0..101).map(key).collect();
    ladder(
        &mut client,
        "BatchGetItem",
        of(&[key(1), key(2)]),
        &[
            (
                json!({"RequestItems": []}),
                "Unrecognized collection type java.util.Map",
            ),
            (
                json!({"ReturnConsumedCapacity": "x"}),
                "Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint",
            ),
            (
                json!({"RequestItems": null}),
                "Value null at 'requestItems' failed to satisfy constraint",
            ),
            (
                json!({"RequestItems": {}}),
                "Value at 'RequestItems' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
            (of(&many), "Member must have length less than or equal to 100"),
            (of(&[json!({"a": {}})]), EMPTY_VALUE),
            (
                json!({"RequestItems": {"Music": {"Keys": [key(1)], "AttributesToGet": ["v"], "ProjectionExpression": "v"}}}),
                "Can not use both expression and non-expression parameters in the same request",
            ),
            (
                json!({"RequestItems": {"Music": {"Keys": [key(1)], "ProjectionExpression": "v,"}}}),
                "Invalid ProjectionExpression: Syntax error",
            ),
            (of(&[key(1), key(1)]), "Provided list of item keys contains duplicates"),
            (json!({"RequestItems": {"Films": {"Keys": [key(1)]}}}), NOT_THERE),
            (
                of(&[json!({"a": {"S": "x"}})]),
                "The provided key element does not match the schema",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn batch_write_item() {
    let (_server, mut client) = music().await;
    let of = |requests: Vec<Value>| json!({"RequestItems": {"Music": requests}});
    let put = |number: usize| json!({"PutRequest": {"Item": key(number)}});
    ladder(
        &mut client,
        "BatchWriteItem",
        of(vec![put(1), put(2)]),
        &[
            (of(vec![json!("x")]), "Unexpected value type in payload"),
            (
                json!({"ReturnItemCollectionMetrics": "x"}),
                "Value 'x' at 'returnItemCollectionMetrics' failed to satisfy constraint",
            ),
            (
                json!({"RequestItems": {}}),
                "The requestItems parameter is required for BatchWriteItem",
            ),
            (
                of(Vec::new()),
                "Map value must satisfy constraint: [Member must have length",
            ),
            (
                of((0..26).map(put).collect()),
                "Map value must satisfy constraint: [Member must have length",
            ),
            (of(vec![json!({"PutRequest": {"Item": {"a": {}}}})]), EMPTY_VALUE),
            (
                of(vec![json!({})]),
                "Supplied AttributeValue has more than one datatypes set",
            ),
            (
                of(vec![put(1), json!({"DeleteRequest": {"Key": key(1)}})]),
                "Provided list of item keys contains duplicates",
            ),
            (
                of(vec![json!({"PutRequest": {"Item": {"a": {"S": "x"}, "b": {"N": "1"}, "v": {"S": "v".repeat(400 * 1024)}}}})]),
                "Item size has exceeded the maximum allowed size",
            ),
            (json!({"RequestItems": {"Films": [put(1)]}}), NOT_THERE),
            (
                of(vec![json!({"DeleteRequest": {"Key": {"a": {"S": "x"}}}})]),
                "The provided key element does not match the schema",
            ),
            (
                of(vec![json!({"PutRequest": {"Item": {"b": {"N": "1"}}}})]),
                "The provided key element does not match the schema",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn transact_get_items() {
    let (_server, mut client) = music().await;
    let get = |get: Value| json!({"TransactItems": [{"Get": get}]});
    ladder(
        &mut client,
        "TransactGetItems",
        get(json!({"TableName": "Music", "Key": key(1)})),
        &[
            (
                json!({"TransactItems": {}}),
                "Start of structure or map found where not expected",
            ),
            (
                json!({"ReturnConsumedCapacity": "x"}),
                "Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint",
            ),
            (
                json!({"TransactItems": []}),
                "Value '[]' at 'transactItems' failed to satisfy constraint",
            ),
            (
                json!({"TransactItems": [{}]}),
                "Value null at 'transactItems.1.member.get' failed to satisfy constraint",
            ),
            (
                get(json!({"TableName": "Music"})),
                "Value null at 'transactItems.1.member.get.key'",
            ),
            (get(json!({"TableName": "Music", "Key": {"a": {}}})), EMPTY_VALUE),
            (
                get(json!({"TableName": "Music", "Key": key(1), "ProjectionExpression": "v,"})),
                "Invalid ProjectionExpression: Syntax error",
            ),
            (get(json!({"TableName": "Films", "Key": key(1)})), NOT_THERE),
            (
                get(json!({"TableName": "Music", "Key": {"a": {"S": "x"}}})),
                "The provided key element does not match the schema",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn transact_write_items() {
    let (_server, mut client) = music().await;
    let put = |item: Value| json!({"Put": {"TableName": "Music", "Item": item}});
    let of = |actions: Vec<Value>| json!({"TransactItems": actions});
    let mut two = put(key(1));
    two["Delete"] = json!({"TableName": "Music", "Key": key(2)});
    let condition = "attribute_exists(a)";
    let failing = json!({"ConditionCheck": {"TableName": "Music", "Key": key(9), "ConditionExpression": condition}});
    ladder(
        &mut client,
        "TransactWriteItems",
        of(vec![put(key(1)), put(key(2))]),
        &[
            (
                json!({"ClientRequestToken": 1}),
                "NUMBER_VALUE cannot be converted to String",
            ),
            (
                json!({"ClientRequestToken": "a".repeat(37)}),
                "at 'clientRequestToken' failed to satisfy constraint",
            ),
            (
                of(vec![put(key(1)); 101]),
                "Member must have length less than or equal to 100",
            ),
            (
                of(vec![json!({"ConditionCheck": {"TableName": "Music", "Key": key(1)}})]),
                "Value null at 'transactItems.1.member.conditionCheck.conditionExpression'",
            ),
            (of(vec![put(json!({"a": {}}))]), EMPTY_VALUE),
            (
                of(vec![two]),
                "TransactItems can only contain one of Check, Put, Update or Delete",
            ),
            (
                of(vec![put(key(1)), put(key(1))]),
                "Transaction request cannot include multiple operations on one item",
            ),
            (
                of(vec![json!({"Update": {"TableName": "Music", "Key": key(1), "UpdateExpression": "SET v"}})]),
                "Invalid UpdateExpression: Syntax error",
            ),
            (
                of(vec![json!({"Put": {"TableName": "Music", "Item": key(1), "ConditionExpression": "v <"}})]),
                "Invalid ConditionExpression: Syntax error",
            ),
            (
                of(vec![json!({"Update": {
                    "TableName": "Music", "Key": key(1), "UpdateExpression": "REMOVE v", "ExpressionAttributeNames": {"#v": "v"},
                }})]),
                "Value provided in ExpressionAttributeNames unused in expressions: keys: {#v}",
            ),
            (of(vec![put(json!({"a": {"S": ""}, "b": {"N": "1"}}))]), "empty string value"),
            (
                of(vec![json!({"Update": {"TableName": "Music", "Key": key(1), "UpdateExpression": "REMOVE b"}})]),
                "Cannot update attribute b. This attribute is part of the key",
            ),
            (
                of(vec![json!({"Put": {"TableName": "Films", "Item": key(1)}})]),
                NOT_THERE,
            ),
            (
                of(vec![
                    json!({"Delete": {"TableName": "Music", "Key": {"a": {"S": "x"}}}}),
                ]),
                "The provided key element does not match the schema",
            ),
            (of(vec![failing]), "TransactionCanceledException"),
        ],
    )
    .await;
}
