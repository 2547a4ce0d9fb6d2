//! For each implemented operation: two broken parameters whose messages DynamoDB lists in an order
//! of its own.

use serde_json::{Value, json};

use super::{super::*, verdict};
use beringia_engine::ApiError;

/// The paths that a request's errors name, in order.
fn places(shape: &Structure, request: Value) -> Vec<String> {
    let shown = request.to_string();
    let Err(ApiError::Validation(message)) = verdict(shape, request) else {
        panic!("{shown} was accepted")
    };
    let places: Vec<_> = message
        .split("' failed to satisfy constraint")
        .filter_map(|part| part.rsplit_once(" at '"))
        .map(|(_, place)| place.to_owned())
        .collect();
    let plural = if places.len() == 1 { "" } else { "s" };
    let count = format!("{} validation error{plural} detected: ", places.len());
    assert!(message.starts_with(&count), "{message}");
    places
}

#[test]
fn capacity_and_table_name_are_listed_before_the_item() {
    let request = json!({"ReturnConsumedCapacity": "x", "TableName": "a;b", "ReturnValues": "x", "ReturnItemCollectionMetrics": "x",
        "ConditionalOperator": "x", "ReturnValuesOnConditionCheckFailure": "x"});
    let order = |inside: &'static str| {
        [
            "returnConsumedCapacity",
            "tableName",
            inside,
            "conditionalOperator",
            "returnValues",
            "returnItemCollectionMetrics",
            "returnValuesOnConditionCheckFailure",
        ]
    };
    assert_eq!(places(&requests::PUT_ITEM, request.clone()), order("item"));
    assert_eq!(places(&requests::DELETE_ITEM, request.clone()), order("key"));
    assert_eq!(places(&requests::UPDATE_ITEM, request), order("key"));
}

#[test]
fn reads_have_orders_of_their_own() {
    assert_eq!(
        places(
            &requests::GET_ITEM,
            json!({"ReturnConsumedCapacity": "x", "AttributesToGet": [], "TableName": "a;b"})
        ),
        ["returnConsumedCapacity", "attributesToGet", "tableName", "key"]
    );
    let request = json!({"Select": "x", "IndexName": "a;b", "ReturnConsumedCapacity": "x", "TableName": "a;b", "ConditionalOperator": "x",
        "AttributesToGet": [], "Limit": 0, "Segment": -1, "TotalSegments": 0, "QueryFilter": {"a": {}}, "KeyConditions": {"a": {}},
        "ScanFilter": {"a": {}}});
    assert_eq!(
        places(&requests::QUERY, request.clone()),
        [
            "select",
            "indexName",
            "returnConsumedCapacity",
            "queryFilter.a.member.comparisonOperator",
            "tableName",
            "conditionalOperator",
            "attributesToGet",
            "Limit",
            "keyConditions.a.member.comparisonOperator",
        ]
    );
    assert_eq!(
        places(&requests::SCAN, request),
        [
            "select",
            "indexName",
            "returnConsumedCapacity",
            "scanFilter.a.member.comparisonOperator",
            "tableName",
            "conditionalOperator",
            "attributesToGet",
            "segment",
            "totalSegments",
            "limit",
        ]
    );
}

#[test]
fn options_of_batches_are_listed_before_the_items() {
    let request = json!({"ReturnConsumedCapacity": "x", "ReturnItemCollectionMetrics": "x", "ClientRequestToken": ""});
    assert_eq!(
        places(&requests::BATCH_GET_ITEM, request.clone()),
        ["returnConsumedCapacity", "requestItems"]
    );
    assert_eq!(
        places(&requests::BATCH_WRITE_ITEM, request.clone()),
        ["returnConsumedCapacity", "returnItemCollectionMetrics", "requestItems"]
    );
    assert_eq!(
        places(&requests::TRANSACT_GET_ITEMS, request.clone()),
        ["returnConsumedCapacity", "transactItems"]
    );
    assert_eq!(
        places(&requests::TRANSACT_WRITE_ITEMS, request),
        [
            "returnConsumedCapacity",
            "returnItemCollectionMetrics",
            "clientRequestToken",
            "transactItems",
        ]
    );
    assert_eq!(
        places(
            &requests::BATCH_WRITE_ITEM,
            json!({"RequestItems": {"abc": [{"PutRequest": {}, "DeleteRequest": {}}]}})
        ),
        [
            "requestItems.abc.member.1.member.deleteRequest.key",
            "requestItems.abc.member.1.member.putRequest.item",
        ]
    );
}

#[test]
fn the_requests_about_tables_have_orders_of_their_own() {
    assert_eq!(
        places(
            &requests::CREATE_TABLE,
            json!({"TableName": "a;b", "BillingMode": "x", "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}})
        ),
        [
            "attributeDefinitions",
            "tableName",
            "billingMode",
            "provisionedThroughput.writeCapacityUnits",
            "provisionedThroughput.readCapacityUnits",
            "keySchema",
        ]
    );
    assert_eq!(
        places(
            &requests::UPDATE_TABLE,
            json!({"TableName": "a;b", "BillingMode": "x", "ProvisionedThroughput": {}, "ReplicaUpdates": [],
                "GlobalSecondaryIndexUpdates": [{"Update": {}, "Delete": {}}]})
        ),
        [
            "tableName",
            "provisionedThroughput.writeCapacityUnits",
            "provisionedThroughput.readCapacityUnits",
            "billingMode",
            "globalSecondaryIndexUpdates.1.member.update.indexName",
            "globalSecondaryIndexUpdates.1.member.delete.indexName",
            "replicaUpdates",
        ]
    );
    assert_eq!(
        places(
            &requests::LIST_TABLES,
            json!({"Limit": 0, "ExclusiveStartTableName": "a;b"})
        ),
        ["exclusiveStartTableName", "limit"]
    );
    for shape in [
        &requests::DESCRIBE_TABLE,
        &requests::DELETE_TABLE,
        &requests::DESCRIBE_TIME_TO_LIVE,
        &requests::DESCRIBE_CONTINUOUS_BACKUPS,
    ] {
        assert_eq!(
            places(shape, json!({"TableName": "a;b"})),
            ["tableName"],
            "{}",
            shape.class
        );
    }
    assert_eq!(
        places(
            &requests::UPDATE_TIME_TO_LIVE,
            json!({"TableName": "a;b", "TimeToLiveSpecification": {"AttributeName": ""}})
        ),
        [
            "tableName",
            "timeToLiveSpecification.attributeName",
            "timeToLiveSpecification.enabled",
        ]
    );
}

#[test]
fn tags_streams_and_statements_follow_the_model() {
    assert_eq!(
        places(&requests::TAG_RESOURCE, json!({"ResourceArn": ""})),
        ["resourceArn", "tags"]
    );
    assert_eq!(places(&requests::UNTAG_RESOURCE, json!({})), ["resourceArn", "tagKeys"]);
    assert_eq!(places(&requests::LIST_TAGS_OF_RESOURCE, json!({})), ["resourceArn"]);
    assert_eq!(
        places(
            &requests::LIST_STREAMS,
            json!({"ExclusiveStartStreamArn": "x", "Limit": 0, "TableName": "a;b"})
        ),
        ["tableName", "limit", "exclusiveStartStreamArn"]
    );
    assert_eq!(
        places(
            &requests::DESCRIBE_STREAM,
            json!({"ShardFilter": {"Type": "x", "ShardId": "x"}, "Limit": 0})
        ),
        ["streamArn", "limit", "shardFilter.type", "shardFilter.shardId"]
    );
    assert_eq!(
        places(&requests::GET_SHARD_ITERATOR, json!({"SequenceNumber": "1"})),
        ["streamArn", "shardId", "shardIteratorType", "sequenceNumber"]
    );
    assert_eq!(
        places(&requests::GET_RECORDS, json!({"Limit": 0})),
        ["shardIterator", "limit"]
    );
    assert_eq!(
        places(
            &requests::EXECUTE_STATEMENT,
            json!({"Statement": "", "Parameters": [], "NextToken": "", "ReturnConsumedCapacity": "x", "Limit": 0})
        ),
        [
            "statement",
            "parameters",
            "nextToken",
            "returnConsumedCapacity",
            "limit",
        ]
    );
    assert_eq!(
        places(
            &requests::BATCH_EXECUTE_STATEMENT,
            json!({"Statements": [{}], "ReturnConsumedCapacity": "x"})
        ),
        ["statements.1.member.statement", "returnConsumedCapacity"]
    );
    assert_eq!(
        places(
            &requests::EXECUTE_TRANSACTION,
            json!({"TransactStatements": [{}], "ClientRequestToken": ""})
        ),
        ["transactStatements.1.member.statement", "clientRequestToken"]
    );
}
