//! The requests of the streams service.

use beringia_engine::api::{ShardFilterType, ShardIteratorType};

use super::common::{LONG, NAME, one_of, text_of};
use crate::shape::{Member, Shape, Structure};

const STREAM_ARN: Shape = text_of(37, 1024);
const SHARD_ID: Shape = text_of(28, 65);

/// How many at most; no answer holds more than `max`.
const fn limit(max: i64) -> Member {
    Member::optional(
        "Limit",
        Shape::Integer {
            name: "Integer",
            min: 1,
            max,
        },
    )
}

pub(crate) static LIST_STREAMS: Structure = Structure {
    class: "ListStreamsInput",
    members: &[
        Member::optional("TableName", NAME),
        limit(100),
        Member::optional("ExclusiveStartStreamArn", STREAM_ARN),
    ],
};

static SHARD_FILTER: Structure = Structure {
    class: "ShardFilter",
    members: &[
        Member::optional("Type", one_of(ShardFilterType::NAMES)),
        Member::optional("ShardId", SHARD_ID),
    ],
};

pub(crate) static DESCRIBE_STREAM: Structure = Structure {
    class: "DescribeStreamInput",
    members: &[
        Member::required("StreamArn", STREAM_ARN),
        limit(100),
        Member::optional("ExclusiveStartShardId", SHARD_ID),
        Member::optional("ShardFilter", Shape::Structure(&SHARD_FILTER)),
    ],
};

pub(crate) static GET_SHARD_ITERATOR: Structure = Structure {
    class: "GetShardIteratorInput",
    members: &[
        Member::required("StreamArn", STREAM_ARN),
        Member::required("ShardId", SHARD_ID),
        Member::required("ShardIteratorType", one_of(ShardIteratorType::NAMES)),
        Member::optional("SequenceNumber", text_of(21, 40)),
        Member::optional("Timestamp", LONG),
    ],
};

pub(crate) static GET_RECORDS: Structure = Structure {
    class: "GetRecordsInput",
    members: &[Member::required("ShardIterator", text_of(1, 2048)), limit(1000)],
};
