//! Tests of the UpdateItem operation.

use beringia_engine::api::{ReturnValues, UpdateItemInput, WriteOptions};
use beringia_item::{AttributeValue, Item};

use super::update;
use crate::support::{Harness, item, n, refused, s, values};

#[tokio::test]
async fn update_creates_a_missing_item() {
    let harness = Harness::new().with_simple().await;
    let input = UpdateItemInput {
        options: WriteOptions {
            expression_attribute_values: values([(":one", n(1))]),
            ..WriteOptions::default()
        },
        ..update("ADD x :one")
    };
    harness.engine.update_item(input.clone()).await.unwrap();
    harness.engine.update_item(input).await.unwrap();
    assert_eq!(
        harness.get("simple", item([("p", s("a"))])).await,
        Some(item([("p", s("a")), ("x", n(2))]))
    );

    let bare = UpdateItemInput {
        update_expression: None,
        key: item([("p", s("b"))]),
        ..update("")
    };
    harness.engine.update_item(bare.clone()).await.unwrap();
    assert_eq!(
        harness.get("simple", item([("p", s("b"))])).await,
        Some(item([("p", s("b"))]))
    );
    let again = UpdateItemInput {
        options: WriteOptions {
            return_values: ReturnValues::AllNew,
            ..WriteOptions::default()
        },
        ..bare
    };
    let answer = harness.engine.update_item(again).await.unwrap();
    assert_eq!(
        answer.attributes,
        Some(item([("p", s("b"))])),
        "an update without an expression keeps the item"
    );
}

#[tokio::test]
async fn an_update_returns_what_return_values_asks_for() {
    let before = item([("p", s("a")), ("x", n(1)), ("y", n(5))]);
    let after = item([("p", s("a")), ("x", n(2)), ("y", n(5)), ("z", n(9))]);
    let cases = [
        (ReturnValues::None, None),
        (ReturnValues::AllOld, Some(before.clone())),
        (ReturnValues::AllNew, Some(after)),
        (ReturnValues::UpdatedOld, Some(item([("x", n(1))]))),
        (ReturnValues::UpdatedNew, Some(item([("x", n(2)), ("z", n(9))]))),
    ];
    for (return_values, expected) in cases {
        let harness = Harness::new().with_simple().await;
        harness.put("simple", before.clone()).await;
        let input = UpdateItemInput {
            options: WriteOptions {
                expression_attribute_values: values([(":x", n(2)), (":z", n(9))]),
                return_values,
                ..WriteOptions::default()
            },
            ..update("SET x = :x, z = :z")
        };
        assert_eq!(
            harness.engine.update_item(input).await.unwrap().attributes,
            expected,
            "{return_values:?}"
        );
    }
    let harness = Harness::new().with_simple().await;
    let input = UpdateItemInput {
        options: WriteOptions {
            return_values: ReturnValues::UpdatedOld,
            ..WriteOptions::default()
        },
        ..update("REMOVE x")
    };
    assert_eq!(
        harness.engine.update_item(input).await.unwrap().attributes,
        None,
        "there was no item"
    );
}

#[tokio::test]
async fn failing_updates_are_rejected_and_change_nothing() {
    let harness = Harness::new().with_simple().await;
    let stored = item([("p", s("a")), ("x", s("text"))]);
    harness.put("simple", stored.clone()).await;
    let large = s(&"x".repeat(300 * 1024));
    let cases = [
        (
            update("SET p = :v"),
            values([(":v", s("b"))]),
            "Cannot update attribute p. This attribute is part of the key",
        ),
        (
            update("REMOVE p"),
            None,
            "Cannot update attribute p. This attribute is part of the key",
        ),
        (
            update("SET x = x + :v"),
            values([(":v", n(1))]),
            "An operand in the update expression has an incorrect data type",
        ),
        (
            update("SET y = z"),
            None,
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        (
            update("SET y = :v, z = :v"),
            values([(":v", large)]),
            "Item size to update has exceeded the maximum allowed size",
        ),
        (update("SET y = "), None, "Invalid UpdateExpression"),
    ];
    for (input, expression_attribute_values, message) in cases {
        let shown = input.update_expression.clone();
        let input = UpdateItemInput {
            options: WriteOptions {
                expression_attribute_values,
                ..WriteOptions::default()
            },
            ..input
        };
        let refused = refused(harness.engine.update_item(input).await);
        assert!(refused.contains(message), "{shown:?}: {refused}");
    }
    assert_eq!(harness.get("simple", item([("p", s("a"))])).await, Some(stored));
}

#[tokio::test]
async fn an_update_that_nests_too_deep_is_refused() {
    let harness = Harness::new().with_simple().await;
    let nested = |levels| (0..levels).fold(n(1), |inner, _| AttributeValue::M(item([("m", inner)])));
    harness
        .put("simple", item([("p", s("a")), ("d", AttributeValue::M(Item::new()))]))
        .await;
    let set = |levels| UpdateItemInput {
        options: WriteOptions {
            expression_attribute_values: values([(":v", nested(levels))]),
            ..WriteOptions::default()
        },
        ..update("SET d.e = :v")
    };
    harness.engine.update_item(set(30)).await.unwrap();
    let message = refused(harness.engine.update_item(set(31)).await);
    assert!(
        message.contains("Nesting Levels have exceeded supported limits"),
        "{message}"
    );
}
