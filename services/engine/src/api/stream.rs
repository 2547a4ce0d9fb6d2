//! Requests and answers of the streams operations: ListStreams, DescribeStream, GetShardIterator,
//! GetRecords.

use beringia_item::Item;

use super::{KeySchemaElement, StreamViewType, wire::wire_enum};

wire_enum! {
    /// The status of a stream.
    StreamStatus {
        /// Closed; its records can still be read for a day.
        Disabled = "DISABLED",
        /// Being turned off; shown while changes are slow.
        Disabling = "DISABLING",
        /// Open, and records are written to it.
        Enabled = "ENABLED",
        /// Just turned on; records are already written to it.
        Enabling = "ENABLING",
    }
}

wire_enum! {
    /// The place in a shard where an iterator starts.
    ShardIteratorType {
        /// At the oldest record that is still there.
        TrimHorizon = "TRIM_HORIZON",
        /// After the newest record that exists when the iterator is made.
        Latest = "LATEST",
        /// At the record with a sequence number.
        AtSequenceNumber = "AT_SEQUENCE_NUMBER",
        /// After the record with a sequence number.
        AfterSequenceNumber = "AFTER_SEQUENCE_NUMBER",
        /// At the first record written at a given time or later.
        AtTimestamp = "AT_TIMESTAMP",
    }
}

wire_enum! {
    /// Which shards a filter selects.
    ShardFilterType {
        /// The children of a shard.
        ChildShards = "CHILD_SHARDS",
    }
}

wire_enum! {
    /// How a write changed an item.
    EventName {
        /// The write created the item.
        Insert = "INSERT",
        /// The write changed an existing item.
        Modify = "MODIFY",
        /// The write deleted the item.
        Remove = "REMOVE",
    }
}

/// Lists the streams of this region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListStreamsInput {
    /// Lists only the streams of this table.
    pub table_name: Option<String>,
    /// The maximum number of streams to return.
    pub limit: Option<i64>,
    /// Lists only the streams after this one.
    pub exclusive_start_stream_arn: Option<String>,
}

/// One entry of a list of streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSummary {
    /// The stream's ARN in this region, which ends in `stream_label`.
    pub stream_arn: String,
    /// The name of the stream's table.
    pub table_name: String,
    /// The time when the region's stream was turned on, as `2026-01-31T23:59:59.999`.
    pub stream_label: String,
}

/// A page of streams, sorted by ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListStreamsOutput {
    /// At most `limit` streams, which follow `exclusive_start_stream_arn`.
    pub streams: Vec<StreamSummary>,
    /// The ARN of the last stream of this page; `None` on the last page.
    pub last_evaluated_stream_arn: Option<String>,
}

/// Restricts which of a stream's shards are described.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardFilter {
    /// How the selected shards are related to `shard_id`.
    pub filter_type: Option<ShardFilterType>,
    /// The shard that the filter refers to.
    pub shard_id: Option<String>,
}

/// Describes a stream and its shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribeStreamInput {
    /// A stream of this region that is open or can still be read.
    pub stream_arn: String,
    /// The maximum number of shards to return.
    pub limit: Option<i64>,
    /// Describes only the shards after this one.
    pub exclusive_start_shard_id: Option<String>,
    /// Describes only the shards that pass this filter.
    pub shard_filter: Option<ShardFilter>,
}

/// A shard of a stream: an interval of the log, which a consumer reads by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardDescription {
    /// The shard's id; ids sort by the shards' age.
    pub shard_id: String,
    /// The shard that this one continues. It may have been trimmed already.
    pub parent_shard_id: Option<String>,
    /// The sequence number of the shard's first record.
    pub starting_sequence_number: String,
    /// The sequence number of the shard's last record; `None` while the shard is open.
    pub ending_sequence_number: Option<String>,
}

/// A stream and a page of its shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// The stream's ARN in this region, which ends in `stream_label`.
    pub stream_arn: String,
    /// The time when the region's stream was turned on, as `2026-01-31T23:59:59.999`.
    pub stream_label: String,
    /// Whether records are still written to it.
    pub stream_status: StreamStatus,
    /// Which images its records contain.
    pub stream_view_type: StreamViewType,
    /// When the region's stream was turned on, in ms since the epoch.
    pub creation_request_date_time_ms: u64,
    /// The name of the stream's table.
    pub table_name: String,
    /// The key schema of the table.
    pub key_schema: Vec<KeySchemaElement>,
    /// The shards of this page, oldest first, which is also the order of their ids.
    pub shards: Vec<ShardDescription>,
    /// The id of the last shard of this page; `None` on the last page.
    pub last_evaluated_shard_id: Option<String>,
}

/// Asks for an iterator at a place in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetShardIteratorInput {
    /// The stream that the shard belongs to.
    pub stream_arn: String,
    /// The shard to read, which DescribeStream lists.
    pub shard_id: String,
    /// The place where the iterator starts.
    pub shard_iterator_type: ShardIteratorType,
    /// The sequence number to start at or after, for the types that need one.
    pub sequence_number: Option<String>,
    /// The time to start at, in ms since the epoch, for `AT_TIMESTAMP`.
    pub timestamp_ms: Option<u64>,
}

/// An iterator for a place in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetShardIteratorOutput {
    /// The iterator to pass to GetRecords within fifteen minutes.
    pub shard_iterator: String,
}

/// Reads records of a shard, in the order of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetRecordsInput {
    /// An iterator of GetShardIterator or of the previous answer, at most fifteen minutes old.
    pub shard_iterator: String,
    /// The maximum number of records to return.
    pub limit: Option<i64>,
}

/// The principal that made a change, if it was not a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The service that acted, such as `dynamodb.amazonaws.com`.
    pub principal_id: &'static str,
    /// The kind of principal, such as `Service`.
    pub identity_type: &'static str,
}

/// One change of one item, as a stream shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Identifies the record: the same at every read, and different for every record.
    pub event_id: String,
    /// How the write changed the item.
    pub event_name: EventName,
    /// The region whose stream contains the record.
    pub aws_region: String,
    /// When the record was written, in seconds since the epoch.
    pub approximate_creation_date_time: u64,
    /// The key attributes of the item.
    pub keys: Item,
    /// The item after the write, if the view type includes it.
    pub new_image: Option<Item>,
    /// The item before the write, if the view type includes it.
    pub old_image: Option<Item>,
    /// The position of the record in the stream, as a decimal number.
    pub sequence_number: String,
    /// The size of the key and the images, in bytes.
    pub size_bytes: u64,
    /// Which images the stream's records contain.
    pub stream_view_type: StreamViewType,
    /// Set if the time-to-live sweep of this region deleted the item.
    pub user_identity: Option<Identity>,
}

/// A page of records, and the iterator to continue with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GetRecordsOutput {
    /// The records, in the order in which this region applied the writes. The list can be empty
    /// although more records follow.
    pub records: Vec<Record>,
    /// The iterator to continue with; `None` if the shard is closed and was read to its end.
    pub next_shard_iterator: Option<String>,
}
