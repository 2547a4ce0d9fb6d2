//! Operations of the streams service.

use serde_json::{Value, json};

use super::{call, ladder, music};
use crate::support::Client;

const NOT_THERE: &str = "ResourceNotFoundException";

async fn answer(client: &mut Client, operation: &str, request: Value) -> Value {
    let (status, body) = call(client, operation, &request).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The ARN of the table's stream, and its shard.
async fn stream(client: &mut Client) -> (String, String) {
    let streams = answer(client, "ListStreams", json!({"TableName": "Music"})).await;
    let arn = streams["Streams"][0]["StreamArn"].as_str().unwrap().to_owned();
    let stream = answer(client, "DescribeStream", json!({"StreamArn": arn})).await;
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    (arn, shard.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn list_streams() {
    let (_server, mut client) = music().await;
    ladder(
        &mut client,
        "ListStreams",
        json!({"TableName": "Music"}),
        &[
            (json!({"Limit": "1"}), "STRING_VALUE cannot be converted to Integer"),
            (
                json!({"TableName": "a;b"}),
                "Value 'a;b' at 'tableName' failed to satisfy constraint",
            ),
            (
                json!({"Limit": 101}),
                "Value '101' at 'limit' failed to satisfy constraint",
            ),
            (
                json!({"ExclusiveStartStreamArn": "x"}),
                "Value 'x' at 'exclusiveStartStreamArn' failed to satisfy constraint",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn describe_stream() {
    let (_server, mut client) = music().await;
    let (arn, _) = stream(&mut client).await;
    let gone = arn.replace("Music", "Films");
    ladder(
        &mut client,
        "DescribeStream",
        json!({"StreamArn": arn}),
        &[
            (
                json!({"ShardFilter": []}),
                "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.ShardFilter",
            ),
            (
                json!({"StreamArn": null}),
                "Value null at 'streamArn' failed to satisfy constraint",
            ),
            (json!({"Limit": 0}), "Value '0' at 'limit' failed to satisfy constraint"),
            (
                json!({"ExclusiveStartShardId": "x"}),
                "Value 'x' at 'exclusiveStartShardId' failed to satisfy constraint",
            ),
            (json!({"StreamArn": gone}), NOT_THERE),
        ],
    )
    .await;
}

#[tokio::test]
async fn get_shard_iterator() {
    let (_server, mut client) = music().await;
    let (arn, shard) = stream(&mut client).await;
    let gone = arn.replace("Music", "Films");
    ladder(
        &mut client,
        "GetShardIterator",
        json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}),
        &[
            (
                json!({"Timestamp": "now"}),
                "STRING_VALUE can not be converted to milliseconds since epoch",
            ),
            (
                json!({"StreamArn": null}),
                "Value null at 'streamArn' failed to satisfy constraint",
            ),
            (
                json!({"ShardId": "x"}),
                "Value 'x' at 'shardId' failed to satisfy constraint",
            ),
            (
                json!({"ShardIteratorType": "x"}),
                "Value 'x' at 'shardIteratorType' failed to satisfy constraint",
            ),
            (
                json!({"SequenceNumber": "1"}),
                "Value '1' at 'sequenceNumber' failed to satisfy constraint",
            ),
            (json!({"StreamArn": gone}), NOT_THERE),
            (json!({"ShardId": "shardId-00000000000000000009-00000000"}), NOT_THERE),
        ],
    )
    .await;
}

#[tokio::test]
async fn get_records() {
    let (_server, mut client) = music().await;
    let (arn, shard) = stream(&mut client).await;
    let request = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = answer(&mut client, "GetShardIterator", request).await;
    ladder(
        &mut client,
        "GetRecords",
        json!({"ShardIterator": iterator["ShardIterator"]}),
        &[
            (
                json!({"Limit": []}),
                "Unrecognized collection type class java.lang.Integer",
            ),
            (
                json!({"ShardIterator": ""}),
                "Value '' at 'shardIterator' failed to satisfy constraint",
            ),
            (
                json!({"Limit": 1001}),
                "Value '1001' at 'limit' failed to satisfy constraint",
            ),
            (json!({"ShardIterator": "x"}), "Invalid ShardIterator"),
        ],
    )
    .await;
}
