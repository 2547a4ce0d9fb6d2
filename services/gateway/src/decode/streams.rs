//! Decodes the requests of ListStreams, DescribeStream, GetShardIterator and GetRecords.

use beringia_engine::{
    ApiError,
    api::{
        DescribeStreamInput, GetRecordsInput, GetShardIteratorInput, ListStreamsInput, ShardFilter, ShardFilterType,
        ShardIteratorType,
    },
};

use super::{Decode, Fields};
use crate::shape::{Structure, requests};

impl Decode for ListStreamsInput {
    const SHAPE: &'static Structure = &requests::LIST_STREAMS;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.text("TableName"),
            limit: fields.integer("Limit"),
            exclusive_start_stream_arn: fields.text("ExclusiveStartStreamArn"),
        })
    }
}

impl Decode for DescribeStreamInput {
    const SHAPE: &'static Structure = &requests::DESCRIBE_STREAM;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        let filter = |mut filter: Fields| {
            Ok::<_, ApiError>(ShardFilter {
                filter_type: filter.one_of("Type", ShardFilterType::from_wire)?,
                shard_id: filter.text("ShardId"),
            })
        };
        Ok(Self {
            stream_arn: fields.required_text("StreamArn")?,
            limit: fields.integer("Limit"),
            exclusive_start_shard_id: fields.text("ExclusiveStartShardId"),
            shard_filter: fields.structure("ShardFilter").map(filter).transpose()?,
        })
    }
}

impl Decode for GetShardIteratorInput {
    const SHAPE: &'static Structure = &requests::GET_SHARD_ITERATOR;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            stream_arn: fields.required_text("StreamArn")?,
            shard_id: fields.required_text("ShardId")?,
            shard_iterator_type: fields.required_one_of("ShardIteratorType", ShardIteratorType::from_wire)?,
            sequence_number: fields.text("SequenceNumber"),
            timestamp_ms: fields.milliseconds("Timestamp"),
        })
    }
}

impl Decode for GetRecordsInput {
    const SHAPE: &'static Structure = &requests::GET_RECORDS;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            shard_iterator: fields.required_text("ShardIterator")?,
            limit: fields.integer("Limit"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::decode::decode;

    const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/music/stream/1970-01-01T00:00:00.000";
    const SHARD: &str = "shardId-00000000000000000001-00000000";

    fn read<T: Decode>(request: Value) -> Result<T, ApiError> {
        match request {
            Value::Object(members) => decode(members),
            other => panic!("{other} is not a JSON object"),
        }
    }

    #[test]
    fn every_member_is_read() {
        assert_eq!(
            read(json!({"TableName": "music", "Limit": 3, "ExclusiveStartStreamArn": ARN})),
            Ok(ListStreamsInput {
                table_name: Some("music".to_owned()),
                limit: Some(3),
                exclusive_start_stream_arn: Some(ARN.to_owned()),
            })
        );
        let filter = json!({"Type": "CHILD_SHARDS", "ShardId": SHARD});
        assert_eq!(
            read(json!({"StreamArn": ARN, "Limit": 3, "ExclusiveStartShardId": SHARD, "ShardFilter": filter})),
            Ok(DescribeStreamInput {
                stream_arn: ARN.to_owned(),
                limit: Some(3),
                exclusive_start_shard_id: Some(SHARD.to_owned()),
                shard_filter: Some(ShardFilter {
                    filter_type: Some(ShardFilterType::ChildShards),
                    shard_id: Some(SHARD.to_owned()),
                }),
            })
        );
        let number = "170000000000000000000000000000001";
        assert_eq!(
            read(json!({
                "StreamArn": ARN, "ShardId": SHARD, "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number,
            })),
            Ok(GetShardIteratorInput {
                stream_arn: ARN.to_owned(),
                shard_id: SHARD.to_owned(),
                shard_iterator_type: ShardIteratorType::AfterSequenceNumber,
                sequence_number: Some(number.to_owned()),
                timestamp_ms: None,
            })
        );
        assert_eq!(
            read(json!({
                "StreamArn": ARN, "ShardId": SHARD, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_791_316_726.48,
            })),
            Ok(GetShardIteratorInput {
                stream_arn: ARN.to_owned(),
                shard_id: SHARD.to_owned(),
                shard_iterator_type: ShardIteratorType::AtTimestamp,
                sequence_number: None,
                timestamp_ms: Some(1_791_316_726_480),
            })
        );
        assert_eq!(
            read(json!({"ShardIterator": "i", "Limit": 1000})),
            Ok(GetRecordsInput {
                shard_iterator: "i".to_owned(),
                limit: Some(1000),
            })
        );
    }

    #[test]
    fn broken_constraints_are_reported() {
        fn refused<T: Decode + std::fmt::Debug>(request: &Value, constraint: &str) {
            match read::<T>(request.clone()) {
                Err(ApiError::Validation(message)) if message.contains(constraint) => {}
                other => panic!("{request}: {other:?}"),
            }
        }
        let at_least = |min: i64| format!("Member must have value greater than or equal to {min}");
        let at_most = |max: i64| format!("Member must have value less than or equal to {max}");
        refused::<ListStreamsInput>(
            &json!({"Limit": 0}),
            &format!("Value '0' at 'limit' failed to satisfy constraint: {}", at_least(1)),
        );
        refused::<ListStreamsInput>(&json!({"Limit": 101}), &at_most(100));
        refused::<ListStreamsInput>(&json!({"TableName": "a"}), "'tableName'");
        refused::<ListStreamsInput>(
            &json!({"ExclusiveStartStreamArn": "short"}),
            "'exclusiveStartStreamArn'",
        );
        refused::<DescribeStreamInput>(&json!({}), "Value null at 'streamArn'");
        refused::<DescribeStreamInput>(&json!({"StreamArn": ARN, "Limit": 101}), &at_most(100));
        refused::<DescribeStreamInput>(
            &json!({"StreamArn": ARN, "ShardFilter": {"Type": "CHILD_SHARDS", "ShardId": "qwerty"}}),
            "Value 'qwerty' at 'shardFilter.shardId' failed to satisfy constraint: Member must have length greater than or equal to 28",
        );
        refused::<DescribeStreamInput>(
            &json!({"StreamArn": ARN, "ShardFilter": {"Type": "foo", "ShardId": SHARD}}),
            "Value 'foo' at 'shardFilter.type' failed to satisfy constraint: Member must satisfy enum value set: [CHILD_SHARDS]",
        );
        let iterator = |kind: &str, number: &str| json!({"StreamArn": ARN, "ShardId": SHARD, "ShardIteratorType": kind, "SequenceNumber": number});
        refused::<GetShardIteratorInput>(&iterator("bulle", &"1".repeat(21)), "'shardIteratorType'");
        refused::<GetShardIteratorInput>(&iterator("AT_SEQUENCE_NUMBER", &"1".repeat(20)), "'sequenceNumber'");
        refused::<GetShardIteratorInput>(&iterator("AT_SEQUENCE_NUMBER", &"1".repeat(41)), "'sequenceNumber'");
        refused::<GetRecordsInput>(&json!({"ShardIterator": "i", "Limit": 1001}), &at_most(1000));
        refused::<GetRecordsInput>(&json!({"ShardIterator": "i", "Limit": -1}), &at_least(1));
        refused::<GetRecordsInput>(&json!({"ShardIterator": ""}), "'shardIterator'");
    }
}
