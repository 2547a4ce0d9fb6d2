//! Tests of the ExecuteTransaction operation.

use beringia_clock::WallClock;
use beringia_engine::{
    ApiError, CancellationReason,
    api::{
        ExecuteTransactionInput, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactStatement,
        TransactWriteItemsInput,
    },
};

use super::songs;
use crate::support::{Harness, item, n, refused, s, text};

fn transaction(texts: &[&str]) -> ExecuteTransactionInput {
    let statement = |text: &&str| TransactStatement {
        statement: (*text).to_owned(),
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
        ..TransactStatement::default()
    };
    ExecuteTransactionInput {
        transact_statements: texts.iter().map(statement).collect(),
        ..ExecuteTransactionInput::default()
    }
}

/// The cancellation reasons, statement by statement.
fn reasons<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<CancellationReason> {
    match result {
        Err(ApiError::TransactionCanceled { reasons }) => reasons,
        other => panic!("{other:?}"),
    }
}

fn codes(reasons: &[CancellationReason]) -> Vec<&str> {
    reasons.iter().map(|reason| reason.code).collect()
}

const SPOON: &str = "artist = 'Can' AND song = 'Spoon'";

#[tokio::test]
async fn a_transaction_writes_everything() {
    let harness = songs().await;
    let input = ExecuteTransactionInput {
        return_consumed_capacity: ReturnConsumedCapacity::Total,
        ..transaction(&[
            "EXISTS(SELECT * FROM music WHERE artist = 'Can' AND song = 'Vitamin C' AND label IS MISSING)",
            "INSERT INTO music VALUE {'artist': 'Cluster', 'song': 'Hollywood'}",
            &format!("UPDATE music SET plays = 1 WHERE {SPOON} AND year = 1972"),
            "DELETE FROM music WHERE artist = 'Faust' AND song = 'Krautrock'",
        ])
    };
    let output = harness.engine.execute_transaction(input).await.unwrap();
    assert_eq!(output.responses, []);
    let units: Vec<_> = output
        .consumed_capacity
        .unwrap()
        .iter()
        .map(|of| of.total.write_capacity_units)
        .collect();
    assert_eq!(units.len(), 4);
    assert_eq!(units[0], Some(2.0));
    assert_eq!(harness.items(), 5);
    assert_eq!(
        harness
            .items_of(&format!("SELECT plays FROM music WHERE {SPOON}"))
            .await,
        [item([("plays", n(1))])]
    );
}

#[tokio::test]
async fn transaction_is_cancelled_with_a_reason_per_statement() {
    let harness = songs().await;
    let failed = harness
        .engine
        .execute_transaction(transaction(&[
            "DELETE FROM music WHERE artist = 'Neu' AND song = 'Hallogallo'",
            &format!("UPDATE music SET plays = 1 WHERE {SPOON} AND year = 1900"),
            "INSERT INTO music VALUE {'artist': 'Faust', 'song': 'Krautrock'}",
            "UPDATE music SET plays = 1 WHERE artist = 'Nobody' AND song = 'x'",
            "EXISTS(SELECT * FROM music WHERE artist = 'Can' AND song = 'Vitamin C' AND year IS MISSING)",
            "EXISTS(SELECT * FROM music WHERE artist = 'Nobody' AND song = 'y' AND year IS MISSING)",
        ]))
        .await;
    let reasons = reasons(failed);
    let condition = "ConditionalCheckFailed";
    assert_eq!(
        codes(&reasons),
        ["None", condition, "DuplicateItem", condition, condition, condition]
    );
    assert_eq!(
        reasons[1].item.as_ref().map(|item| item["song"].clone()),
        Some(s("Spoon"))
    );
    assert_eq!(
        reasons[2].message.as_deref(),
        Some("Duplicate primary key exists in table")
    );
    assert_eq!(harness.items(), 5);
}

#[tokio::test]
async fn a_statement_that_is_invalid_cancels_the_transaction() {
    let harness = songs().await;
    let fine = "INSERT INTO music VALUE {'artist': 'Cluster', 'song': 'Hollywood'}";
    for (statement, expected) in [
        (
            "UPDATE music SET plays = 1 WHERE artist = 'Can'".to_owned(),
            "Where clause does not contain a mandatory equality on all key attributes",
        ),
        (
            "UPDATE music".to_owned(),
            "Statement wasn't well formed, can't be processed: Unexpected end of statement",
        ),
        (
            "INSERT INTO music VALUE {'artist': 'a'}".to_owned(),
            "One or more parameter values were invalid: Missing the key song in the item",
        ),
    ] {
        let failed = harness
            .engine
            .execute_transaction(transaction(&[fine, &statement]))
            .await;
        let reasons = reasons(failed);
        assert_eq!(codes(&reasons), ["None", "ValidationError"], "{statement}");
        assert_eq!(reasons[1].message.as_deref(), Some(expected), "{statement}");
    }
    assert_eq!(harness.items(), 5);
}

#[tokio::test]
async fn read_transaction_sees_one_snapshot() {
    let harness = songs().await;
    let input = ExecuteTransactionInput {
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
        ..transaction(&[
            &format!("SELECT year FROM music WHERE {SPOON}"),
            "SELECT * FROM music WHERE artist = 'Nobody' AND song = 'x'",
            "SELECT * FROM music WHERE artist = 'Neu' AND song = 'Hallogallo' AND year = 1900",
        ])
    };
    let output = harness.engine.execute_transaction(input).await.unwrap();
    assert_eq!(output.responses, [Some(item([("year", n(1972))])), None, None]);
    let units: Vec<_> = output
        .consumed_capacity
        .unwrap()
        .iter()
        .map(|of| of.total.read_capacity_units)
        .collect();
    assert_eq!(units, [Some(2.0); 3]);
    let failed = harness
        .engine
        .execute_transaction(transaction(&["SELECT * FROM music WHERE artist = 'Can'"]))
        .await;
    assert_eq!(
        refused(failed),
        "Validation failed in TransactStatements[0]: Select statements within ExecuteTransaction must specify the primary key in \
         the where clause."
    );
}

#[tokio::test]
async fn a_transaction_reads_or_writes_each_item_once() {
    let harness = songs().await;
    let delete = format!("DELETE FROM music WHERE {SPOON}");
    let select = format!("SELECT * FROM music WHERE {SPOON}");
    for (texts, expected) in [
        (
            vec![delete.as_str(), &select],
            "TransactStatements should contain either only READ or only WRITE operations.",
        ),
        (
            vec![&delete, &delete],
            "Transaction request cannot include multiple operations on one item",
        ),
        (
            vec![&select, &select],
            "Transaction request cannot include multiple operations on one item",
        ),
        (
            vec![&delete; 101],
            "1 validation error detected: Value '[...]' at 'transactStatements' failed to satisfy constraint: Member must have \
             length less than or equal to 100",
        ),
    ] {
        assert_eq!(
            refused(harness.engine.execute_transaction(transaction(&texts)).await),
            expected
        );
    }
    assert_eq!(harness.items(), 5);
}

#[tokio::test]
async fn every_write_with_an_invalid_key_is_reported() {
    let harness = Harness::new().with_simple().await;
    let texts = [
        "UPDATE simple SET x = 1 WHERE p = 1",
        "INSERT INTO simple VALUE {'p': 'a'}",
        "DELETE FROM simple WHERE p = 2",
    ];
    let result = harness.engine.execute_transaction(transaction(&texts)).await;
    let reasons = reasons(result);
    let reported: Vec<_> = reasons
        .iter()
        .map(|reason| (reason.code, reason.message.as_deref()))
        .collect();
    let unfit = (
        "ValidationError",
        Some("The provided key element does not match the schema"),
    );
    assert_eq!(reported, [unfit, ("None", None), unfit]);
}

#[tokio::test]
async fn token_makes_a_repeated_transaction_idempotent() {
    let harness = Harness::new().with_simple().await;
    harness.put("simple", item([("p", s("a")), ("x", n(0))])).await;
    let increment = |token: &str, by: i64| ExecuteTransactionInput {
        transact_statements: vec![TransactStatement {
            statement: "UPDATE simple SET x = x + ? WHERE p = 'a'".to_owned(),
            parameters: Some(vec![n(by)]),
            ..TransactStatement::default()
        }],
        client_request_token: text(token),
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    let first = harness.engine.execute_transaction(increment("t", 1)).await.unwrap();
    assert_eq!(
        first.consumed_capacity.unwrap()[0].total.write_capacity_units,
        Some(2.0)
    );
    let again = harness.engine.execute_transaction(increment("t", 1)).await.unwrap();
    assert_eq!(again.consumed_capacity.unwrap()[0].total.read_capacity_units, Some(2.0));
    let other = harness.engine.execute_transaction(increment("t", 2)).await.unwrap_err();
    assert_eq!(other.name(), "IdempotentParameterMismatchException");
    // TransactWriteItems has tokens of its own.
    let items = TransactWriteItemsInput {
        client_request_token: text("t"),
        transact_items: vec![beringia_engine::api::TransactWriteItem {
            table_name: "simple".to_owned(),
            action: beringia_engine::api::TransactAction::Put {
                item: item([("p", s("b"))]),
                condition_expression: None,
            },
            expression_attribute_names: None,
            expression_attribute_values: None,
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::None,
        }],
        ..TransactWriteItemsInput::default()
    };
    harness.engine.transact_write_items(items).await.unwrap();
    let x = |item: Option<beringia_item::Item>| item.map(|item| item["x"].clone());
    assert_eq!(x(harness.get("simple", item([("p", s("a"))])).await), Some(n(1)));
    harness.clock.set(harness.clock.now_ms() + 10 * 60 * 1000);
    harness.engine.execute_transaction(increment("t", 5)).await.unwrap();
    assert_eq!(x(harness.get("simple", item([("p", s("a"))])).await), Some(n(6)));
}
