//! The capacity that single writes and reads consume, and the contents of collection metrics.

use beringia_engine::api::{
    ConsumedCapacity, DeleteItemInput, GetItemInput, PutItemInput, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
    UpdateItemInput, WriteOptions,
};
use beringia_item::Item;

use crate::support::{Harness, item, n, s, text, values};

async fn put(harness: &Harness, table: &str, item: Item) -> ConsumedCapacity {
    let input = PutItemInput {
        table_name: table.to_owned(),
        item,
        options: WriteOptions {
            return_consumed_capacity: ReturnConsumedCapacity::Indexes,
            ..WriteOptions::default()
        },
    };
    harness.engine.put_item(input).await.unwrap().consumed_capacity.unwrap()
}

/// An item of table `simple` whose size counts as `bytes` bytes.
fn of_size(bytes: usize) -> Item {
    item([("p", s("a")), ("x", s(&"x".repeat(bytes - 3)))])
}

#[tokio::test]
async fn a_write_costs_the_greater_of_old_and_new_by_kilobytes() {
    let harness = Harness::new().with_simple().await;
    for (bytes, expected) in [
        (100, 1.0),
        (1024, 1.0),
        (1025, 2.0),
        (100, 2.0),
        (100, 1.0),
        (5 * 1024, 5.0),
    ] {
        let consumed = put(&harness, "simple", of_size(bytes)).await;
        assert_eq!(consumed.total.capacity_units, expected, "{bytes}");
        assert_eq!(consumed.table_name, "simple");
    }
    let delete = || DeleteItemInput {
        table_name: "simple".to_owned(),
        key: item([("p", s("a"))]),
        options: WriteOptions {
            return_consumed_capacity: ReturnConsumedCapacity::Total,
            ..WriteOptions::default()
        },
    };
    for expected in [5.0, 1.0] {
        let consumed = harness
            .engine
            .delete_item(delete())
            .await
            .unwrap()
            .consumed_capacity
            .unwrap();
        assert_eq!(
            consumed.total.capacity_units, expected,
            "a delete costs what it deletes, or one unit"
        );
        assert_eq!(consumed.table, None, "only INDEXES reports the parts");
    }
    let update = UpdateItemInput {
        table_name: "simple".to_owned(),
        key: item([("p", s("a"))]),
        update_expression: text("SET x = :x"),
        options: WriteOptions {
            expression_attribute_values: values([(":x", s(&"x".repeat(3000)))]),
            return_consumed_capacity: ReturnConsumedCapacity::Total,
            ..WriteOptions::default()
        },
        ..UpdateItemInput::default()
    };
    let consumed = harness
        .engine
        .update_item(update)
        .await
        .unwrap()
        .consumed_capacity
        .unwrap();
    assert_eq!(consumed.total.capacity_units, 3.0);
}

#[tokio::test]
async fn a_read_costs_by_4_kilobytes_and_half_when_it_is_eventual() {
    let harness = Harness::new().with_simple().await;
    let get = |consistent_read| GetItemInput {
        table_name: "simple".to_owned(),
        key: item([("p", s("a"))]),
        consistent_read,
        projection_expression: text("p"),
        return_consumed_capacity: ReturnConsumedCapacity::Total,
        ..GetItemInput::default()
    };
    for (bytes, expected) in [(None, 1.0), (Some(4096), 1.0), (Some(4097), 2.0)] {
        if let Some(bytes) = bytes {
            harness.put("simple", of_size(bytes)).await;
        }
        for (consistent, factor) in [(true, 1.0), (false, 0.5)] {
            let consumed = harness
                .engine
                .get_item(get(consistent))
                .await
                .unwrap()
                .consumed_capacity
                .unwrap();
            assert_eq!(consumed.total.capacity_units, expected * factor, "{bytes:?}");
        }
    }
}

#[tokio::test]
async fn an_index_costs_where_its_entry_changes() {
    let harness = Harness::new().with_music().await;
    let song = |more: &[(&str, beringia_item::AttributeValue)]| {
        let mut song = item([("artist", s("a")), ("song", s("b"))]);
        song.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        song
    };
    let global = |consumed: &ConsumedCapacity, index: &str| {
        let indexes = consumed.global_secondary_indexes.clone().unwrap_or_default();
        indexes.get(index).map_or(0.0, |capacity| capacity.capacity_units)
    };
    // Each item, and its cost in the indexes by genre (keys), by year (with title) and by song
    // (all).
    let steps = [
        (song(&[]), 0.0, 0.0, 1.0),
        (song(&[("genre", s("jazz"))]), 1.0, 0.0, 1.0),
        (song(&[("genre", s("jazz")), ("year", n(1))]), 0.0, 1.0, 1.0),
        (
            song(&[("genre", s("jazz")), ("year", n(1)), ("text", s("la"))]),
            0.0,
            0.0,
            1.0,
        ),
        (
            song(&[("genre", s("jazz")), ("year", n(1)), ("title", s("t"))]),
            0.0,
            1.0,
            1.0,
        ),
        (
            song(&[("genre", s("jazz")), ("year", n(1)), ("title", s("t"))]),
            0.0,
            0.0,
            0.0,
        ),
        (
            song(&[("genre", s("rock")), ("year", n(1)), ("title", s("t"))]),
            2.0,
            2.0,
            1.0,
        ),
        (song(&[]), 1.0, 1.0, 1.0),
    ];
    for (item, by_genre, by_year, by_song) in steps {
        let consumed = put(&harness, "music", item.clone()).await;
        assert_eq!(global(&consumed, "by-genre"), by_genre, "{item:?}");
        assert_eq!(global(&consumed, "by-year"), by_year, "{item:?}");
        assert_eq!(global(&consumed, "by-song"), by_song, "{item:?}");
        assert_eq!(consumed.total.capacity_units, 1.0 + by_genre + by_year + by_song);
    }
    let consumed = put(&harness, "music", song(&[("length", n(3))])).await;
    assert_eq!(
        consumed.local_secondary_indexes.unwrap()["by-length"].capacity_units,
        1.0
    );
}

/// The metrics name the partition that was written to.
#[tokio::test]
async fn collection_metrics_require_local_indexes() {
    let harness = Harness::new().with_music().await;
    harness.engine.create_table(crate::support::simple()).await.unwrap();
    let put = |table: &str, item| PutItemInput {
        table_name: table.to_owned(),
        item,
        options: WriteOptions {
            return_item_collection_metrics: ReturnItemCollectionMetrics::Size,
            ..WriteOptions::default()
        },
    };
    let song = put("music", item([("artist", s("a")), ("song", s("b"))]));
    let metrics = harness
        .engine
        .put_item(song)
        .await
        .unwrap()
        .item_collection_metrics
        .unwrap();
    assert_eq!(metrics.item_collection_key, item([("artist", s("a"))]));
    assert_eq!(metrics.size_estimate_range_gb, [0.0, 1.0]);
    let plain = put("simple", item([("p", s("a"))]));
    assert_eq!(
        harness.engine.put_item(plain).await.unwrap().item_collection_metrics,
        None
    );
}
