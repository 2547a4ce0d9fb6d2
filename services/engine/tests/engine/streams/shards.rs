//! Streams and their shards: listing, description, iteration, closing and trimming.

use beringia_engine::api::{
    CreateTableInput, DeleteTableInput, DescribeStreamInput, DescribeTableInput, EventName, GetRecordsOutput,
    GetShardIteratorInput, KeyRole, ListStreamsInput, Record, ShardDescription, ShardFilter, ShardFilterType,
    ShardIteratorType, StreamStatus, StreamViewType,
};
use beringia_storage::DEFAULT_SHARD_AGE_MS;

use super::{DAY_MS, MINUTE_MS, with, with_stream};
use crate::support::*;

#[tokio::test]
async fn a_stream_is_described_with_its_table_and_its_open_shard() {
    let harness = Harness::new();
    let table = with_stream(music(), StreamViewType::OldImage);
    let created = harness.engine.create_table(table).await.unwrap();
    let arn = harness.arn().await;
    assert_eq!(created.latest_stream_arn.as_ref(), Some(&arn));
    let described = harness.describe(&arn).await;
    let label = "2023-11-14T22:13:20.124";
    assert_eq!(arn, format!("{}/stream/{label}", created.table_arn));
    assert_eq!(described.stream_arn, arn);
    assert_eq!(described.stream_label, label);
    assert_eq!(Some(described.stream_label), created.latest_stream_label);
    assert_eq!(described.stream_status, StreamStatus::Enabled);
    assert_eq!(described.stream_view_type, StreamViewType::OldImage);
    let creation_ms = described.creation_request_date_time_ms;
    assert_eq!(creation_ms, NOW_MS + 124, "the time of the label");
    assert_eq!(described.table_name, "music");
    let keys: Vec<_> = described
        .key_schema
        .iter()
        .map(|key| (key.attribute_name.as_str(), key.key_type))
        .collect();
    assert_eq!(keys, [("artist", KeyRole::Hash), ("song", KeyRole::Range)]);
    let [shard] = &described.shards[..] else {
        panic!("one shard")
    };
    assert!((28..=65).contains(&shard.shard_id.len()));
    assert_eq!((&shard.parent_shard_id, &shard.ending_sequence_number), (&None, &None));
    assert_eq!(described.last_evaluated_shard_id, None);
}

/// Its last page has no iterator.
#[tokio::test]
async fn closed_shard_has_an_end_and_a_child() {
    let harness = Harness::streaming(StreamViewType::NewImage).await;
    let arn = harness.arn().await;
    harness.put("simple", with("a", 1)).await;
    let first = harness.describe(&arn).await.shards.remove(0).shard_id;
    let oldest = harness
        .iterator(&arn, &first, ShardIteratorType::TrimHorizon, None)
        .await
        .unwrap();
    let open = harness.read(&oldest, None).await.unwrap();
    assert_eq!(open.records.len(), 1);
    let next = open.next_shard_iterator.unwrap();
    harness.advance(10 * MINUTE_MS);
    let again = harness.read(&next, None).await.unwrap();
    assert_eq!(again.records, [], "no record is returned twice");
    harness.advance(DEFAULT_SHARD_AGE_MS - 10 * MINUTE_MS);
    harness.put("simple", with("a", 2)).await;
    harness.put("simple", with("a", 3)).await;
    let shards = harness.describe(&arn).await.shards;
    let [parent, child] = &shards[..] else {
        panic!("two shards")
    };
    assert_eq!(parent.shard_id, first);
    assert_eq!(child.parent_shard_id.as_ref(), Some(&first));
    assert!(parent.shard_id < child.shard_id);
    assert!(child.ending_sequence_number.is_none());
    let number = |text: &str| text.parse::<u128>().unwrap();
    let end = parent.ending_sequence_number.as_deref().unwrap();
    assert!(number(&parent.starting_sequence_number) < number(end));
    assert!(number(end) < number(&child.starting_sequence_number));
    let latest = harness
        .iterator(&arn, &first, ShardIteratorType::Latest, None)
        .await
        .unwrap();
    assert_eq!(
        harness.read(&latest, None).await.unwrap(),
        GetRecordsOutput::default(),
        "the shard is closed"
    );
    let oldest = harness
        .iterator(&arn, &first, ShardIteratorType::TrimHorizon, None)
        .await
        .unwrap();
    let closed = harness.read(&oldest, None).await.unwrap();
    assert_eq!((closed.records.len(), closed.next_shard_iterator), (2, None));
    let records = harness.records(&arn).await;
    let values: Vec<_> = records.into_iter().map(|record| record.new_image.unwrap()).collect();
    assert_eq!(values, [with("a", 1), with("a", 2), with("a", 3)]);
}

#[tokio::test]
async fn shards_are_paged_and_filtered_by_their_parent() {
    let harness = Harness::streaming(StreamViewType::KeysOnly).await;
    let arn = harness.arn().await;
    for _ in 0..3 {
        harness.advance(DEFAULT_SHARD_AGE_MS);
        harness.wake().await;
    }
    let all: Vec<_> = harness
        .describe(&arn)
        .await
        .shards
        .into_iter()
        .map(|shard| shard.shard_id)
        .collect();
    assert_eq!(all.len(), 4);
    assert!(all.is_sorted());
    let page = async |limit: i64, start: Option<&String>, children_of: Option<&String>| {
        let input = DescribeStreamInput {
            stream_arn: arn.clone(),
            limit: Some(limit),
            exclusive_start_shard_id: start.cloned(),
            shard_filter: children_of.map(|parent| ShardFilter {
                filter_type: Some(ShardFilterType::ChildShards),
                shard_id: Some(parent.clone()),
            }),
        };
        let described = harness.engine.describe_stream(input).await.unwrap();
        let ids: Vec<_> = described
            .shards
            .into_iter()
            .map(|shard: ShardDescription| shard.shard_id)
            .collect();
        (ids, described.last_evaluated_shard_id)
    };
    assert_eq!(page(3, None, None).await, (all[..3].to_vec(), Some(all[2].clone())));
    assert_eq!(page(3, Some(&all[2]), None).await, (all[3..].to_vec(), None));
    assert_eq!(
        page(4, None, None).await,
        (all.clone(), None),
        "a full last page has no continuation"
    );
    assert_eq!(page(3, Some(&"z".repeat(30)), None).await, (vec![], None));
    assert_eq!(page(3, None, Some(&all[1])).await, (vec![all[2].clone()], None));
    assert_eq!(page(3, None, Some(&all[3])).await, (vec![], None));
    for filter in [
        ShardFilter {
            shard_id: Some(all[0].clone()),
            filter_type: None,
        },
        ShardFilter {
            shard_id: None,
            filter_type: Some(ShardFilterType::ChildShards),
        },
    ] {
        let input = DescribeStreamInput {
            stream_arn: arn.clone(),
            shard_filter: Some(filter),
            ..DescribeStreamInput::default()
        };
        assert!(refused(harness.engine.describe_stream(input).await).contains("'shardFilter."));
    }
}

#[tokio::test]
async fn an_iterator_begins_where_its_type_says() {
    let harness = Harness::streaming(StreamViewType::NewImage).await;
    let arn = harness.arn().await;
    let shard = harness.describe(&arn).await.shards.remove(0);
    let start = shard.starting_sequence_number.as_str();
    let empty = harness
        .iterator(&arn, &shard.shard_id, ShardIteratorType::AtSequenceNumber, Some(start))
        .await;
    let from_start = empty.expect("the start of a shard is valid before its first record");
    for value in 1..=4 {
        harness.put("simple", with("a", value)).await;
    }
    let numbers: Vec<_> = harness
        .records(&arn)
        .await
        .into_iter()
        .map(|record| record.sequence_number)
        .collect();
    let read = async |kind, number: Option<&str>| {
        let iterator = harness.iterator(&arn, &shard.shard_id, kind, number).await.unwrap();
        let records = harness.read(&iterator, None).await.unwrap().records;
        records
            .into_iter()
            .map(|record| record.sequence_number)
            .collect::<Vec<_>>()
    };
    assert_eq!(read(ShardIteratorType::TrimHorizon, None).await, numbers);
    assert_eq!(read(ShardIteratorType::Latest, None).await, [""; 0]);
    assert_eq!(
        read(ShardIteratorType::AtSequenceNumber, Some(&numbers[1])).await,
        numbers[1..]
    );
    assert_eq!(
        read(ShardIteratorType::AfterSequenceNumber, Some(&numbers[1])).await,
        numbers[2..]
    );
    assert_eq!(
        read(ShardIteratorType::AfterSequenceNumber, Some(&numbers[3])).await,
        [""; 0]
    );
    assert_eq!(harness.read(&from_start, None).await.unwrap().records.len(), 4);
    let limited = harness.read(&from_start, Some(3)).await.unwrap();
    assert_eq!(limited.records.len(), 3);
    let rest = harness
        .read(&limited.next_shard_iterator.unwrap(), Some(3))
        .await
        .unwrap();
    assert_eq!(rest.records[0].sequence_number, numbers[3]);
}

#[tokio::test]
async fn an_iterator_lives_for_fifteen_minutes() {
    let harness = Harness::streaming(StreamViewType::NewImage).await;
    let arn = harness.arn().await;
    let shard = harness.describe(&arn).await.shards.remove(0).shard_id;
    let iterator = harness
        .iterator(&arn, &shard, ShardIteratorType::Latest, None)
        .await
        .unwrap();
    harness.put("simple", with("a", 1)).await;
    harness.advance(15 * MINUTE_MS);
    assert_eq!(harness.read(&iterator, None).await.unwrap().records.len(), 1);
    harness.advance(1);
    let expired = harness.read(&iterator, None).await.unwrap_err();
    assert_eq!(expired.name(), "ExpiredIteratorException");
}

#[tokio::test]
async fn records_older_than_a_day_are_trimmed() {
    let harness = Harness::streaming(StreamViewType::NewImage).await;
    let arn = harness.arn().await;
    let shard = harness.describe(&arn).await.shards.remove(0).shard_id;
    harness.put("simple", with("a", 1)).await;
    harness.advance(2 * MINUTE_MS);
    harness.put("simple", with("a", 2)).await;
    let numbers: Vec<_> = harness
        .records(&arn)
        .await
        .into_iter()
        .map(|record| record.sequence_number)
        .collect();
    let place = async |kind, number: usize| harness.iterator(&arn, &shard, kind, Some(&numbers[number])).await;
    harness.advance(DAY_MS - MINUTE_MS - 2 * MINUTE_MS);
    let early = place(ShardIteratorType::AtSequenceNumber, 0).await.unwrap();
    assert_eq!(harness.read(&early, None).await.unwrap().records.len(), 2);
    harness.advance(2 * MINUTE_MS);
    let late = harness.read(&early, None).await.unwrap_err();
    assert_eq!(late.name(), "TrimmedDataAccessException");
    let asked = place(ShardIteratorType::AtSequenceNumber, 0).await.unwrap_err();
    assert_eq!(asked.name(), "TrimmedDataAccessException");
    let second = place(ShardIteratorType::AfterSequenceNumber, 0).await.unwrap();
    assert_eq!(harness.read(&second, None).await.unwrap().records.len(), 1);
    let oldest = harness
        .iterator(&arn, &shard, ShardIteratorType::TrimHorizon, None)
        .await
        .unwrap();
    let kept = harness.read(&oldest, None).await.unwrap().records;
    assert_eq!(kept[0].sequence_number, numbers[1]);
}

/// So can the streams of deleted tables.
#[tokio::test]
async fn disabled_streams_can_be_read_for_a_day() {
    let harness = Harness::streaming(StreamViewType::NewImage).await;
    harness.put("simple", with("a", 1)).await;
    let first = harness.arn().await;
    harness.switch(None).await;
    harness.put("simple", with("a", 2)).await;
    harness.switch(Some(StreamViewType::OldImage)).await;
    harness.remove("a").await;
    let arns = harness.arns(Some("simple")).await;
    let [kept, second] = &arns[..] else {
        panic!("two streams")
    };
    assert_eq!(*kept, first);
    assert_ne!(first, *second, "in the same millisecond too");
    let table_name = "simple".to_owned();
    let table = DescribeTableInput {
        table_name: table_name.clone(),
    };
    let described = harness.engine.describe_table(table).await.unwrap();
    assert_eq!(described.latest_stream_arn.as_ref(), Some(second));
    harness
        .engine
        .delete_table(DeleteTableInput { table_name })
        .await
        .unwrap();
    assert_eq!(harness.arns(Some("simple")).await, arns);
    for (arn, event) in [(&first, EventName::Insert), (second, EventName::Remove)] {
        let described = harness.describe(arn).await;
        assert_eq!(described.stream_status, StreamStatus::Disabled);
        assert!(described.shards[0].ending_sequence_number.is_some());
        let events: Vec<_> = harness
            .records(arn)
            .await
            .iter()
            .map(|record| record.event_name)
            .collect();
        assert_eq!(events, [event]);
    }
    harness
        .engine
        .create_table(with_stream(simple(), StreamViewType::KeysOnly))
        .await
        .unwrap();
    let recreated = harness.arns(Some("simple")).await;
    assert_eq!(
        (recreated.len(), &recreated[..2]),
        (3, &arns[..]),
        "a new table of the name has a stream of its own"
    );
    harness.advance(DAY_MS);
    assert_eq!(harness.arns(None).await, recreated[2..]);
}

#[tokio::test]
async fn streams_are_listed_by_arn_page_by_page() {
    let harness = Harness::new();
    for name in ["cc", "aa", "bb"] {
        let table = CreateTableInput {
            table_name: format!("t{name}"),
            ..simple()
        };
        harness
            .engine
            .create_table(with_stream(table, StreamViewType::KeysOnly))
            .await
            .unwrap();
    }
    let page = async |limit: Option<i64>, start: Option<String>| {
        let input = ListStreamsInput {
            table_name: None,
            limit,
            exclusive_start_stream_arn: start,
        };
        let listed = harness.engine.list_streams(input).await.unwrap();
        let tables: Vec<_> = listed.streams.into_iter().map(|stream| stream.table_name).collect();
        (tables, listed.last_evaluated_stream_arn)
    };
    let arns = harness.arns(None).await;
    assert_eq!(
        page(Some(2), None).await,
        (vec!["taa".to_owned(), "tbb".to_owned()], Some(arns[1].clone()))
    );
    let input = DeleteTableInput {
        table_name: "tbb".to_owned(),
    };
    harness.engine.delete_table(input).await.unwrap();
    assert_eq!(
        page(Some(2), Some(arns[1].clone())).await,
        (vec!["tcc".to_owned()], None),
        "the position belongs to no table"
    );
    assert_eq!(page(None, Some(arns[2].clone())).await, (vec![], None));
    assert_eq!(harness.arns(Some("taa")).await, arns[..1]);
    let plain = CreateTableInput {
        table_name: "plain".to_owned(),
        ..simple()
    };
    harness.engine.create_table(plain).await.unwrap();
    assert_eq!(harness.arns(Some("plain")).await, [""; 0]);
}

#[tokio::test]
async fn iterator_by_time_starts_at_the_first_record_from_then_on() {
    let harness = Harness::streaming(StreamViewType::NewImage).await;
    let arn = harness.arn().await;
    let shard = harness.describe(&arn).await.shards.remove(0).shard_id;
    for value in 1..=3 {
        harness.advance(1000);
        harness.put("simple", with("a", value)).await;
    }
    let input = |timestamp_ms: Option<u64>| GetShardIteratorInput {
        stream_arn: arn.clone(),
        shard_id: shard.clone(),
        shard_iterator_type: ShardIteratorType::AtTimestamp,
        sequence_number: None,
        timestamp_ms,
    };
    let values = async |after_ms: u64| {
        let iterator = harness.engine.get_shard_iterator(input(Some(NOW_MS + after_ms))).await;
        let page = harness.read(&iterator.unwrap().shard_iterator, None).await.unwrap();
        let value = |record: Record| record.new_image.unwrap()["v"].clone();
        page.records.into_iter().map(value).collect::<Vec<_>>()
    };
    for (after_ms, first) in [(0, 1), (1000, 1), (1001, 2), (3000, 3), (3001, 4)] {
        assert_eq!(
            values(after_ms).await,
            (first..=3).map(n).collect::<Vec<_>>(),
            "{after_ms}"
        );
    }
    assert!(refused(harness.engine.get_shard_iterator(input(None)).await).starts_with("Timestamp must be specified"));
    for kind in [ShardIteratorType::Latest, ShardIteratorType::TrimHorizon] {
        let both = GetShardIteratorInput {
            shard_iterator_type: kind,
            ..input(Some(NOW_MS))
        };
        let message = refused(harness.engine.get_shard_iterator(both).await);
        assert!(message.starts_with("Timestamp must not be specified"), "{message}");
    }
}
