//! Decoding PutItem, GetItem, UpdateItem and DeleteItem.

use beringia_engine::api::{
    AttributeAction, AttributeValueUpdate, ComparisonOperator, ConditionalOperator, DeleteItemInput,
    ExpectedAttributeValue, GetItemInput, PutItemInput, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
    ReturnValues, ReturnValuesOnConditionCheckFailure, UpdateItemInput, WriteOptions,
};

use super::*;

/// The members that every write of one item can have.
fn write_members() -> Value {
    let own = json!({
        "TableName": "Music",
        "ConditionExpression": "#a = :v",
        "Expected": {
            "a": {"ComparisonOperator": "LT", "AttributeValueList": [{"S": "v"}]},
            "b": {"Exists": false}, "c": {"Value": {"S": "v"}},
        },
        "ConditionalOperator": "OR",
        "ReturnConsumedCapacity": "TOTAL",
        "ReturnItemCollectionMetrics": "SIZE",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    with(own, &placeholders())
}

/// The decoded form of `write_members`.
fn write_options(return_values: ReturnValues) -> WriteOptions {
    WriteOptions {
        condition_expression: some("#a = :v"),
        expected: Some(
            [
                (
                    "a".to_owned(),
                    ExpectedAttributeValue {
                        comparison_operator: Some(ComparisonOperator::Less),
                        attribute_value_list: Some(vec![value("v")]),
                        ..ExpectedAttributeValue::default()
                    },
                ),
                (
                    "b".to_owned(),
                    ExpectedAttributeValue {
                        exists: Some(false),
                        ..ExpectedAttributeValue::default()
                    },
                ),
                (
                    "c".to_owned(),
                    ExpectedAttributeValue {
                        value: Some(value("v")),
                        ..ExpectedAttributeValue::default()
                    },
                ),
            ]
            .into(),
        ),
        conditional_operator: Some(ConditionalOperator::Or),
        expression_attribute_names: names(),
        expression_attribute_values: values(),
        return_values,
        return_consumed_capacity: ReturnConsumedCapacity::Total,
        return_item_collection_metrics: ReturnItemCollectionMetrics::Size,
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
    }
}

#[test]
fn put_item_is_decoded_in_full() {
    let own = json!({"Item": {"pk": {"S": "a"}}, "ReturnValues": "ALL_OLD"});
    let expected = PutItemInput {
        table_name: "Music".to_owned(),
        item: item("pk", "a"),
        options: write_options(ReturnValues::AllOld),
    };
    assert_eq!(read::<PutItemInput>(with(own, &write_members())), expected);
}

#[test]
fn update_item_is_decoded_in_full() {
    let own = json!({
        "Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET #a = :v", "ReturnValues": "UPDATED_NEW",
        "AttributeUpdates": {"a": {"Action": "DELETE"}, "b": {"Value": {"S": "v"}}},
    });
    let update = |action, value| AttributeValueUpdate { action, value };
    let updates = [
        ("a".to_owned(), update(Some(AttributeAction::Delete), None)),
        ("b".to_owned(), update(None, Some(value("v")))),
    ];
    let expected = UpdateItemInput {
        table_name: "Music".to_owned(),
        key: item("pk", "a"),
        update_expression: some("SET #a = :v"),
        attribute_updates: Some(updates.into()),
        options: write_options(ReturnValues::UpdatedNew),
    };
    assert_eq!(read::<UpdateItemInput>(with(own, &write_members())), expected);
}

#[test]
fn delete_item_is_decoded_in_full() {
    let own = json!({"Key": {"pk": {"S": "a"}}, "ReturnValues": "NONE"});
    let expected = DeleteItemInput {
        table_name: "Music".to_owned(),
        key: item("pk", "a"),
        options: write_options(ReturnValues::None),
    };
    assert_eq!(read::<DeleteItemInput>(with(own, &write_members())), expected);
}

#[test]
fn get_item_is_decoded_in_full() {
    let request = json!({
        "TableName": "Music",
        "Key": {"pk": {"S": "a"}},
        "ConsistentRead": true,
        "ProjectionExpression": "#a",
        "AttributesToGet": ["a", "b"],
        "ExpressionAttributeNames": {"#a": "a"},
        "ReturnConsumedCapacity": "INDEXES",
    });
    let expected = GetItemInput {
        table_name: "Music".to_owned(),
        key: item("pk", "a"),
        consistent_read: true,
        projection_expression: some("#a"),
        attributes_to_get: Some(vec!["a".to_owned(), "b".to_owned()]),
        expression_attribute_names: names(),
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
    };
    assert_eq!(read::<GetItemInput>(request), expected);
}

#[test]
fn absent_members_get_defaults() {
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
