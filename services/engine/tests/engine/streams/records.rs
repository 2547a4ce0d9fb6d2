//! GetRecords: the contents of records, and which writes create one.

use std::collections::BTreeSet;

use beringia_engine::api::{
    EventName, Identity, ReturnValuesOnConditionCheckFailure, ShardIteratorType, StreamViewType, TransactAction,
    TransactWriteItem, TransactWriteItemsInput,
};
use beringia_item::{Cause, Item};
use beringia_storage::{Change, ItemEffect, ItemWrite, Refusal, Store};

use super::{reported, with};
use crate::support::*;

#[tokio::test]
async fn every_view_type_records_its_images_of_every_change() {
    use EventName::{Insert, Modify, Remove};
    for (view, shows_old, shows_new) in [
        (StreamViewType::KeysOnly, false, false),
        (StreamViewType::NewImage, false, true),
        (StreamViewType::OldImage, true, false),
        (StreamViewType::NewAndOldImages, true, true),
    ] {
        let harness = Harness::streaming(view).await;
        harness.put("simple", with("a", 1)).await;
        harness.set_value("a", "SET v = :v", 2).await;
        harness.remove("a").await;
        let key = item([("p", s("a"))]);
        let shown = |shows: bool, value| shows.then(|| with("a", value));
        let expected = [
            (Insert, key.clone(), None, shown(shows_new, 1)),
            (Modify, key.clone(), shown(shows_old, 1), shown(shows_new, 2)),
            (Remove, key.clone(), shown(shows_old, 2), None),
        ];
        let records = harness.records(&harness.arn().await).await;
        assert_eq!(reported(&records), expected, "{view:?}");
        assert!(records.iter().all(|record| record.stream_view_type == view));
    }
}

#[tokio::test]
async fn writes_without_effect_make_no_record() {
    let harness = Harness::streaming(StreamViewType::NewAndOldImages).await;
    harness.put("simple", with("a", 1)).await;
    harness.put("simple", with("a", 1)).await;
    harness.set_value("a", "SET v = :v", 1).await;
    harness.set_value("a", "ADD v :v", 0).await;
    harness.remove("missing").await;
    let records = harness.records(&harness.arn().await).await;
    assert_eq!(
        reported(&records),
        [(EventName::Insert, item([("p", s("a"))]), None, Some(with("a", 1)))]
    );
}

#[tokio::test]
async fn a_transaction_makes_a_record_of_each_of_its_changes() {
    let harness = Harness::streaming(StreamViewType::KeysOnly).await;
    let put = |key: &str| TransactWriteItem {
        table_name: "simple".to_owned(),
        action: TransactAction::Put {
            item: with(key, 1),
            condition_expression: None,
        },
        expression_attribute_names: None,
        expression_attribute_values: None,
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::None,
    };
    let input = TransactWriteItemsInput {
        transact_items: vec![put("a"), put("b")],
        ..TransactWriteItemsInput::default()
    };
    harness.engine.transact_write_items(input).await.unwrap();
    let records = harness.records(&harness.arn().await).await;
    let keys: Vec<_> = records.into_iter().map(|record| record.keys).collect();
    assert_eq!(keys, [item([("p", s("a"))]), item([("p", s("b"))])]);
}

#[tokio::test]
async fn record_has_region_time_size_and_sequence_number() {
    let harness = Harness::streaming(StreamViewType::NewAndOldImages).await;
    harness.clock.set(NOW_MS + 1999);
    // The developer guide's example: 26 and 59 bytes.
    let thing = |message: &str| item([("p", s("101")), ("Message", s(message))]);
    harness.put("simple", thing("New item!")).await;
    harness.put("simple", thing("This item has changed")).await;
    let arn = harness.arn().await;
    let records = harness.records(&arn).await;
    let (key, message) = ("p101".len(), "Message".len());
    let (old, new) = ("New item!".len(), "This item has changed".len());
    let sizes = [
        key + key + message + old,
        key + (key + message + old) + (key + message + new),
    ];
    assert_eq!(
        records.iter().map(|record| record.size_bytes).collect::<Vec<_>>(),
        sizes.map(|size| size as u64)
    );
    for record in &records {
        assert_eq!(record.aws_region, "us-east-1");
        assert_eq!(record.approximate_creation_date_time, NOW_MS / 1000 + 1);
        assert_eq!(record.user_identity, None);
        assert!((21..=40).contains(&record.sequence_number.len()));
    }
    let numbers: Vec<u128> = records
        .iter()
        .map(|record| record.sequence_number.parse().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    let ids: BTreeSet<_> = records.iter().map(|record| record.event_id.clone()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(
        harness.records(&arn).await,
        records,
        "a second read returns the same records"
    );
}

/// A delete by the sweep of expired items.
struct Expired;

impl Change for Expired {
    fn needs_current(&self) -> bool {
        false
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<ItemEffect, Refusal> {
        Ok(ItemEffect::Delete)
    }
}

#[tokio::test]
async fn only_a_delete_by_time_to_live_has_an_identity() {
    let harness = Harness::streaming(StreamViewType::KeysOnly).await;
    harness.put("simple", with("a", 1)).await;
    let table = harness.store.catalog().by_name["simple"].clone();
    let write = ItemWrite {
        table: table.id,
        replica_epoch: None,
        key: table.core.keys.key_of(&with("a", 1)).unwrap(),
        cause: Cause::TimeToLive,
        change: Box::new(Expired),
    };
    harness.store.commit(vec![write]).await.unwrap();
    let records = harness.records(&harness.arn().await).await;
    let service = Identity {
        principal_id: "dynamodb.amazonaws.com",
        identity_type: "Service",
    };
    assert_eq!(
        records
            .iter()
            .map(|record| (record.event_name, record.user_identity))
            .collect::<Vec<_>>(),
        [(EventName::Insert, None), (EventName::Remove, Some(service))]
    );
}

#[tokio::test]
async fn an_answer_holds_no_more_than_a_megabyte() {
    let harness = Harness::streaming(StreamViewType::NewAndOldImages).await;
    let large = |n: u32| item([("p", s("a")), ("v", s(&format!("{n}{}", "x".repeat(300_000))))]);
    for n in 0..6 {
        harness.put("simple", large(n)).await;
    }
    let arn = harness.arn().await;
    let shard = harness.describe(&arn).await.shards.remove(0).shard_id;
    let mut iterator = harness
        .iterator(&arn, &shard, ShardIteratorType::TrimHorizon, None)
        .await
        .unwrap();
    let mut images = Vec::new();
    while images.len() < 6 {
        let page = harness.read(&iterator, None).await.unwrap();
        let bytes: u64 = page.records.iter().map(|record| record.size_bytes).sum();
        assert!(!page.records.is_empty() && bytes <= 1 << 20, "{bytes}");
        images.extend(page.records.into_iter().filter_map(|record| record.new_image));
        iterator = page.next_shard_iterator.unwrap();
    }
    assert_eq!(images, (0..6).map(large).collect::<Vec<_>>());
}
