//! Requests that the streams service rejects, and its messages.

use beringia_engine::{
    ApiError,
    api::{DescribeStreamInput, ListStreamsInput, ShardIteratorType, StreamViewType},
};

use crate::support::*;

#[tokio::test]
async fn missing_stream_is_not_found_and_malformed_arn_invalid() {
    let harness = Harness::streaming(StreamViewType::KeysOnly).await;
    let arn = harness.arn().await;
    let shard = harness.describe(&arn).await.shards.remove(0);
    let nowhere = arn.replace("simple", "other");
    let later = format!("{}1", &arn[..arn.len() - 1]);
    let latest = ShardIteratorType::Latest;
    let named = |error: ApiError| error.name();

    for arn in [&nowhere, &later] {
        let input = DescribeStreamInput {
            stream_arn: arn.clone(),
            ..DescribeStreamInput::default()
        };
        assert_eq!(
            harness.engine.describe_stream(input).await.unwrap_err(),
            ApiError::ResourceNotFound(format!("Requested resource not found: Stream: {arn} not found"))
        );
        let iterator = harness.iterator(arn, &shard.shard_id, latest, None).await;
        assert_eq!(iterator.map_err(named), Err("ResourceNotFoundException"));
    }
    let garbage = "x".repeat(40);
    let input = DescribeStreamInput {
        stream_arn: garbage.clone(),
        ..DescribeStreamInput::default()
    };
    assert_eq!(
        refused(harness.engine.describe_stream(input).await),
        format!("Invalid StreamArn: {garbage}")
    );
    let input = ListStreamsInput {
        exclusive_start_stream_arn: Some(garbage.clone()),
        ..ListStreamsInput::default()
    };
    assert_eq!(
        refused(harness.engine.list_streams(input).await),
        format!("Invalid StreamArn: {garbage}")
    );
    let input = ListStreamsInput {
        table_name: text("nowhere"),
        ..ListStreamsInput::default()
    };
    assert_eq!(
        harness.engine.list_streams(input).await.map_err(named),
        Err("ResourceNotFoundException")
    );
    for limit in [0, 101] {
        let input = ListStreamsInput {
            limit: Some(limit),
            ..ListStreamsInput::default()
        };
        assert!(refused(harness.engine.list_streams(input).await).contains("'limit'"));
        let input = DescribeStreamInput {
            stream_arn: arn.clone(),
            limit: Some(limit),
            ..DescribeStreamInput::default()
        };
        assert!(refused(harness.engine.describe_stream(input).await).contains("'limit'"));
    }
}

#[tokio::test]
async fn foreign_positions_and_invalid_iterators_are_rejected() {
    let harness = Harness::streaming(StreamViewType::KeysOnly).await;
    let arn = harness.arn().await;
    let shard = harness.describe(&arn).await.shards.remove(0);
    let (latest, at) = (ShardIteratorType::Latest, ShardIteratorType::AtSequenceNumber);
    let garbage = "x".repeat(40);
    assert_eq!(
        harness.iterator(&arn, &garbage, latest, None).await,
        Err(ApiError::ResourceNotFound(
            "Requested resource not found: Shard does not exist".to_owned()
        ))
    );
    let start = shard.starting_sequence_number.as_str();
    assert!(refused(harness.iterator(&arn, &shard.shard_id, at, None).await).contains("must be specified"));
    assert!(
        refused(harness.iterator(&arn, &shard.shard_id, latest, Some(start)).await).contains("must not be specified")
    );
    let beyond = (start.parse::<u128>().unwrap() + 1).to_string();
    let before = (start.parse::<u128>().unwrap() - 1).to_string();
    for number in [beyond.as_str(), &before, "", "abc", &"1".repeat(21)] {
        let message = refused(harness.iterator(&arn, &shard.shard_id, at, Some(number)).await);
        assert!(message.starts_with("Invalid SequenceNumber"), "{number}: {message}");
    }
    assert_eq!(refused(harness.read(&garbage, None).await), "Invalid ShardIterator");
    let iterator = harness.iterator(&arn, &shard.shard_id, latest, None).await.unwrap();
    for limit in [-1, 0, 1001] {
        assert!(refused(harness.read(&iterator, Some(limit)).await).contains("'limit'"));
    }
    assert!(harness.read(&iterator, Some(1000)).await.is_ok());
}
