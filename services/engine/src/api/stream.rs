//! ListStreams, DescribeStream, GetShardIterator, GetRecords.

use beringia_item::Item;

use super::{KeySchemaElement, StreamViewType, wire::wire_enum};

wire_enum! {
    /// The status of a stream.
    StreamStatus {
        /// Closed; its records can be read for a day.
        Disabled = "DISABLED",
        /// Being closed.
        Disabling = "DISABLING",
        /// Takes records.
        Enabled = "ENABLED",
        /// New; takes records.
        Enabling = "ENABLING",
    }
}

wire_enum! {
    /// Where in a shard an iterator begins.
    ShardIteratorType {
        /// With the oldest record that is there.
        TrimHorizon = "TRIM_HORIZON",
        /// Behind the newest record.
        Latest = "LATEST",
        /// With the record of a sequence number.
        AtSequenceNumber = "AT_SEQUENCE_NUMBER",
        /// Behind the record of a sequence number.
        AfterSequenceNumber = "AFTER_SEQUENCE_NUMBER",
        /// With the first record that was written at a time or later.
        AtTimestamp = "AT_TIMESTAMP",
    }
}

wire_enum! {
    /// Which shards a filter lets pass.
    ShardFilterType {
        /// The children of a shard.
        ChildShards = "CHILD_SHARDS",
    }
}

wire_enum! {
    /// What became of an item.
    EventName {
        /// It is new.
        Insert = "INSERT",
        /// It is another than before.
        Modify = "MODIFY",
        /// It is gone.
        Remove = "REMOVE",
    }
}

/// Which streams to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListStreamsInput {
    /// Only those of this table.
    pub table_name: Option<String>,
    /// How many at most.
    pub limit: Option<i64>,
    /// Only those behind this one.
    pub exclusive_start_stream_arn: Option<String>,
}

/// A stream, in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSummary {
    /// Its ARN.
    pub stream_arn: String,
    /// Its table.
    pub table_name: String,
    /// When it was turned on, as `2026-01-31T23:59:59.999`.
    pub stream_label: String,
}

/// Streams, by ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListStreamsOutput {
    /// The streams.
    pub streams: Vec<StreamSummary>,
    /// The last of them, where there are more.
    pub last_evaluated_stream_arn: Option<String>,
}

/// Which of a stream's shards to describe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardFilter {
    /// Which relatives.
    pub filter_type: Option<ShardFilterType>,
    /// Of which shard.
    pub shard_id: Option<String>,
}

/// Which stream to describe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribeStreamInput {
    /// The stream.
    pub stream_arn: String,
    /// How many shards at most.
    pub limit: Option<i64>,
    /// Only shards behind this one.
    pub exclusive_start_shard_id: Option<String>,
    /// Only some shards.
    pub shard_filter: Option<ShardFilter>,
}

/// A shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardDescription {
    /// Its name.
    pub shard_id: String,
    /// The shard that it goes on from. It may be gone already.
    pub parent_shard_id: Option<String>,
    /// Where it begins.
    pub starting_sequence_number: String,
    /// Where it ends; `None` while it is open.
    pub ending_sequence_number: Option<String>,
}

/// A stream and some of its shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its ARN.
    pub stream_arn: String,
    /// When it was turned on, as `2026-01-31T23:59:59.999`.
    pub stream_label: String,
    /// Whether it takes records.
    pub stream_status: StreamStatus,
    /// What its records hold.
    pub stream_view_type: StreamViewType,
    /// When it was turned on, ms since the epoch.
    pub creation_request_date_time_ms: u64,
    /// Its table.
    pub table_name: String,
    /// The table's key.
    pub key_schema: Vec<KeySchemaElement>,
    /// Oldest first, which is also by name.
    pub shards: Vec<ShardDescription>,
    /// The last of them, where there are more.
    pub last_evaluated_shard_id: Option<String>,
}

/// Where to begin to read a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetShardIteratorInput {
    /// The stream.
    pub stream_arn: String,
    /// The shard.
    pub shard_id: String,
    /// Where in it.
    pub shard_iterator_type: ShardIteratorType,
    /// At or behind which record, where the type asks for it.
    pub sequence_number: Option<String>,
    /// From when on, ms since the epoch, where the type asks for it.
    pub timestamp_ms: Option<u64>,
}

/// An iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetShardIteratorOutput {
    /// For GetRecords, within fifteen minutes.
    pub shard_iterator: String,
}

/// What to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetRecordsInput {
    /// From where on.
    pub shard_iterator: String,
    /// How many records at most.
    pub limit: Option<i64>,
}

/// Who made a change, where no client did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub principal_id: &'static str,
    /// What kind of principal that is.
    pub identity_type: &'static str,
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The same whenever the record is read, and no other record's.
    pub event_id: String,
    /// What became of the item.
    pub event_name: EventName,
    /// The region whose stream it is.
    pub aws_region: String,
    /// When it was written, s since the epoch.
    pub approximate_creation_date_time: u64,
    /// The item's key.
    pub keys: Item,
    /// The item after, where the view shows it.
    pub new_image: Option<Item>,
    /// The item before, where the view shows it.
    pub old_image: Option<Item>,
    /// Its place among the stream's records: a decimal number.
    pub sequence_number: String,
    /// The sizes of key and images, bytes.
    pub size_bytes: u64,
    /// What the stream's records hold.
    pub stream_view_type: StreamViewType,
    /// Set where the item's time to live ran out in this region.
    pub user_identity: Option<Identity>,
}

/// Records of a shard.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GetRecordsOutput {
    /// In the order in which this region applied the changes. May be empty while there are more.
    pub records: Vec<Record>,
    /// Where to read on; `None` where the shard is closed and was read to its end.
    pub next_shard_iterator: Option<String>,
}
