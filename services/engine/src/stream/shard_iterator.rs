//! GetShardIterator.

use beringia_store::{LogPosition, Shard, Streams};

use super::{find_shard, iterator::Iterator, names::parse_sequence_number, trimmed};
use crate::{
    ApiError, Engine,
    api::{GetShardIteratorInput, GetShardIteratorOutput, ShardIteratorType},
};

impl Engine {
    /// Gives an iterator for GetRecords.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, TrimmedDataAccessException, or the store's.
    pub async fn get_shard_iterator(&self, input: GetShardIteratorInput) -> Result<GetShardIteratorOutput, ApiError> {
        let number = check_form(&input)?;
        let streams = self.store.streams().await?;
        let stream = self.find_stream(&streams, &input.stream_arn)?;
        let shard = find_shard(&stream, &input.shard_id)?;
        let place = || {
            let number = number.unwrap_or_default();
            place_of(number, &shard, &streams).ok_or_else(|| {
                ApiError::validation(format!(
                    "Invalid SequenceNumber: {number} is not in the shard {}",
                    input.shard_id
                ))
            })
        };
        let from = match input.shard_iterator_type {
            ShardIteratorType::TrimHorizon => None,
            ShardIteratorType::Latest => Some(LogPosition(last_of(&shard, &streams).0 + 1)),
            ShardIteratorType::AtSequenceNumber => Some(place()?),
            ShardIteratorType::AfterSequenceNumber => Some(LogPosition(place()?.0 + 1)),
        };
        let by_number = number.and(from);
        if by_number.is_some_and(|from| from <= streams.trimmed) {
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
}

/// Whether there is a sequence number where the type wants one, and only there.
fn check_form(input: &GetShardIteratorInput) -> Result<Option<&str>, ApiError> {
    let kind = input.shard_iterator_type;
    let wants = matches!(
        kind,
        ShardIteratorType::AtSequenceNumber | ShardIteratorType::AfterSequenceNumber
    );
    match (wants, input.sequence_number.as_deref()) {
        (true, None) => Err(ApiError::validation(format!(
            "SequenceNumber must be specified when ShardIteratorType is {}",
            kind.as_str()
        ))),
        (false, Some(_)) => Err(ApiError::validation(format!(
            "SequenceNumber must not be specified when ShardIteratorType is {}",
            kind.as_str()
        ))),
        (_, number) => Ok(number),
    }
}

/// The last position that belongs to a shard, so far.
fn last_of(shard: &Shard, streams: &Streams) -> LogPosition {
    shard
        .end
        .map_or(streams.end, |end| end.last)
        .max(LogPosition(shard.first.0.saturating_sub(1)))
}

/// The place of a sequence number in a shard; where it begins is one also while the shard is empty.
fn place_of(number: &str, shard: &Shard, streams: &Streams) -> Option<LogPosition> {
    let place = parse_sequence_number(number, shard.opened_ms)?;
    let last = last_of(shard, streams).max(shard.first);
    (shard.first..=last).contains(&place).then_some(place)
}
