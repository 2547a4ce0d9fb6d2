//! Decoding Query, Scan, BatchGetItem, BatchWriteItem, TransactWriteItems and TransactGetItems.

use beringia_engine::api::{
    AttributeCondition, AttributeConditions, BatchGetItemInput, BatchWriteItemInput, ComparisonOperator,
    ConditionalOperator, KeysAndAttributes, QueryInput, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
    ReturnValuesOnConditionCheckFailure, ScanInput, Select, TransactAction, TransactGetItem, TransactGetItemsInput,
    TransactWriteItem, TransactWriteItemsInput, WriteRequest,
};

use super::*;

/// One condition without values and one with.
fn conditions() -> AttributeConditions {
    let condition = |comparison_operator, attribute_value_list| AttributeCondition {
        comparison_operator,
        attribute_value_list,
    };
    let conditions = [
        ("a".to_owned(), condition(ComparisonOperator::Null, None)),
        (
            "b".to_owned(),
            condition(ComparisonOperator::Equal, Some(vec![value("v")])),
        ),
    ];
    Some(conditions.into())
}

#[test]
fn query_is_decoded_in_full() {
    let request = json!({
        "TableName": "Music",
        "IndexName": "ByYear",
        "KeyConditionExpression": "#a = :v",
        "FilterExpression": "b = :v",
        "KeyConditions": {"a": {"ComparisonOperator": "NULL"}, "b": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "v"}]}},
        "QueryFilter": {"a": {"ComparisonOperator": "NULL"}, "b": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "v"}]}},
        "ConditionalOperator": "AND",
        "ProjectionExpression": "c",
        "AttributesToGet": ["c"],
        "Select": "SPECIFIC_ATTRIBUTES",
        "Limit": 7,
        "ExclusiveStartKey": {"pk": {"S": "a"}},
        "ScanIndexForward": false,
        "ConsistentRead": true,
        "ReturnConsumedCapacity": "TOTAL",
    });
    let expected = QueryInput {
        table_name: "Music".to_owned(),
        index_name: some("ByYear"),
        key_condition_expression: some("#a = :v"),
        filter_expression: some("b = :v"),
        key_conditions: conditions(),
        query_filter: conditions(),
        conditional_operator: Some(ConditionalOperator::And),
        projection_expression: some("c"),
        attributes_to_get: Some(vec!["c".to_owned()]),
        expression_attribute_names: names(),
        expression_attribute_values: values(),
        select: Some(Select::SpecificAttributes),
        limit: Some(7),
        exclusive_start_key: Some(item("pk", "a")),
        scan_index_forward: false,
        consistent_read: true,
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    assert_eq!(read::<QueryInput>(with(request, &placeholders())), expected);
    let smallest = QueryInput {
        table_name: "Music".to_owned(),
        ..QueryInput::default()
    };
    assert_eq!(read::<QueryInput>(json!({"TableName": "Music"})), smallest);
}

#[test]
fn invalid_start_key_is_named_except_for_its_numbers() {
    let scan = |start: Value| invalid::<ScanInput>(json!({"TableName": "Music", "ExclusiveStartKey": {"pk": start}}));
    assert_eq!(
        scan(json!({})),
        "The provided starting key is invalid: Supplied AttributeValue is empty, must contain exactly one of the supported \
         datatypes"
    );
    assert_eq!(
        scan(json!({"N": "x"})),
        "The parameter cannot be converted to a numeric value: x"
    );
}

#[test]
fn scan_is_decoded_in_full() {
    let request = json!({
        "TableName": "Music",
        "IndexName": "ByYear",
        "FilterExpression": "b = :v",
        "ScanFilter": {"a": {"ComparisonOperator": "NULL"}, "b": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "v"}]}},
        "ConditionalOperator": "OR",
        "ProjectionExpression": "c",
        "AttributesToGet": ["c"],
        "Select": "COUNT",
        "Limit": 7.9,
        "ExclusiveStartKey": {"pk": {"S": "a"}},
        "Segment": 1,
        "TotalSegments": 4,
        "ConsistentRead": true,
        "ReturnConsumedCapacity": "TOTAL",
    });
    let expected = ScanInput {
        table_name: "Music".to_owned(),
        index_name: some("ByYear"),
        filter_expression: some("b = :v"),
        scan_filter: conditions(),
        conditional_operator: Some(ConditionalOperator::Or),
        projection_expression: some("c"),
        attributes_to_get: Some(vec!["c".to_owned()]),
        expression_attribute_names: names(),
        expression_attribute_values: values(),
        select: Some(Select::Count),
        limit: Some(7),
        exclusive_start_key: Some(item("pk", "a")),
        segment: Some(1),
        total_segments: Some(4),
        consistent_read: true,
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    assert_eq!(read::<ScanInput>(with(request, &placeholders())), expected);
    let smallest = ScanInput {
        table_name: "Music".to_owned(),
        ..ScanInput::default()
    };
    assert_eq!(read::<ScanInput>(json!({"TableName": "Music"})), smallest);
}

#[test]
fn batch_get_item_is_decoded_in_full() {
    let request = json!({
        "RequestItems": {
            "Music": {
                "Keys": [{"pk": {"S": "a"}}, {"pk": {"S": "b"}}],
                "ConsistentRead": true,
                "AttributesToGet": ["a"],
                "ProjectionExpression": "#a",
                "ExpressionAttributeNames": {"#a": "a"},
            },
            "Other": {"Keys": [{"pk": {"S": "c"}}]},
        },
        "ReturnConsumedCapacity": "TOTAL",
    });
    let music = KeysAndAttributes {
        keys: vec![item("pk", "a"), item("pk", "b")],
        consistent_read: Some(true),
        attributes_to_get: Some(vec!["a".to_owned()]),
        projection_expression: some("#a"),
        expression_attribute_names: names(),
    };
    let other = KeysAndAttributes {
        keys: vec![item("pk", "c")],
        ..KeysAndAttributes::default()
    };
    let expected = BatchGetItemInput {
        request_items: [("Music".to_owned(), music), ("Other".to_owned(), other)].into(),
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    assert_eq!(read::<BatchGetItemInput>(request), expected);
}

#[test]
fn batch_write_item_is_decoded_in_full() {
    let request = json!({
        "RequestItems": {
            "Music": [{"PutRequest": {"Item": {"pk": {"S": "a"}}}}, {"DeleteRequest": {"Key": {"pk": {"S": "b"}}}}],
        },
        "ReturnConsumedCapacity": "TOTAL",
        "ReturnItemCollectionMetrics": "SIZE",
    });
    let writes = vec![
        WriteRequest::Put { item: item("pk", "a") },
        WriteRequest::Delete { key: item("pk", "b") },
    ];
    let expected = BatchWriteItemInput {
        request_items: [("Music".to_owned(), writes)].into(),
        return_consumed_capacity: ReturnConsumedCapacity::Total,
        return_item_collection_metrics: ReturnItemCollectionMetrics::Size,
    };
    assert_eq!(read::<BatchWriteItemInput>(request), expected);
}

#[test]
fn a_batch_write_is_a_put_or_a_delete() {
    let both = json!({"PutRequest": {"Item": {}}, "DeleteRequest": {"Key": {}}});
    for write in [json!({}), both] {
        assert_eq!(
            invalid::<BatchWriteItemInput>(json!({"RequestItems": {"Music": [write]}})),
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
        );
    }
}

#[test]
fn transact_write_items_is_decoded_in_full() {
    let all = with(
        json!({
            "TableName": "Music",
            "ConditionExpression": "#a = :v",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }),
        &placeholders(),
    );
    let key = json!({"Key": {"pk": {"S": "a"}}});
    let request = json!({
        "TransactItems": [
            {"ConditionCheck": with(key.clone(), &all)},
            {"Put": with(json!({"Item": {"pk": {"S": "a"}}}), &all)},
            {"Delete": with(key.clone(), &all)},
            {"Update": with(with(key, &json!({"UpdateExpression": "SET #a = :v"})), &all)},
            {"Delete": {"TableName": "Other", "Key": {"pk": {"S": "b"}}}},
        ],
        "ClientRequestToken": "once",
        "ReturnConsumedCapacity": "INDEXES",
        "ReturnItemCollectionMetrics": "SIZE",
    });
    let condition_expression = || some("#a = :v");
    let key = || item("pk", "a");
    let whole = |action| TransactWriteItem {
        table_name: "Music".to_owned(),
        action,
        expression_attribute_names: names(),
        expression_attribute_values: values(),
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
    };
    let smallest = TransactWriteItem {
        table_name: "Other".to_owned(),
        action: TransactAction::Delete {
            key: item("pk", "b"),
            condition_expression: None,
        },
        expression_attribute_names: None,
        expression_attribute_values: None,
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::None,
    };
    let update_expression = "SET #a = :v".to_owned();
    let expected = TransactWriteItemsInput {
        transact_items: vec![
            whole(TransactAction::ConditionCheck {
                key: key(),
                condition_expression: "#a = :v".to_owned(),
            }),
            whole(TransactAction::Put {
                item: key(),
                condition_expression: condition_expression(),
            }),
            whole(TransactAction::Delete {
                key: key(),
                condition_expression: condition_expression(),
            }),
            whole(TransactAction::Update {
                key: key(),
                update_expression,
                condition_expression: condition_expression(),
            }),
            smallest,
        ],
        client_request_token: some("once"),
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
        return_item_collection_metrics: ReturnItemCollectionMetrics::Size,
    };
    assert_eq!(read::<TransactWriteItemsInput>(request), expected);
}

#[test]
fn element_of_a_transaction_has_one_action() {
    let delete = json!({"TableName": "Music", "Key": {"pk": {"S": "a"}}});
    let put = json!({"TableName": "Music", "Item": {"pk": {"S": "a"}}});
    for element in [json!({}), json!({"Put": put, "Delete": delete})] {
        assert_eq!(
            invalid::<TransactWriteItemsInput>(json!({"TransactItems": [element]})),
            "TransactItems can only contain one of Check, Put, Update or Delete"
        );
    }
}

#[test]
fn transact_get_items_is_decoded_in_full() {
    let request = json!({
        "TransactItems": [
            {"Get": {
                "TableName": "Music",
                "Key": {"pk": {"S": "a"}},
                "ProjectionExpression": "#a",
                "ExpressionAttributeNames": {"#a": "a"},
            }},
            {"Get": {"TableName": "Other", "Key": {"pk": {"S": "b"}}}},
        ],
        "ReturnConsumedCapacity": "TOTAL",
    });
    let whole = TransactGetItem {
        table_name: "Music".to_owned(),
        key: item("pk", "a"),
        projection_expression: some("#a"),
        expression_attribute_names: names(),
    };
    let smallest = TransactGetItem {
        table_name: "Other".to_owned(),
        key: item("pk", "b"),
        ..TransactGetItem::default()
    };
    let expected = TransactGetItemsInput {
        transact_items: vec![whole, smallest],
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    assert_eq!(read::<TransactGetItemsInput>(request), expected);
}
