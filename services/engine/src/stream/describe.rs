//! Implements the DescribeStream operation.

use beringia_storage::{LogPosition, Shard, TableStream};

use super::names::{sequence_number, shard_id};
use crate::{
    ApiError, Engine,
    api::{DescribeStreamInput, ShardDescription, ShardFilter, StreamDescription},
    constraint::Constraints,
    table::{key_schema, wire_view},
};

/// The maximum number of shards in an answer.
const SHARDS_MAX: i64 = 100;

impl Engine {
    /// Describes a stream and its shards.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, or the store's error.
    pub async fn describe_stream(&self, input: DescribeStreamInput) -> Result<StreamDescription, ApiError> {
        let mut constraints = Constraints::default();
        let limit = input.limit.unwrap_or(SHARDS_MAX);
        constraints.at_least("limit", limit, 1);
        constraints.at_most("limit", limit, SHARDS_MAX);
        constraints.finish()?;
        let parent = input.shard_filter.map(parent_of).transpose()?;
        let stream = self.find_stream(&self.store.streams().await?, &input.stream_arn)?;

        let start = input.exclusive_start_shard_id.as_deref();
        let mut shards: Vec<ShardDescription> = stream
            .shards
            .iter()
            .map(|shard| describe_shard(&stream, shard))
            .filter(|shard| parent.is_none() || shard.parent_shard_id == parent)
            .filter(|shard| start.is_none_or(|start| shard.shard_id.as_str() > start))
            .collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = shards.len() > limit;
        shards.truncate(limit);
        let last = shards.last().filter(|_| more);
        Ok(StreamDescription {
            stream_arn: input.stream_arn,
            stream_label: self.stream_names.label(stream.stream),
            stream_status: self
                .lifecycle
                .stream_status(stream.table, stream.stream.enabled_ms, stream.is_enabled()),
            stream_view_type: wire_view(stream.stream.view),
            creation_request_date_time_ms: self.stream_names.created_ms(stream.stream),
            table_name: stream.table_name.clone(),
            key_schema: key_schema(&stream.keys),
            last_evaluated_shard_id: last.map(|shard| shard.shard_id.clone()),
            shards,
        })
    }
}

/// The shard whose children a filter selects.
fn parent_of(filter: ShardFilter) -> Result<String, ApiError> {
    // There is only one filter type, `CHILD_SHARDS`.
    filter
        .filter_type
        .ok_or_else(|| ApiError::missing("shardFilter.type"))?;
    filter.shard_id.ok_or_else(|| ApiError::missing("shardFilter.shardId"))
}

fn describe_shard(stream: &TableStream, shard: &Shard) -> ShardDescription {
    let number = |position: LogPosition| sequence_number(shard.opened_ms, position);
    ShardDescription {
        shard_id: shard_id(stream, shard.opened_ms),
        parent_shard_id: shard.parent_ms.map(|parent_ms| shard_id(stream, parent_ms)),
        starting_sequence_number: number(shard.first),
        // An empty shard ends where it begins.
        ending_sequence_number: shard.end.map(|end| number(end.last.max(shard.first))),
    }
}
