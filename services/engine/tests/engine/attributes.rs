//! The legacy parameters, through the operations.

use std::collections::BTreeMap;

use beringia_engine::{
    ApiError,
    api::{
        AttributeAction, AttributeCondition, AttributeConditions, AttributeValueUpdate, BatchGetItemInput,
        ComparisonOperator, ConditionalOperator, DeleteItemInput, ExpectedAttributeValue, GetItemInput,
        KeysAndAttributes, PutItemInput, QueryInput, ReturnValues, ScanInput, Select, UpdateItemInput, WriteOptions,
    },
};
use beringia_item::{AttributeValue, Item};

use crate::support::{Harness, item, n, names, refused, s, text, values};

const INVALID: &str = "One or more parameter values were invalid: ";

fn owned<const N: usize>(names: [&str; N]) -> Option<Vec<String>> {
    Some(names.map(str::to_owned).to_vec())
}

fn conditions<const N: usize>(conditions: [(&str, ComparisonOperator, AttributeValue); N]) -> AttributeConditions {
    let condition = |(name, comparison_operator, value): (&str, _, _)| {
        let condition = AttributeCondition {
            comparison_operator,
            attribute_value_list: Some(vec![value]),
        };
        (name.to_owned(), condition)
    };
    Some(conditions.into_iter().map(condition).collect())
}

fn equal(name: &str, value: AttributeValue) -> AttributeConditions {
    conditions([(name, ComparisonOperator::Equal, value)])
}

fn is(value: AttributeValue) -> ExpectedAttributeValue {
    ExpectedAttributeValue {
        value: Some(value),
        ..ExpectedAttributeValue::default()
    }
}

fn expecting<const N: usize>(expected: [(&str, ExpectedAttributeValue); N]) -> WriteOptions {
    let expected = expected.map(|(name, expected)| (name.to_owned(), expected));
    WriteOptions {
        expected: Some(expected.into()),
        ..WriteOptions::default()
    }
}

fn updates<const N: usize>(
    updates: [(&str, Option<AttributeAction>, Option<AttributeValue>); N],
) -> Option<BTreeMap<String, AttributeValueUpdate>> {
    let update = |(name, action, value): (&str, _, _)| (name.to_owned(), AttributeValueUpdate { action, value });
    Some(updates.into_iter().map(update).collect())
}

fn key(p: &str) -> Item {
    item([("p", s(p))])
}

impl Harness {
    async fn update(&self, input: UpdateItemInput) -> Result<Option<Item>, ApiError> {
        let input = UpdateItemInput {
            table_name: "simple".to_owned(),
            key: key("a"),
            ..input
        };
        self.engine.update_item(input).await.map(|output| output.attributes)
    }
}

#[tokio::test]
async fn attribute_updates_put_add_and_delete() {
    let harness = Harness::new().with_simple().await;
    let put = UpdateItemInput {
        attribute_updates: updates([
            ("x", None, Some(n(1))),
            ("y", Some(AttributeAction::Put), Some(s("y"))),
            ("z", Some(AttributeAction::Add), Some(n(5))),
        ]),
        ..UpdateItemInput::default()
    };
    harness.update(put).await.unwrap();
    let change = UpdateItemInput {
        attribute_updates: updates([
            ("x", Some(AttributeAction::Delete), None),
            ("z", Some(AttributeAction::Add), Some(n(-7))),
        ]),
        options: WriteOptions {
            return_values: ReturnValues::UpdatedNew,
            ..WriteOptions::default()
        },
        ..UpdateItemInput::default()
    };
    assert_eq!(harness.update(change).await.unwrap(), Some(item([("z", n(-2))])));
    let expected = item([("p", s("a")), ("y", s("y")), ("z", n(-2))]);
    assert_eq!(harness.get("simple", key("a")).await, Some(expected));
}

#[tokio::test]
async fn empty_update_creates_an_item_and_pure_deletions_do_not() {
    let harness = Harness::new().with_simple().await;
    let delete = UpdateItemInput {
        attribute_updates: updates([("x", Some(AttributeAction::Delete), None)]),
        ..UpdateItemInput::default()
    };
    harness.update(delete).await.unwrap();
    assert_eq!(harness.get("simple", key("a")).await, None);
    let remove = UpdateItemInput {
        update_expression: text("REMOVE x"),
        ..UpdateItemInput::default()
    };
    harness.update(remove).await.unwrap();
    assert_eq!(harness.get("simple", key("a")).await, None);
    let nothing = UpdateItemInput {
        attribute_updates: updates([]),
        ..UpdateItemInput::default()
    };
    harness.update(nothing).await.unwrap();
    assert_eq!(harness.get("simple", key("a")).await, Some(key("a")));
}

#[tokio::test]
async fn invalid_attribute_updates_are_rejected() {
    let harness = Harness::new().with_simple().await;
    for (attribute, action, value, message) in [
        (
            "x",
            None,
            None,
            "Only DELETE action is allowed when no attribute value is specified",
        ),
        (
            "x",
            Some(AttributeAction::Add),
            None,
            "Only DELETE action is allowed when no attribute value is specified",
        ),
        (
            "x",
            Some(AttributeAction::Add),
            Some(s("a")),
            "ADD action is not supported for the type S",
        ),
        (
            "x",
            Some(AttributeAction::Delete),
            Some(n(1)),
            "DELETE action with value is not supported for the type N",
        ),
        (
            "p",
            None,
            Some(s("b")),
            "Cannot update attribute p. This attribute is part of the key",
        ),
    ] {
        let input = UpdateItemInput {
            attribute_updates: updates([(attribute, action, value)]),
            ..UpdateItemInput::default()
        };
        assert_eq!(refused(harness.update(input).await), format!("{INVALID}{message}"));
    }
}

#[tokio::test]
async fn expected_guards_puts_updates_and_deletes() {
    let harness = Harness::new().with_simple().await;
    harness.put("simple", item([("p", s("a")), ("v", n(1))])).await;
    let absent = || ExpectedAttributeValue {
        exists: Some(false),
        ..ExpectedAttributeValue::default()
    };
    let put = |options| PutItemInput {
        table_name: "simple".to_owned(),
        item: item([("p", s("a")), ("v", n(2))]),
        options,
    };
    let failed = ApiError::ConditionalCheckFailed { item: None };
    for options in [
        expecting([("v", is(n(9)))]),
        expecting([("v", absent())]),
        expecting([("v", is(n(1))), ("w", is(n(1)))]),
    ] {
        assert_eq!(harness.engine.put_item(put(options.clone())).await, Err(failed.clone()));
        let delete = DeleteItemInput {
            table_name: "simple".to_owned(),
            key: key("a"),
            options: options.clone(),
        };
        assert_eq!(harness.engine.delete_item(delete).await, Err(failed.clone()));
        let update = UpdateItemInput {
            attribute_updates: updates([("v", None, Some(n(3)))]),
            options,
            ..UpdateItemInput::default()
        };
        assert_eq!(harness.update(update).await, Err(failed.clone()));
    }
    let any = WriteOptions {
        conditional_operator: Some(ConditionalOperator::Or),
        ..expecting([("v", is(n(9))), ("w", absent())])
    };
    harness.engine.put_item(put(any)).await.unwrap();
    let exists = ExpectedAttributeValue {
        exists: Some(true),
        ..is(n(2))
    };
    let delete = DeleteItemInput {
        table_name: "simple".to_owned(),
        key: key("a"),
        options: expecting([("v", exists)]),
    };
    harness.engine.delete_item(delete).await.unwrap();
    assert_eq!(harness.get("simple", key("a")).await, None);
}

#[tokio::test]
async fn invalid_expected_is_rejected() {
    let harness = Harness::new().with_simple().await;
    let compared = |comparison| ExpectedAttributeValue {
        comparison_operator: Some(comparison),
        ..ExpectedAttributeValue::default()
    };
    let exists = |exists| ExpectedAttributeValue {
        exists: Some(exists),
        ..ExpectedAttributeValue::default()
    };
    let list = || Some(vec![n(1)]);
    let cases = [
        (
            ExpectedAttributeValue {
                attribute_value_list: list(),
                ..is(n(1))
            },
            "Value and AttributeValueList cannot be used together for Attribute: v",
        ),
        (
            ExpectedAttributeValue {
                attribute_value_list: list(),
                exists: Some(false),
                ..compared(ComparisonOperator::Equal)
            },
            "Exists and ComparisonOperator cannot be used together for Attribute: v",
        ),
        (
            compared(ComparisonOperator::Equal),
            "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: v",
        ),
        (
            ExpectedAttributeValue {
                attribute_value_list: list(),
                ..ExpectedAttributeValue::default()
            },
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: v",
        ),
        (
            ExpectedAttributeValue {
                exists: Some(false),
                ..is(n(1))
            },
            "Value cannot be used when Exists is false for Attribute: v",
        ),
        (
            exists(true),
            "Value must be provided when Exists is true for Attribute: v",
        ),
        (
            ExpectedAttributeValue::default(),
            "Value must be provided when Exists is null for Attribute: v",
        ),
        (
            ExpectedAttributeValue {
                attribute_value_list: list(),
                ..compared(ComparisonOperator::Null)
            },
            "Invalid number of argument(s) for the NULL ComparisonOperator",
        ),
    ];
    for (expected, message) in cases {
        let put = PutItemInput {
            table_name: "simple".to_owned(),
            item: key("a"),
            options: expecting([("v", expected)]),
        };
        assert_eq!(
            refused(harness.engine.put_item(put).await),
            format!("{INVALID}{message}")
        );
    }
}

#[tokio::test]
async fn conditional_operator_needs_conditions() {
    let harness = Harness::new().with_simple().await;
    for options in [
        WriteOptions {
            conditional_operator: Some(ConditionalOperator::Or),
            ..WriteOptions::default()
        },
        WriteOptions {
            conditional_operator: Some(ConditionalOperator::And),
            ..expecting([])
        },
    ] {
        let put = PutItemInput {
            table_name: "simple".to_owned(),
            item: key("a"),
            options,
        };
        assert_eq!(
            refused(harness.engine.put_item(put).await),
            "ConditionalOperator cannot be used without Filter or Expected"
        );
    }
}

#[tokio::test]
async fn legacy_parameters_and_expressions_cannot_be_mixed() {
    let harness = Harness::new().with_music().await;
    let mixed = |older: &str, expressions: &str| {
        format!(
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{older}}} \
             Expression parameters: {{{expressions}}}"
        )
    };
    let get = GetItemInput {
        table_name: "music".to_owned(),
        key: item([("artist", s("a")), ("song", s("b"))]),
        attributes_to_get: owned(["x"]),
        projection_expression: text("x"),
        ..GetItemInput::default()
    };
    let message = refused(harness.engine.get_item(get.clone()).await);
    assert_eq!(message, mixed("AttributesToGet", "ProjectionExpression"));
    let put = PutItemInput {
        table_name: "music".to_owned(),
        item: get.key.clone(),
        options: WriteOptions {
            condition_expression: text("attribute_exists(x)"),
            conditional_operator: Some(ConditionalOperator::And),
            ..expecting([("x", is(n(1)))])
        },
    };
    let message = refused(harness.engine.put_item(put).await);
    assert_eq!(message, mixed("Expected, ConditionalOperator", "ConditionExpression"));
    let update = |attribute_updates, update_expression, options| UpdateItemInput {
        table_name: "music".to_owned(),
        key: get.key.clone(),
        attribute_updates,
        update_expression,
        options,
    };
    let input = update(
        updates([("x", None, Some(n(1)))]),
        text("REMOVE x"),
        WriteOptions::default(),
    );
    let message = refused(harness.engine.update_item(input).await);
    assert_eq!(message, mixed("AttributeUpdates", "UpdateExpression"));
    let input = update(None, text("REMOVE x"), expecting([("x", is(n(1)))]));
    let message = refused(harness.engine.update_item(input).await);
    assert_eq!(message, mixed("Expected", "UpdateExpression"));
    let query = QueryInput {
        table_name: "music".to_owned(),
        key_conditions: equal("artist", s("a")),
        key_condition_expression: text("artist = :a"),
        query_filter: equal("x", n(1)),
        expression_attribute_values: values([(":a", s("a"))]),
        ..QueryInput::default()
    };
    let message = refused(harness.engine.query(query).await);
    assert_eq!(message, mixed("QueryFilter, KeyConditions", "KeyConditionExpression"));
    let scan = ScanInput {
        table_name: "music".to_owned(),
        scan_filter: equal("x", n(1)),
        attributes_to_get: owned(["x"]),
        conditional_operator: Some(ConditionalOperator::And),
        filter_expression: text("x = y"),
        projection_expression: text("x"),
        ..ScanInput::default()
    };
    let message = refused(harness.engine.scan(scan).await);
    assert_eq!(
        message,
        mixed(
            "AttributesToGet, ScanFilter, ConditionalOperator",
            "ProjectionExpression, FilterExpression"
        )
    );
    let get = GetItemInput {
        projection_expression: None,
        expression_attribute_names: names([("#x", "x")]),
        ..get
    };
    assert_eq!(
        refused(harness.engine.get_item(get).await),
        "ExpressionAttributeNames can only be specified when using expressions"
    );
}

/// A table `music` with songs of one artist, whose years are 1 to 5.
async fn with_songs() -> Harness {
    let harness = Harness::new().with_music().await;
    for year in 1..=5 {
        let song = item([
            ("artist", s("a")),
            ("song", s(&format!("s{year}"))),
            ("year", n(year)),
            ("genre", s("jazz")),
            ("x.y", n(-year)),
        ]);
        harness.put("music", song).await;
    }
    harness
}

fn songs(items: Option<Vec<Item>>) -> Vec<String> {
    let song = |item: Item| match &item["song"] {
        AttributeValue::S(song) => song.clone(),
        other => panic!("{other:?}"),
    };
    items.unwrap().into_iter().map(song).collect()
}

#[tokio::test]
async fn a_query_takes_key_conditions_a_filter_and_names() {
    let harness = with_songs().await;
    let after = AttributeCondition {
        comparison_operator: ComparisonOperator::Greater,
        attribute_value_list: Some(vec![s("s2")]),
    };
    let mut keys = equal("artist", s("a"));
    keys.as_mut().unwrap().insert("song".to_owned(), after);
    let query = QueryInput {
        table_name: "music".to_owned(),
        key_conditions: keys,
        ..QueryInput::default()
    };
    let found = harness.engine.query(query.clone()).await.unwrap();
    assert_eq!(songs(found.items), ["s3", "s4", "s5"]);
    let filtered = QueryInput {
        query_filter: conditions([
            ("year", ComparisonOperator::NotEqual, n(4)),
            ("x.y", ComparisonOperator::Less, n(-3)),
        ]),
        ..query.clone()
    };
    let found = harness.engine.query(filtered.clone()).await.unwrap();
    assert_eq!((found.count, found.scanned_count), (1, 3));
    assert_eq!(songs(found.items), ["s5"]);
    let any = QueryInput {
        conditional_operator: Some(ConditionalOperator::Or),
        ..filtered.clone()
    };
    assert_eq!(harness.engine.query(any).await.unwrap().count, 3);
    let named = QueryInput {
        attributes_to_get: owned(["x.y", "nothing"]),
        select: Some(Select::SpecificAttributes),
        ..filtered
    };
    let found = harness.engine.query(named).await.unwrap();
    assert_eq!(found.items, Some(vec![item([("x.y", n(-5))])]));
    let projected = QueryInput {
        projection_expression: text("song"),
        ..query
    };
    assert_eq!(songs(harness.engine.query(projected).await.unwrap().items).len(), 3);
}

#[tokio::test]
async fn legacy_query_is_checked_like_any_other() {
    let harness = with_songs().await;
    let query = || QueryInput {
        table_name: "music".to_owned(),
        key_conditions: equal("artist", s("a")),
        ..QueryInput::default()
    };
    let cases = [
        (
            QueryInput {
                key_conditions: None,
                ..query()
            },
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.".to_owned(),
        ),
        (
            QueryInput {
                query_filter: equal("song", s("x")),
                ..query()
            },
            "QueryFilter can only contain non-primary key attributes: Primary key attribute: song".to_owned(),
        ),
        (
            QueryInput {
                attributes_to_get: owned(["a"]),
                select: Some(Select::Count),
                ..query()
            },
            "1 validation error detected: Cannot specify the AttributesToGet when choosing to get only the Count"
                .to_owned(),
        ),
        (
            QueryInput {
                attributes_to_get: owned(["a", "a"]),
                ..query()
            },
            format!("{INVALID}Duplicate value in attribute name: a"),
        ),
        (
            QueryInput {
                conditional_operator: Some(ConditionalOperator::Or),
                ..query()
            },
            "ConditionalOperator cannot be used without Filter or Expected".to_owned(),
        ),
        (
            QueryInput {
                key_conditions: equal("song", s("x")),
                ..query()
            },
            "Query condition missed key schema element: artist".to_owned(),
        ),
    ];
    for (query, message) in cases {
        assert_eq!(refused(harness.engine.query(query).await), message);
    }
}

#[tokio::test]
async fn scans_gets_and_batches_accept_legacy_parameters() {
    let harness = with_songs().await;
    let scan = ScanInput {
        table_name: "music".to_owned(),
        scan_filter: conditions([("year", ComparisonOperator::LessOrEqual, n(2))]),
        attributes_to_get: owned(["song"]),
        ..ScanInput::default()
    };
    let found = harness.engine.scan(scan).await.unwrap();
    assert_eq!((found.count, found.scanned_count), (2, 5));
    assert_eq!(songs(found.items), ["s1", "s2"]);
    let key = item([("artist", s("a")), ("song", s("s3"))]);
    let get = GetItemInput {
        table_name: "music".to_owned(),
        key: key.clone(),
        attributes_to_get: owned(["year", "x"]),
        ..GetItemInput::default()
    };
    let got = harness.engine.get_item(get).await.unwrap();
    assert_eq!(got.item, Some(item([("year", n(3))])));
    let wanted = KeysAndAttributes {
        keys: vec![key],
        attributes_to_get: owned(["x.y"]),
        ..KeysAndAttributes::default()
    };
    let batch = BatchGetItemInput {
        request_items: [("music".to_owned(), wanted)].into(),
        ..BatchGetItemInput::default()
    };
    let got = harness.engine.batch_get_item(batch).await.unwrap();
    assert_eq!(got.responses["music"], [item([("x.y", n(-3))])]);
}
