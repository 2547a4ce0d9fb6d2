//! The streams service: ListStreams, DescribeStream, GetShardIterator, GetRecords. It is stateless:
//! records are read from the log, and an iterator encodes its own position.

mod describe;
mod iterator;
mod list;
mod names;
mod records;
mod shard_iterator;

use std::sync::Arc;

use beringia_storage::{Shard, Streams, TableStream};

pub(crate) use names::StreamNames;

use crate::{ApiError, Engine};

impl Engine {
    /// The time in the definition of a stream that is turned on now, from which its labels are
    /// derived. It differs from the times of earlier streams of tables with this name.
    pub(crate) async fn stream_start_ms(&self, table_name: &str) -> Result<u64, ApiError> {
        let streams = self.store.streams().await?.streams;
        let earlier = streams.iter().filter(|stream| stream.table_name == table_name);
        let free = earlier.map(|stream| stream.stream.enabled_ms + 1).max();
        Ok(self.clock.now_ms().max(free.unwrap_or(0)))
    }

    /// Finds the stream with the given ARN.
    fn find_stream(&self, streams: &Streams, arn: &str) -> Result<Arc<TableStream>, ApiError> {
        let (table, label) = names::parse_arn(arn, self.region())?;
        let named =
            |stream: &&Arc<TableStream>| stream.table_name == table && self.stream_names.label(stream.stream) == label;
        streams
            .streams
            .iter()
            .find(named)
            .cloned()
            .ok_or_else(|| ApiError::ResourceNotFound(format!("Requested resource not found: Stream: {arn} not found")))
    }
}

/// Finds a shard of a stream by its id.
fn find_shard(stream: &TableStream, id: &str) -> Result<Shard, ApiError> {
    let named = |shard: &&Shard| names::shard_id(stream, shard.opened_ms) == id;
    stream.shards.iter().find(named).copied().ok_or_else(shard_not_found)
}

/// The error for a shard that does not exist or was trimmed.
pub(crate) fn shard_not_found() -> ApiError {
    ApiError::ResourceNotFound("Requested resource not found: Shard does not exist".to_owned())
}

/// The error for records that are older than a day.
pub(crate) fn trimmed() -> ApiError {
    ApiError::TrimmedDataAccess(
        "The requested records are older than the retention of 24 hours and have been trimmed: start at TRIM_HORIZON"
            .to_owned(),
    )
}
