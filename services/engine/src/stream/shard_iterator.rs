//! Implements the GetShardIterator operation.

use beringia_storage::{LogPosition, Shard, ShardKey, StreamRead, Streams, TableStream};

use super::{find_shard, iterator::Iterator, names::parse_sequence_number, records::BYTES_MAX, trimmed};
use crate::{
    ApiError, Engine,
    api::{GetShardIteratorInput, GetShardIteratorOutput, ShardIteratorType},
};

/// The number of records that a search by time reads at once.
const SEARCHED_RECORDS: usize = 1000;

/// Where an iterator starts. `At` and `After` have a sequence number as the request gives it,
/// `Since` a time in ms since the Unix epoch.
#[derive(Debug, Clone, Copy)]
enum Start<'a> {
    Oldest,
    Latest,
    At(&'a str),
    After(&'a str),
    Since(u64),
}

impl Engine {
    /// Creates an iterator for GetRecords.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, TrimmedDataAccessException, or the store's
    /// error.
    pub async fn get_shard_iterator(&self, input: GetShardIteratorInput) -> Result<GetShardIteratorOutput, ApiError> {
        let start = start(&input)?;
        let streams = self.store.streams().await?;
        let stream = self.find_stream(&streams, &input.stream_arn)?;
        let shard = find_shard(&stream, &input.shard_id)?;
        let from = match start {
            Start::Oldest => None,
            Start::Latest => Some(LogPosition(last_of(&shard, &streams).0 + 1)),
            Start::At(number) => Some(place_of(number, &shard, &streams)?),
            Start::After(number) => Some(LogPosition(place_of(number, &shard, &streams)?.0 + 1)),
            Start::Since(since_ms) => Some(self.first_since(&stream, &shard, &streams, since_ms).await?),
        };
        let numbered = matches!(start, Start::At(_) | Start::After(_));
        if numbered && from.is_some_and(|from| from <= streams.trimmed) {
            return Err(trimmed());
        }
        let iterator = Iterator {
            arn: input.stream_arn,
            opened_ms: shard.opened_ms,
            from,
            given_ms: self.clock.now_ms(),
        };
        Ok(GetShardIteratorOutput {
            shard_iterator: iterator.write(),
        })
    }

    /// The position of a shard's first record that was written at `since_ms` or later; if there is
    /// none yet, the position after the last record. Writes of other regions arrive late, so times
    /// do not grow with positions, and the search looks at the records one by one.
    async fn first_since(
        &self,
        stream: &TableStream,
        shard: &Shard,
        streams: &Streams,
        since_ms: u64,
    ) -> Result<LogPosition, ApiError> {
        let behind = LogPosition(last_of(shard, streams).0 + 1);
        let mut from = None;
        loop {
            let read = StreamRead {
                shard: ShardKey {
                    table: stream.table,
                    enabled_ms: stream.stream.enabled_ms,
                    opened_ms: shard.opened_ms,
                },
                from,
                max_records: SEARCHED_RECORDS,
                max_bytes: BYTES_MAX,
            };
            let page = self.store.read_stream(read).await?;
            let mut found = page.records.iter().filter(|record| record.time.millis() >= since_ms);
            if let Some(record) = found.next() {
                return Ok(record.position);
            }
            match page.next {
                Some(next) if next < behind => from = Some(next),
                _ => return Ok(behind),
            }
        }
    }
}

/// Determines where the iterator starts. The request must contain the parameters that its type
/// needs, and no others.
fn start(input: &GetShardIteratorInput) -> Result<Start<'_>, ApiError> {
    let kind = input.shard_iterator_type;
    let (number, time) = (input.sequence_number.as_deref(), input.timestamp_ms);
    let verdict = |member: &str, must: &str| {
        let kind = kind.as_str();
        Err(ApiError::validation(format!(
            "{member} must {must}be specified when ShardIteratorType is {kind}"
        )))
    };
    let start = match (kind, number, time) {
        (ShardIteratorType::TrimHorizon, ..) => Start::Oldest,
        (ShardIteratorType::Latest, ..) => Start::Latest,
        (ShardIteratorType::AtSequenceNumber, Some(number), _) => Start::At(number),
        (ShardIteratorType::AfterSequenceNumber, Some(number), _) => Start::After(number),
        (ShardIteratorType::AtTimestamp, _, Some(time)) => Start::Since(time),
        (ShardIteratorType::AtTimestamp, _, None) => return verdict("Timestamp", ""),
        (ShardIteratorType::AtSequenceNumber | ShardIteratorType::AfterSequenceNumber, None, _) => {
            return verdict("SequenceNumber", "");
        }
    };
    if number.is_some() && !matches!(start, Start::At(_) | Start::After(_)) {
        return verdict("SequenceNumber", "not ");
    }
    if time.is_some() && !matches!(start, Start::Since(_)) {
        return verdict("Timestamp", "not ");
    }
    Ok(start)
}

/// The last position that belongs to a shard so far.
fn last_of(shard: &Shard, streams: &Streams) -> LogPosition {
    let before = LogPosition(shard.first.0.saturating_sub(1));
    shard.end.map_or(streams.end, |end| end.last).max(before)
}

/// The position that a sequence number denotes in a shard. The start of the shard is valid even
/// while the shard is empty.
fn place_of(number: &str, shard: &Shard, streams: &Streams) -> Result<LogPosition, ApiError> {
    let last = last_of(shard, streams).max(shard.first);
    let place = parse_sequence_number(number, shard.opened_ms).filter(|place| (shard.first..=last).contains(place));
    place.ok_or_else(|| ApiError::validation(format!("Invalid SequenceNumber: {number} is not in the shard")))
}
