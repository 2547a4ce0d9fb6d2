//! Tests of BatchGetItem and BatchWriteItem.

use std::collections::BTreeMap;

use beringia_engine::{
    ApiError,
    api::{
        BatchGetItemInput, BatchWriteItemInput, KeysAndAttributes, PutItemInput, ReturnConsumedCapacity, WriteRequest,
    },
};
use beringia_item::{Item, MAX_ITEM_BYTES};
use beringia_storage::StoreError;

use crate::support::{Harness, item, n, refused, s, text};

const SIMPLE_ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/simple";

fn key(name: &str) -> Item {
    item([("p", s(name))])
}

fn gets(keys: Vec<Item>) -> BatchGetItemInput {
    let wanted = KeysAndAttributes {
        keys,
        ..KeysAndAttributes::default()
    };
    BatchGetItemInput {
        request_items: BTreeMap::from([("simple".to_owned(), wanted)]),
        ..BatchGetItemInput::default()
    }
}

fn writes(requests: Vec<WriteRequest>) -> BatchWriteItemInput {
    BatchWriteItemInput {
        request_items: BTreeMap::from([("simple".to_owned(), requests)]),
        ..BatchWriteItemInput::default()
    }
}

fn put(item: Item) -> WriteRequest {
    WriteRequest::Put { item }
}

fn numbered(count: usize) -> impl Iterator<Item = Item> {
    (0..count).map(|number| key(&format!("{number:03}")))
}

#[tokio::test]
async fn batch_writes_are_visible_to_batch_reads() {
    let harness = Harness::new().with_simple().await;
    harness.put("simple", key("old")).await;
    let requests = vec![
        put(item([("p", s("a")), ("x", n(1))])),
        put(key("b")),
        WriteRequest::Delete { key: key("old") },
    ];
    let output = harness.engine.batch_write_item(writes(requests)).await.unwrap();
    assert!(output.unprocessed_items.is_empty());
    let output = harness
        .engine
        .batch_get_item(gets(vec![key("a"), key("b"), key("old")]))
        .await
        .unwrap();
    assert_eq!(
        output.responses["simple"],
        vec![item([("p", s("a")), ("x", n(1))]), key("b")]
    );
    assert!(output.unprocessed_keys.is_empty());

    let mut input = gets(vec![key("a")]);
    input.request_items.get_mut("simple").unwrap().projection_expression = text("x");
    let output = harness.engine.batch_get_item(input).await.unwrap();
    assert_eq!(output.responses["simple"], vec![item([("x", n(1))])]);
    let nothing = harness.engine.batch_get_item(gets(vec![key("none")])).await.unwrap();
    assert_eq!(
        nothing.responses["simple"],
        Vec::<Item>::new(),
        "a table without items found is still named"
    );
}

#[tokio::test]
async fn batches_have_size_limits() {
    let harness = Harness::new().with_simple().await;
    harness
        .engine
        .batch_write_item(writes(numbered(25).map(put).collect()))
        .await
        .unwrap();
    let message = refused(
        harness
            .engine
            .batch_write_item(writes(numbered(26).map(put).collect()))
            .await,
    );
    assert!(
        message.contains("Member must have length less than or equal to 25"),
        "{message}"
    );
    assert_eq!(
        harness
            .engine
            .batch_get_item(gets(numbered(100).collect()))
            .await
            .unwrap()
            .responses["simple"]
            .len(),
        25
    );
    let message = refused(harness.engine.batch_get_item(gets(numbered(101).collect())).await);
    assert!(
        message.contains("Member must have length less than or equal to 100"),
        "{message}"
    );

    let mut split = writes(numbered(20).map(put).collect());
    split
        .request_items
        .insert("other".to_owned(), numbered(20).map(put).collect());
    let message = refused(harness.engine.batch_write_item(split).await);
    assert_eq!(message, "Too many items requested for the BatchWriteItem call");
    let mut split = gets(numbered(60).collect());
    split
        .request_items
        .insert("other".to_owned(), split.request_items["simple"].clone());
    let message = refused(harness.engine.batch_get_item(split).await);
    assert_eq!(message, "Too many items requested for the BatchGetItem call");

    let message = refused(harness.engine.batch_write_item(BatchWriteItemInput::default()).await);
    assert_eq!(message, "The requestItems parameter is required for BatchWriteItem");
    assert!(refused(harness.engine.batch_get_item(BatchGetItemInput::default()).await).contains("at 'RequestItems'"));
    assert!(refused(harness.engine.batch_write_item(writes(Vec::new())).await).contains("'requestItems'"));
    assert!(refused(harness.engine.batch_get_item(gets(Vec::new())).await).contains("keys"));
}

/// They are reported before a missing table is.
#[tokio::test]
async fn faults_independent_of_tables_are_reported_first() {
    let harness = Harness::new().with_simple().await;
    let mut twice = gets(vec![key("a"), key("a")]);
    let wanted = twice.request_items.remove("simple").unwrap_or_default();
    twice.request_items.insert("missing".to_owned(), wanted);
    assert_eq!(
        refused(harness.engine.batch_get_item(twice).await),
        "Provided list of item keys contains duplicates"
    );
    let too_large = "Item size has exceeded the maximum allowed size";
    let mut large = key("a");
    large.insert("x".to_owned(), s(&"x".repeat(MAX_ITEM_BYTES)));
    let mut batch = writes(vec![put(large.clone())]);
    let wanted = batch.request_items.remove("simple").unwrap_or_default();
    batch.request_items.insert("missing".to_owned(), wanted);
    assert_eq!(refused(harness.engine.batch_write_item(batch).await), too_large);
    let single = PutItemInput {
        table_name: "missing".to_owned(),
        item: large,
        ..PutItemInput::default()
    };
    assert_eq!(refused(harness.engine.put_item(single).await), too_large);
    let mut projected = gets(vec![key("a")]);
    let wanted = KeysAndAttributes {
        projection_expression: text("a, a"),
        ..projected.request_items["simple"].clone()
    };
    projected.request_items.insert(
        "a-missing-one".to_owned(),
        KeysAndAttributes {
            projection_expression: None,
            ..wanted.clone()
        },
    );
    projected.request_items.insert("simple".to_owned(), wanted);
    assert_eq!(
        refused(harness.engine.batch_get_item(projected).await),
        "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path \
         one: [a], path two: [a]"
    );
}

#[tokio::test]
async fn a_batch_with_one_wrong_request_does_nothing() {
    let harness = Harness::new().with_simple().await;
    let duplicates = "Provided list of item keys contains duplicates";
    let mismatch = "The provided key element does not match the schema";
    let cases = [
        (vec![put(key("a")), put(key("a"))], duplicates),
        (vec![put(key("a")), WriteRequest::Delete { key: key("a") }], duplicates),
        (vec![put(key("a")), put(item([("x", n(1))]))], mismatch),
        (vec![put(key("a")), put(item([("p", n(1))]))], mismatch),
        (
            vec![
                put(key("a")),
                WriteRequest::Delete {
                    key: item([("p", s("b")), ("x", n(1))]),
                },
            ],
            mismatch,
        ),
        (
            vec![put(key("a")), put(key(""))],
            "cannot contain an empty string value",
        ),
        (
            vec![
                put(key("a")),
                put(item([("p", s("b")), ("x", s(&"x".repeat(400 * 1024)))])),
            ],
            "Item size has exceeded the maximum allowed size",
        ),
    ];
    for (requests, message) in cases {
        let refused = refused(harness.engine.batch_write_item(writes(requests)).await);
        assert!(refused.contains(message), "{refused}");
    }
    let mut two = writes(vec![put(key("a"))]);
    two.request_items.insert("missing".to_owned(), vec![put(key("a"))]);
    assert!(matches!(
        harness.engine.batch_write_item(two).await,
        Err(ApiError::ResourceNotFound(_))
    ));
    let mut by_arn = writes(vec![put(key("a"))]);
    by_arn
        .request_items
        .insert(SIMPLE_ARN.to_owned(), vec![WriteRequest::Delete { key: key("a") }]);
    assert_eq!(refused(harness.engine.batch_write_item(by_arn).await), duplicates);
    assert_eq!(harness.items(), 0);

    let mut by_arn = gets(vec![key("a")]);
    by_arn
        .request_items
        .insert(SIMPLE_ARN.to_owned(), by_arn.request_items["simple"].clone());
    assert_eq!(refused(harness.engine.batch_get_item(by_arn).await), duplicates);
    let refused_get = refused(harness.engine.batch_get_item(gets(vec![key("a"), key("a")])).await);
    assert_eq!(refused_get, duplicates);
    assert_eq!(
        refused(harness.engine.batch_get_item(gets(vec![item([("q", n(1))])])).await),
        mismatch
    );
}

#[tokio::test]
async fn writes_that_the_store_fails_stay_unprocessed() {
    let harness = Harness::faked().with_simple().await;
    harness.store.fail(StoreError::DiskFull("full".to_owned()), 2);
    let requests: Vec<WriteRequest> = numbered(5).map(put).collect();
    let output = harness.engine.batch_write_item(writes(requests.clone())).await.unwrap();
    assert_eq!(output.unprocessed_items["simple"], requests[2..]);
    assert_eq!(harness.items(), 2);
    let error = harness.engine.batch_write_item(writes(requests)).await.unwrap_err();
    assert_eq!(error.name(), "InternalServerError", "a batch that writes nothing fails");
}

#[tokio::test]
async fn keys_beyond_16_mb_stay_unprocessed() {
    let harness = Harness::new().with_simple().await;
    let large = s(&"x".repeat(300 * 1024));
    for mut item in numbered(80) {
        item.insert("x".to_owned(), large.clone());
        harness.put("simple", item).await;
    }
    let output = harness
        .engine
        .batch_get_item(gets(numbered(80).collect()))
        .await
        .unwrap();
    let fit = 16 * 1024 / 301;
    assert_eq!(output.responses["simple"].len(), fit);
    let left = &output.unprocessed_keys["simple"].keys;
    assert_eq!(*left, numbered(80).skip(fit).collect::<Vec<_>>());
    let output = harness.engine.batch_get_item(gets(left.clone())).await.unwrap();
    assert!(output.unprocessed_keys.is_empty());
}

#[tokio::test]
async fn a_batch_costs_the_sum_of_its_requests_per_table() {
    let harness = Harness::new().with_simple().await;
    let large = item([("p", s("large")), ("x", s(&"x".repeat(5000)))]);
    let input = BatchWriteItemInput {
        return_consumed_capacity: ReturnConsumedCapacity::Total,
        ..writes(vec![put(key("a")), put(large)])
    };
    let consumed = harness
        .engine
        .batch_write_item(input)
        .await
        .unwrap()
        .consumed_capacity
        .unwrap();
    assert_eq!(consumed.len(), 1);
    assert!((consumed[0].total.capacity_units - 6.0).abs() < f64::EPSILON);
    let mut input = gets(vec![key("a"), key("large"), key("none")]);
    input.return_consumed_capacity = ReturnConsumedCapacity::Total;
    let consumed = harness
        .engine
        .batch_get_item(input.clone())
        .await
        .unwrap()
        .consumed_capacity
        .unwrap();
    assert!((consumed[0].total.capacity_units - 2.0).abs() < f64::EPSILON);
    input.request_items.get_mut("simple").unwrap().consistent_read = Some(true);
    let consumed = harness
        .engine
        .batch_get_item(input)
        .await
        .unwrap()
        .consumed_capacity
        .unwrap();
    assert!((consumed[0].total.capacity_units - 4.0).abs() < f64::EPSILON);
}
