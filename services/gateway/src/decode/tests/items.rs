//! PutItem, GetItem, UpdateItem, DeleteItem.

use beringia_engine::api::{
    DeleteItemInput, GetItemInput, PutItemInput, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValues,
    ReturnValuesOnConditionCheckFailure, UpdateItemInput, WriteOptions,
};

use super::*;

/// The members that every write of one item can have.
fn write_members() -> Value {
    let own = json!({
        "TableName": "Music",
        "ConditionExpression": "#a = :v",
        "ReturnConsumedCapacity": "TOTAL",
        "ReturnItemCollectionMetrics": "SIZE",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    with(own, &placeholders())
}

/// The same, read.
fn write_options(return_values: ReturnValues) -> WriteOptions {
    WriteOptions {
        condition_expression: some("#a = :v"),
        expression_attribute_names: names(),
        expression_attribute_values: values(),
        return_values,
        return_consumed_capacity: ReturnConsumedCapacity::Total,
        return_item_collection_metrics: ReturnItemCollectionMetrics::Size,
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
    }
}

#[test]
fn put_item_is_read_whole() {
    let own = json!({"Item": {"pk": {"S": "a"}}, "ReturnValues": "ALL_OLD"});
    let expected = PutItemInput {
        table_name: "Music".to_owned(),
        item: item("pk", "a"),
        options: write_options(ReturnValues::AllOld),
    };
    assert_eq!(read::<PutItemInput>(with(own, &write_members())), expected);
}

#[test]
fn update_item_is_read_whole() {
    let own = json!({"Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET #a = :v", "ReturnValues": "UPDATED_NEW"});
    let expected = UpdateItemInput {
        table_name: "Music".to_owned(),
        key: item("pk", "a"),
        update_expression: some("SET #a = :v"),
        options: write_options(ReturnValues::UpdatedNew),
    };
    assert_eq!(read::<UpdateItemInput>(with(own, &write_members())), expected);
}

#[test]
fn delete_item_is_read_whole() {
    let own = json!({"Key": {"pk": {"S": "a"}}, "ReturnValues": "NONE"});
    let expected = DeleteItemInput {
        table_name: "Music".to_owned(),
        key: item("pk", "a"),
        options: write_options(ReturnValues::None),
    };
    assert_eq!(read::<DeleteItemInput>(with(own, &write_members())), expected);
}

#[test]
fn get_item_is_read_whole() {
    let request = json!({
        "TableName": "Music",
        "Key": {"pk": {"S": "a"}},
        "ConsistentRead": true,
        "ProjectionExpression": "#a",
        "ExpressionAttributeNames": {"#a": "a"},
        "ReturnConsumedCapacity": "INDEXES",
    });
    let expected = GetItemInput {
        table_name: "Music".to_owned(),
        key: item("pk", "a"),
        consistent_read: true,
        projection_expression: some("#a"),
        expression_attribute_names: names(),
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
    };
    assert_eq!(read::<GetItemInput>(request), expected);
}

#[test]
fn what_is_left_out_has_its_default() {
    let put = PutItemInput {
        table_name: "Music".to_owned(),
        item: item("pk", "a"),
        ..PutItemInput::default()
    };
    assert_eq!(
        read::<PutItemInput>(json!({"TableName": "Music", "Item": {"pk": {"S": "a"}}})),
        put
    );
    let request = || json!({"TableName": "Music", "Key": {"pk": {"S": "a"}}});
    let (table_name, key) = (String::from("Music"), item("pk", "a"));
    let delete = DeleteItemInput {
        table_name: table_name.clone(),
        key: key.clone(),
        ..DeleteItemInput::default()
    };
    assert_eq!(read::<DeleteItemInput>(request()), delete);
    let update = UpdateItemInput {
        table_name,
        key,
        ..UpdateItemInput::default()
    };
    assert_eq!(read::<UpdateItemInput>(request()), update);
}
