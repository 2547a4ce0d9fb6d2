//! Tests of TransactWriteItems and TransactGetItems.

use beringia_clock::WallClock;
use beringia_engine::{
    ApiError, CancellationReason,
    api::{
        ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactAction, TransactGetItem,
        TransactGetItemsInput, TransactWriteItem, TransactWriteItemsInput,
    },
};
use beringia_item::Item;
use beringia_storage_memory::MemoryState;

use crate::support::{Harness, item, n, refused, s, text, values};

fn key(name: &str) -> Item {
    item([("p", s(name))])
}

fn action(action: TransactAction) -> TransactWriteItem {
    TransactWriteItem {
        table_name: "simple".to_owned(),
        action,
        expression_attribute_names: None,
        expression_attribute_values: None,
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::None,
    }
}

fn put(item: Item) -> TransactWriteItem {
    action(TransactAction::Put {
        item,
        condition_expression: None,
    })
}

fn put_if(item: Item, condition: &str) -> TransactWriteItem {
    action(TransactAction::Put {
        item,
        condition_expression: text(condition),
    })
}

fn check(name: &str, condition: &str) -> TransactWriteItem {
    action(TransactAction::ConditionCheck {
        key: key(name),
        condition_expression: condition.to_owned(),
    })
}

fn increment(name: &str) -> TransactWriteItem {
    TransactWriteItem {
        expression_attribute_values: values([(":one", n(1))]),
        ..action(TransactAction::Update {
            key: key(name),
            update_expression: "ADD x :one".to_owned(),
            condition_expression: None,
        })
    }
}

fn transaction(transact_items: Vec<TransactWriteItem>) -> TransactWriteItemsInput {
    TransactWriteItemsInput {
        transact_items,
        ..TransactWriteItemsInput::default()
    }
}

fn with_token(token: &str, transact_items: Vec<TransactWriteItem>) -> TransactWriteItemsInput {
    TransactWriteItemsInput {
        client_request_token: text(token),
        ..transaction(transact_items)
    }
}

fn gets(keys: Vec<Item>) -> TransactGetItemsInput {
    let get = |key| TransactGetItem {
        table_name: "simple".to_owned(),
        key,
        ..TransactGetItem::default()
    };
    TransactGetItemsInput {
        transact_items: keys.into_iter().map(get).collect(),
        ..TransactGetItemsInput::default()
    }
}

async fn counter(harness: &Harness, name: &str) -> Option<Item> {
    harness.get("simple", key(name)).await
}

fn reasons<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<CancellationReason> {
    match result {
        Err(ApiError::TransactionCanceled { reasons }) => reasons,
        other => panic!("expected a TransactionCanceledException, got {other:?}"),
    }
}

fn codes<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<&'static str> {
    reasons(result).into_iter().map(|reason| reason.code).collect()
}

#[tokio::test]
async fn all_actions_of_a_transaction_take_effect() {
    let harness = Harness::new().with_music().await;
    harness.engine.create_table(crate::support::simple()).await.unwrap();
    harness.put("simple", key("gone")).await;
    let song = item([("artist", s("a")), ("song", s("b"))]);
    let in_music = TransactWriteItem {
        table_name: "music".to_owned(),
        ..put(song.clone())
    };
    let delete = action(TransactAction::Delete {
        key: key("gone"),
        condition_expression: text("attribute_exists(p)"),
    });
    let actions = vec![
        put(key("a")),
        increment("b"),
        delete,
        check("c", "attribute_not_exists(p)"),
        in_music,
    ];
    harness.engine.transact_write_items(transaction(actions)).await.unwrap();
    assert_eq!(counter(&harness, "a").await, Some(key("a")));
    assert_eq!(counter(&harness, "b").await, Some(item([("p", s("b")), ("x", n(1))])));
    assert_eq!(counter(&harness, "gone").await, None);
    assert_eq!(counter(&harness, "c").await, None, "a condition check creates no item");
    assert_eq!(harness.get("music", song.clone()).await, Some(song));
}

/// There is a reason for every action, in order.
#[tokio::test]
async fn one_false_condition_cancels_everything() {
    let harness = Harness::new().with_simple().await;
    let stored = item([("p", s("d")), ("x", s("text"))]);
    harness.put("simple", stored.clone()).await;
    let with_item = TransactWriteItem {
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
        ..put_if(key("d"), "attribute_not_exists(p)")
    };
    let actions = vec![
        put(key("a")),
        put_if(key("b"), "attribute_exists(p)"),
        check("c", "attribute_exists(p)"),
        with_item,
    ];
    let result = harness.engine.transact_write_items(transaction(actions)).await;
    assert_eq!(
        result.as_ref().unwrap_err().to_string(),
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, \
         ConditionalCheckFailed, ConditionalCheckFailed]"
    );
    let reasons = reasons(result);
    assert_eq!(reasons[0], CancellationReason::none());
    assert_eq!(reasons[1].message.as_deref(), Some("The conditional request failed"));
    assert_eq!(reasons[2].item, None);
    assert_eq!(reasons[3].item, Some(stored));
    assert_eq!(harness.items(), 1);

    let impossible = harness
        .engine
        .transact_write_items(transaction(vec![put(key("a")), increment("d")]))
        .await;
    assert_eq!(codes(impossible), ["None", "ValidationError"]);
    assert_eq!(harness.items(), 1);
}

#[tokio::test]
async fn invalid_key_cancels_and_invalid_expression_rejects() {
    let harness = Harness::new().with_simple().await;
    let wrong = vec![
        put_if(key("a"), "attribute_exists(p)"),
        put(item([("p", n(7))])),
        put(item([("p", n(8))])),
    ];
    let result = harness.engine.transact_write_items(transaction(wrong)).await;
    assert_eq!(
        codes(result),
        ["None", "ValidationError", "None"],
        "only the first invalid action is reported"
    );
    let twice_and_wrong = vec![put(key("a")), put(key("a")), put(item([("p", n(7))]))];
    let result = harness.engine.transact_write_items(transaction(twice_and_wrong)).await;
    assert_eq!(
        codes(result),
        ["None", "None", "ValidationError"],
        "keys are checked before repeated items"
    );
    let message = refused(
        harness
            .engine
            .transact_write_items(transaction(vec![put_if(key("a"), "p = :x")]))
            .await,
    );
    assert!(message.contains(":x"), "{message}");
    let result = harness
        .engine
        .transact_get_items(gets(vec![key("a"), item([("q", n(1))])]))
        .await;
    assert_eq!(codes(result), ["None", "ValidationError"]);
    let missing = TransactWriteItem {
        table_name: "missing".to_owned(),
        ..put(key("a"))
    };
    let result = harness.engine.transact_write_items(transaction(vec![missing])).await;
    assert!(matches!(result, Err(ApiError::ResourceNotFound(_))));
}

#[tokio::test]
async fn transaction_has_1_to_100_distinct_items_and_4_mb() {
    let harness = Harness::new().with_simple().await;
    let many = |count: u32| (0..count).map(|number| put(key(&number.to_string()))).collect();
    assert!(refused(harness.engine.transact_write_items(transaction(Vec::new())).await).contains("'transactItems'"));
    let message = refused(harness.engine.transact_write_items(transaction(many(101))).await);
    assert!(
        message.contains("Member must have length less than or equal to 100"),
        "{message}"
    );
    harness
        .engine
        .transact_write_items(transaction(many(100)))
        .await
        .unwrap();

    let one_item = "Transaction request cannot include multiple operations on one item";
    for twice in [
        vec![put(key("a")), put(key("a"))],
        vec![put(key("a")), check("a", "attribute_exists(p)")],
    ] {
        assert_eq!(
            refused(harness.engine.transact_write_items(transaction(twice)).await),
            one_item
        );
    }
    assert_eq!(
        refused(harness.engine.transact_get_items(gets(vec![key("a"), key("a")])).await),
        one_item
    );

    let large = s(&"x".repeat(100_000));
    let items = (0..50)
        .map(|number| put(item([("p", n_text(number)), ("x", large.clone())])))
        .collect();
    let message = refused(harness.engine.transact_write_items(transaction(items)).await);
    assert!(message.contains("size cannot exceed"), "{message}");
    for number in 0..50 {
        harness
            .put("simple", item([("p", n_text(number)), ("x", large.clone())]))
            .await;
    }
    let keys = (0..50).map(|number| item([("p", n_text(number))])).collect();
    assert!(refused(harness.engine.transact_get_items(gets(keys)).await).contains("size cannot exceed"));
}

fn n_text(number: u32) -> beringia_item::AttributeValue {
    s(&format!("large-{number}"))
}

#[tokio::test]
async fn repeated_token_has_no_further_effect_for_ten_minutes() {
    let harness = Harness::new().with_simple().await;
    for _ in 0..3 {
        harness
            .engine
            .transact_write_items(with_token("token", vec![increment("a")]))
            .await
            .unwrap();
    }
    assert_eq!(counter(&harness, "a").await, Some(item([("p", s("a")), ("x", n(1))])));

    let other = harness
        .engine
        .transact_write_items(with_token("token", vec![increment("b")]))
        .await;
    assert!(
        matches!(other, Err(ApiError::IdempotentParameterMismatch(_))),
        "{other:?}"
    );
    assert_eq!(counter(&harness, "b").await, None);

    harness.clock.set(harness.clock.now_ms() + 10 * 60 * 1000);
    harness
        .engine
        .transact_write_items(with_token("token", vec![increment("a")]))
        .await
        .unwrap();
    assert_eq!(counter(&harness, "a").await, Some(item([("p", s("a")), ("x", n(2))])));
}

#[tokio::test]
async fn a_token_of_a_cancelled_transaction_can_be_used_again() {
    let harness = Harness::new().with_simple().await;
    let conditional = || vec![put_if(item([("p", s("a")), ("x", n(1))]), "attribute_exists(p)")];
    let failed = harness
        .engine
        .transact_write_items(with_token("token", conditional()))
        .await;
    assert_eq!(codes(failed), ["ConditionalCheckFailed"]);
    harness.put("simple", key("a")).await;
    harness
        .engine
        .transact_write_items(with_token("token", conditional()))
        .await
        .unwrap();
    assert_eq!(counter(&harness, "a").await, Some(item([("p", s("a")), ("x", n(1))])));
}

#[tokio::test]
async fn a_token_survives_a_crash_with_its_transaction() {
    let state = MemoryState::new();
    let harness = Harness::on_state(state.clone()).with_simple().await;
    let request = || with_token("token", vec![increment("a")]);
    harness.engine.transact_write_items(request()).await.unwrap();
    harness.store.abandon();
    assert_eq!(
        harness
            .engine
            .transact_write_items(request())
            .await
            .unwrap_err()
            .http_status(),
        503
    );

    let restarted = Harness::on_state(state);
    restarted.engine.transact_write_items(request()).await.unwrap();
    assert_eq!(counter(&restarted, "a").await, Some(item([("p", s("a")), ("x", n(1))])));
}

#[tokio::test]
async fn expired_tokens_are_removed_and_their_table_is_hidden() {
    let harness = Harness::new().with_simple().await;
    for number in 0..40 {
        harness
            .engine
            .transact_write_items(with_token(&format!("old-{number}"), vec![put(key("a"))]))
            .await
            .unwrap();
    }
    assert_eq!(harness.items(), 41);
    harness.clock.set(harness.clock.now_ms() + 10 * 60 * 1000);
    for number in 0..20 {
        harness
            .engine
            .transact_write_items(with_token(&format!("new-{number}"), vec![put(key("a"))]))
            .await
            .unwrap();
    }
    assert_eq!(harness.items(), 21, "unexpired tokens are kept");
    let listed = harness
        .engine
        .list_tables(beringia_engine::api::ListTablesInput::default())
        .await
        .unwrap();
    assert_eq!(listed.table_names, ["simple"]);
}

#[tokio::test]
async fn a_token_has_1_to_36_characters() {
    let harness = Harness::new().with_simple().await;
    harness
        .engine
        .transact_write_items(with_token(&"t".repeat(36), vec![put(key("a"))]))
        .await
        .unwrap();
    for token in [String::new(), "t".repeat(37)] {
        let message = refused(
            harness
                .engine
                .transact_write_items(with_token(&token, vec![put(key("a"))]))
                .await,
        );
        assert!(
            message.contains("'clientRequestToken' failed to satisfy constraint"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn reads_of_a_transaction_come_in_their_order() {
    let harness = Harness::new().with_simple().await;
    harness
        .put("simple", item([("p", s("a")), ("x", n(1)), ("y", n(2))]))
        .await;
    harness.put("simple", key("c")).await;
    let mut input = gets(vec![key("c"), key("b"), key("a")]);
    input.transact_items[2].projection_expression = text("y");
    input.return_consumed_capacity = ReturnConsumedCapacity::Total;
    let output = harness.engine.transact_get_items(input).await.unwrap();
    assert_eq!(output.responses, [Some(key("c")), None, Some(item([("y", n(2))]))]);
    let total = output.consumed_capacity.unwrap()[0].total;
    assert_eq!(
        (
            total.capacity_units,
            total.read_capacity_units,
            total.write_capacity_units
        ),
        (6.0, Some(6.0), None)
    );
}

#[tokio::test]
async fn transactional_writes_cost_twice_and_repetitions_reads() {
    let harness = Harness::new().with_simple().await;
    let input = || TransactWriteItemsInput {
        return_consumed_capacity: ReturnConsumedCapacity::Total,
        ..with_token(
            "token",
            vec![put(key("a")), put(item([("p", s("b")), ("x", s(&"x".repeat(1500)))]))],
        )
    };
    let first = harness
        .engine
        .transact_write_items(input())
        .await
        .unwrap()
        .consumed_capacity
        .unwrap()[0]
        .total;
    assert_eq!((first.capacity_units, first.write_capacity_units), (6.0, Some(6.0)));
    let again = harness
        .engine
        .transact_write_items(input())
        .await
        .unwrap()
        .consumed_capacity
        .unwrap()[0]
        .total;
    assert_eq!((again.capacity_units, again.read_capacity_units), (4.0, Some(4.0)));
}

#[tokio::test]
async fn an_index_costs_in_a_transaction_what_it_costs_without() {
    let harness = Harness::new().with_music().await;
    let song = item([
        ("artist", s("a")),
        ("song", s("b")),
        ("genre", s("jazz")),
        ("length", n(3)),
    ]);
    let input = TransactWriteItemsInput {
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
        transact_items: vec![TransactWriteItem {
            table_name: "music".to_owned(),
            ..put(song)
        }],
        ..TransactWriteItemsInput::default()
    };
    let output = harness.engine.transact_write_items(input).await.unwrap();
    let consumed = &output.consumed_capacity.unwrap()[0];
    // The costs of the indexes by genre, by song and by length.
    assert_eq!(consumed.total.write_capacity_units, Some(2.0 + 3.0));
    assert_eq!(consumed.table.unwrap().write_capacity_units, Some(2.0));
    let units = |indexes: &Option<std::collections::BTreeMap<String, beringia_engine::api::ConsumedUnits>>| {
        let indexes = indexes.clone().unwrap_or_default().into_iter();
        indexes
            .map(|(name, capacity)| (name, capacity.write_capacity_units))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        units(&consumed.global_secondary_indexes),
        [("by-genre".to_owned(), Some(1.0)), ("by-song".to_owned(), Some(1.0))]
    );
    assert_eq!(
        units(&consumed.local_secondary_indexes),
        [("by-length".to_owned(), Some(1.0))]
    );
}
