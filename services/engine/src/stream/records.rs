//! Implements the GetRecords operation.

use beringia_item::Cause;
use beringia_storage::{ShardKey, StreamChange, StreamRead, StreamRecord, TableStream};
use xxhash_rust::xxh3::xxh3_128;

use super::{iterator::Iterator, names::sequence_number};
use crate::{
    ApiError, Engine,
    api::{EventName, GetRecordsInput, GetRecordsOutput, Identity, Record},
    constraint::Constraints,
    table::wire_view,
};

/// The maximum number of records in an answer (API reference, GetRecords).
const RECORDS_MAX: i64 = 1000;
/// The maximum size of the records in an answer, in bytes.
pub(super) const BYTES_MAX: usize = 1 << 20;
/// The identity in records of deletes by time to live.
const TIME_TO_LIVE: Identity = Identity {
    principal_id: "dynamodb.amazonaws.com",
    identity_type: "Service",
};

impl Engine {
    /// Reads records of a shard from an iterator on.
    ///
    /// # Errors
    /// ValidationException, ExpiredIteratorException, TrimmedDataAccessException,
    /// ResourceNotFoundException, or the store's error.
    pub async fn get_records(&self, input: GetRecordsInput) -> Result<GetRecordsOutput, ApiError> {
        let mut constraints = Constraints::default();
        let limit = input.limit.unwrap_or(RECORDS_MAX);
        constraints.at_least("limit", limit, 1);
        constraints.at_most("limit", limit, RECORDS_MAX);
        constraints.finish()?;
        let now_ms = self.clock.now_ms();
        let iterator = Iterator::read(&input.shard_iterator, now_ms)?;
        let stream = self.find_stream(&self.store.streams().await?, &iterator.arn)?;
        let read = StreamRead {
            shard: ShardKey {
                table: stream.table,
                enabled_ms: stream.stream.enabled_ms,
                opened_ms: iterator.opened_ms,
            },
            from: iterator.from,
            max_records: usize::try_from(limit).unwrap_or(1),
            max_bytes: BYTES_MAX,
        };
        let page = self.store.read_stream(read).await?;
        let records = page.records.into_iter();
        Ok(GetRecordsOutput {
            records: records
                .map(|record| self.describe_record(&iterator, &stream, record))
                .collect(),
            next_shard_iterator: page.next.map(|next| {
                let next = Iterator {
                    from: Some(next),
                    given_ms: now_ms,
                    ..iterator.clone()
                };
                next.write()
            }),
        })
    }

    fn describe_record(&self, iterator: &Iterator, stream: &TableStream, record: StreamRecord) -> Record {
        let sequence_number = sequence_number(iterator.opened_ms, record.position);
        // Only the region that expired the item sets the identity; the other regions receive the
        // delete by replication.
        let expired_here = record.cause == Cause::TimeToLive && record.origin.region() == self.region();
        Record {
            event_id: format!(
                "{:032x}",
                xxh3_128(format!("{}|{sequence_number}", iterator.arn).as_bytes())
            ),
            event_name: match record.change {
                StreamChange::Insert => EventName::Insert,
                StreamChange::Modify => EventName::Modify,
                StreamChange::Remove => EventName::Remove,
            },
            aws_region: self.region().to_string(),
            approximate_creation_date_time: record.time.millis() / 1000,
            size_bytes: record.size_bytes() as u64,
            keys: record.keys,
            new_image: record.after,
            old_image: record.before,
            sequence_number,
            stream_view_type: wire_view(stream.stream.view),
            user_identity: expired_here.then_some(TIME_TO_LIVE),
        }
    }
}
