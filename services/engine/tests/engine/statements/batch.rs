//! Tests of the BatchExecuteStatement operation.

use beringia_engine::api::{
    BatchExecuteStatementInput, BatchStatement, BatchStatementError, BatchStatementResponse, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure,
};

use super::songs;
use crate::support::{item, n, refused, s};

fn batch(texts: &[&str]) -> BatchExecuteStatementInput {
    let statement = |text: &&str| BatchStatement {
        statement: (*text).to_owned(),
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
        ..BatchStatement::default()
    };
    BatchExecuteStatementInput {
        statements: texts.iter().map(statement).collect(),
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    }
}

fn failed(table: Option<&str>, code: &'static str, message: &str) -> BatchStatementResponse {
    BatchStatementResponse {
        error: Some(BatchStatementError {
            code,
            message: message.to_owned(),
            item: None,
        }),
        table_name: table.map(str::to_owned),
        item: None,
    }
}

#[tokio::test]
async fn each_statement_of_a_batch_succeeds_or_fails_on_its_own() {
    let harness = songs().await;
    let output = harness
        .engine
        .batch_execute_statement(batch(&[
            "INSERT INTO music VALUE {'artist': 'Can', 'song': 'Spoon'}",
            "INSERT INTO music VALUE {'artist': 'Cluster', 'song': 'Hollywood'}",
            "UPDATE music SET plays = 1 WHERE artist = 'Neu' AND song = 'Hallogallo' RETURNING MODIFIED NEW *",
            "UPDATE music SET plays = 1 WHERE artist = 'Can' AND song = 'Spoon' AND year = 1900",
            "DELETE FROM music WHERE artist = 'Can'",
            "DELETE FROM nowhere WHERE p = 'x'",
            "SELEKT * FROM music",
            "DELETE FROM music WHERE artist = 'Faust' AND song = 'Krautrock'",
        ]))
        .await
        .unwrap();
    let mut responses = output.responses.into_iter();
    let mut next = || responses.next().unwrap();
    let done = |item| BatchStatementResponse {
        error: None,
        table_name: Some("music".to_owned()),
        item,
    };
    assert_eq!(
        next(),
        failed(Some("music"), "DuplicateItem", "Duplicate primary key exists in table")
    );
    assert_eq!(next(), done(None));
    assert_eq!(next(), done(Some(item([("plays", n(1))]))));
    let mut refused_one = next();
    let shown = refused_one.error.as_mut().unwrap().item.take();
    assert_eq!(shown.map(|item| item["year"].clone()), Some(n(1972)));
    assert_eq!(
        refused_one,
        failed(
            Some("music"),
            "ConditionalCheckFailed",
            "The conditional request failed"
        )
    );
    assert_eq!(
        next(),
        failed(
            None,
            "ValidationError",
            "Where clause does not contain a mandatory equality on all key attributes"
        )
    );
    assert_eq!(next(), failed(None, "ResourceNotFound", "Requested resource not found"));
    assert_eq!(
        next(),
        failed(
            None,
            "ValidationError",
            "Statement wasn't well formed, can't be processed: Expected data manipulation"
        )
    );
    assert_eq!(next(), done(None));
    assert_eq!(output.consumed_capacity.unwrap().len(), 3);
    assert_eq!(harness.items(), 5);
}

#[tokio::test]
async fn a_batch_of_reads_reads_items_by_their_whole_keys() {
    let harness = songs().await;
    let output = harness
        .engine
        .batch_execute_statement(batch(&[
            "SELECT year FROM music WHERE artist = 'Can' AND song = 'Spoon'",
            "SELECT * FROM music WHERE artist = 'Can' AND song = 'Spoon' AND year = 1900",
            "SELECT * FROM music WHERE artist = 'Nobody' AND song = 'x'",
            "SELECT * FROM music WHERE artist = 'Can'",
            "SELECT * FROM music.\"by-song\" WHERE song = 'Spoon'",
        ]))
        .await
        .unwrap();
    let items: Vec<_> = output.responses.iter().map(|response| response.item.clone()).collect();
    assert_eq!(items, [Some(item([("year", n(1972))])), None, None, None, None]);
    let codes: Vec<_> = output
        .responses
        .iter()
        .map(|response| response.error.as_ref().map(|error| error.code))
        .collect();
    assert_eq!(
        codes,
        [None, None, None, Some("ValidationError"), Some("ValidationError")]
    );
    let units: Vec<f64> = output
        .consumed_capacity
        .unwrap()
        .iter()
        .map(|of| of.total.capacity_units)
        .collect();
    assert_eq!(units, [0.5, 0.5, 0.5]);
}

#[tokio::test]
async fn a_batch_reads_or_writes_and_has_25_statements_at_most() {
    let harness = songs().await;
    let mixed = batch(&[
        "SELECT * FROM music WHERE artist = 'Can' AND song = 'Spoon'",
        "DELETE FROM music WHERE artist = 'Can' AND song = 'Spoon'",
    ]);
    assert_eq!(
        refused(harness.engine.batch_execute_statement(mixed).await),
        "Statements should contain either only READ or only WRITE operations."
    );
    assert_eq!(harness.items(), 5);
    for (count, expected) in [
        (
            0,
            "'[]' at 'statements' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            26,
            "'[...]' at 'statements' failed to satisfy constraint: Member must have length less than or equal to 25",
        ),
    ] {
        let texts = vec!["DELETE FROM music WHERE artist = 'a' AND song = 'b'"; count];
        assert_eq!(
            refused(harness.engine.batch_execute_statement(batch(&texts)).await),
            format!("1 validation error detected: Value {expected}")
        );
    }
    let parameters = BatchExecuteStatementInput {
        statements: vec![BatchStatement {
            statement: "SELECT * FROM music WHERE artist = ? AND song = ?".to_owned(),
            parameters: Some(vec![s("Neu"), s("Hallogallo")]),
            consistent_read: true,
            ..BatchStatement::default()
        }],
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    let output = harness.engine.batch_execute_statement(parameters).await.unwrap();
    assert_eq!(
        output.responses[0].item.as_ref().map(|item| item["year"].clone()),
        Some(n(1972))
    );
    assert_eq!(output.consumed_capacity.unwrap()[0].total.capacity_units, 1.0);
}
