//! Queries and scans that are rejected.

use beringia_engine::{
    ApiError,
    api::{QueryInput, ScanInput},
};
use beringia_item::Item;
use beringia_storage::IndexState;

use super::{jazz, library, library_on, query, scan};
use crate::support::{Harness, item, n, refused, s, text, values};

/// The messages are DynamoDB's.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn invalid_queries_are_rejected() {
    let harness = library().await;
    let base = query("artist = :a");
    let start = |position| QueryInput {
        exclusive_start_key: Some(position),
        ..base.clone()
    };
    let key = |artist, song| item([("artist", s(artist)), ("song", s(song))]);
    let filter = QueryInput {
        filter_expression: text("song <> :a"),
        ..base.clone()
    };
    let cases = [
        (
            QueryInput {
                key_condition_expression: None,
                expression_attribute_values: None,
                ..base.clone()
            },
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ),
        (
            QueryInput {
                limit: Some(0),
                ..base.clone()
            },
            "'limit' failed to satisfy constraint: Member must have value greater",
        ),
        (
            QueryInput {
                index_name: text("none"),
                ..base.clone()
            },
            "The table does not have the specified index: none",
        ),
        (
            QueryInput {
                index_name: text("x!"),
                ..base.clone()
            },
            "'indexName' failed to satisfy constraint",
        ),
        (
            QueryInput {
                consistent_read: true,
                ..jazz("by-genre")
            },
            "Consistent reads are not supported on global secondary indexes",
        ),
        (
            filter,
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: song",
        ),
        (query("song = :a"), "Query condition missed key schema element: artist"),
        (
            start(key("odd", "song-01")),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            start(item([("artist", s("even"))])),
            "The provided starting key is invalid",
        ),
        (
            start(key("even", "")),
            "The provided starting key is invalid: One or more parameter values are not valid. The AttributeValue for a key \
             attribute cannot contain an empty string value. Key: song",
        ),
        (
            QueryInput {
                expression_attribute_values: values([(":a", s("even")), (":b", s("song-04"))]),
                exclusive_start_key: Some(key("even", "song-02")),
                ..query("artist = :a AND song > :b")
            },
            "The provided starting key does not match the range key predicate",
        ),
        (
            QueryInput {
                exclusive_start_key: Some(key("even", "song-02")),
                ..jazz("by-genre")
            },
            "The provided starting key is invalid",
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.query(input).await);
        assert!(refused.contains(message), "got\n{refused}\nexpected\n{message}");
    }
}

#[tokio::test]
async fn only_table_scans_explain_invalid_start_keys() {
    let harness = library().await;
    let (bare, explained) = (
        "The provided starting key is invalid",
        "The provided starting key is invalid: The provided key element does not match the schema",
    );
    for position in [
        Item::new(),
        item([("artist", s("even"))]),
        item([("song", s("song-02"))]),
        item([("artist", s("even")), ("song", n(1))]),
        item([("artist", s("even")), ("song", s("song-02")), ("year", n(1))]),
    ] {
        let queried = QueryInput {
            expression_attribute_values: values([(":a", s("even"))]),
            exclusive_start_key: Some(position.clone()),
            ..query("artist = :a")
        };
        assert_eq!(refused(harness.engine.query(queried).await), bare, "{position:?}");
        let scanned = ScanInput {
            exclusive_start_key: Some(position.clone()),
            ..scan()
        };
        assert_eq!(refused(harness.engine.scan(scanned).await), explained, "{position:?}");
        let scanned = ScanInput {
            index_name: text("by-genre"),
            exclusive_start_key: Some(position.clone()),
            ..scan()
        };
        assert_eq!(refused(harness.engine.scan(scanned).await), bare, "{position:?}");
    }
}

#[tokio::test]
async fn invalid_scans_are_rejected() {
    let harness = library().await;
    let cases = [
        (
            ScanInput {
                limit: Some(-1),
                ..scan()
            },
            "'limit' failed to satisfy constraint",
        ),
        (
            ScanInput {
                segment: Some(0),
                ..scan()
            },
            "The TotalSegments parameter is required",
        ),
        (
            ScanInput {
                total_segments: Some(2),
                ..scan()
            },
            "The Segment parameter is required",
        ),
        (
            ScanInput {
                segment: Some(2),
                total_segments: Some(2),
                ..scan()
            },
            "Segment: 2 is not less than TotalSegments: 2",
        ),
        (
            ScanInput {
                exclusive_start_key: Some(item([("artist", s("even"))])),
                ..scan()
            },
            "The provided starting key is invalid: The provided key element does not match the schema",
        ),
        (
            ScanInput {
                expression_attribute_values: values([(":a", n(1))]),
                ..scan()
            },
            "ExpressionAttributeValues can only be specified when using expressions: FilterExpression is null",
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.scan(input).await);
        assert!(refused.contains(message), "{refused}");
    }
    let elsewhere = item([("artist", s("even")), ("song", s("song-00"))]);
    let wrong = (0..2).filter(|segment| {
        let input = ScanInput {
            segment: Some(*segment),
            total_segments: Some(2),
            exclusive_start_key: Some(elsewhere.clone()),
            ..scan()
        };
        let result = futures_util::FutureExt::now_or_never(harness.engine.scan(input)).unwrap();
        matches!(result, Err(ApiError::Validation(message)) if message.contains("correct Segment"))
    });
    assert_eq!(wrong.count(), 1, "a start key lies in one of two segments");
}

#[tokio::test]
async fn an_index_that_is_being_filled_or_removed_cannot_be_read() {
    let harness = library_on(Harness::faked()).await;
    let set = |state| {
        harness.store.alter("music", |table| {
            table.global_indexes.get_mut("by-genre").unwrap().1 = state;
        });
    };
    set(IndexState::Backfilling);
    assert_eq!(
        refused(harness.engine.query(jazz("by-genre")).await),
        "Cannot read from backfilling global secondary index: by-genre"
    );
    set(IndexState::Deleting);
    assert_eq!(
        refused(harness.engine.query(jazz("by-genre")).await),
        "The table does not have the specified index: by-genre"
    );
}
