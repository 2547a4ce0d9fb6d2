//! Encodes the answers of the streams service.

use beringia_engine::api::{
    GetRecordsOutput, GetShardIteratorOutput, Identity, ListStreamsOutput, Record, ShardDescription, StreamDescription,
    StreamSummary,
};
use serde::{Serialize, Serializer};

use super::{Encode, Fields, table::seconds};

impl Encode for ListStreamsOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("LastEvaluatedStreamArn", self.last_evaluated_stream_arn.as_ref())?;
        fields.wire("Streams", &self.streams)?;
        fields.end()
    }
}

impl Encode for StreamSummary {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("StreamArn", &self.stream_arn)?;
        fields.plain("StreamLabel", &self.stream_label)?;
        fields.plain("TableName", &self.table_name)?;
        fields.end()
    }
}

/// DescribeStream wraps the description in a structure.
impl Encode for StreamDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("StreamDescription", &Inner(self))?;
        fields.end()
    }
}

/// The description inside that structure.
struct Inner<'a>(&'a StreamDescription);

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stream = self.0;
        let mut fields = Fields::begin(serializer)?;
        fields.plain(
            "CreationRequestDateTime",
            &seconds(stream.creation_request_date_time_ms),
        )?;
        fields.wire("KeySchema", &stream.key_schema)?;
        fields.plain_some("LastEvaluatedShardId", stream.last_evaluated_shard_id.as_ref())?;
        fields.wire("Shards", &stream.shards)?;
        fields.plain("StreamArn", &stream.stream_arn)?;
        fields.plain("StreamLabel", &stream.stream_label)?;
        fields.plain("StreamStatus", stream.stream_status.as_str())?;
        fields.plain("StreamViewType", stream.stream_view_type.as_str())?;
        fields.plain("TableName", &stream.table_name)?;
        fields.end()
    }
}

impl Encode for ShardDescription {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("ParentShardId", self.parent_shard_id.as_ref())?;
        fields.plain("SequenceNumberRange", &Range(self))?;
        fields.plain("ShardId", &self.shard_id)?;
        fields.end()
    }
}

/// The range of sequence numbers of a shard.
struct Range<'a>(&'a ShardDescription);

impl Serialize for Range<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("EndingSequenceNumber", self.0.ending_sequence_number.as_ref())?;
        fields.plain("StartingSequenceNumber", &self.0.starting_sequence_number)?;
        fields.end()
    }
}

impl Encode for GetShardIteratorOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("ShardIterator", &self.shard_iterator)?;
        fields.end()
    }
}

impl Encode for GetRecordsOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("NextShardIterator", self.next_shard_iterator.as_ref())?;
        fields.wire("Records", &self.records)?;
        fields.end()
    }
}

impl Encode for Record {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("awsRegion", &self.aws_region)?;
        fields.plain("dynamodb", &Change(self))?;
        fields.plain("eventID", &self.event_id)?;
        fields.plain("eventName", self.event_name.as_str())?;
        fields.plain("eventSource", "aws:dynamodb")?;
        fields.plain("eventVersion", "1.1")?;
        fields.wire_some("userIdentity", self.user_identity.as_ref())?;
        fields.end()
    }
}

/// The part of a record that describes the item.
struct Change<'a>(&'a Record);

impl Serialize for Change<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.0;
        let mut fields = Fields::begin(serializer)?;
        fields.plain("ApproximateCreationDateTime", &record.approximate_creation_date_time)?;
        fields.wire("Keys", &record.keys)?;
        fields.wire_some("NewImage", record.new_image.as_ref())?;
        fields.wire_some("OldImage", record.old_image.as_ref())?;
        fields.plain("SequenceNumber", &record.sequence_number)?;
        fields.plain("SizeBytes", &record.size_bytes)?;
        fields.plain("StreamViewType", record.stream_view_type.as_str())?;
        fields.end()
    }
}

impl Encode for Identity {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("PrincipalId", self.principal_id)?;
        fields.plain("Type", self.identity_type)?;
        fields.end()
    }
}
