//! Shard iterators: a place in a shard, encoded so that the server keeps no state.

use beringia_storage::LogPosition;
use xxhash_rust::xxh3::xxh3_64;

use crate::ApiError;

/// How long an iterator is valid, in ms (API reference, GetShardIterator).
const LIFETIME_MS: u64 = 15 * 60 * 1000;
/// The version of the iterator's encoding.
const FORM: &str = "1";
/// The number of fields after the ARN, including the checksum.
const FIELDS: usize = 4;

/// A place in a shard, as an iterator encodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Iterator {
    /// The ARN of the stream.
    pub(super) arn: String,
    /// Identifies the shard by the time when it was opened, in ms since the epoch.
    pub(super) opened_ms: u64,
    /// The position to read from; `None` for the shard's oldest record.
    pub(super) from: Option<LogPosition>,
    /// When the iterator was issued, in ms since the epoch.
    pub(super) given_ms: u64,
}

impl Iterator {
    fn fields(&self) -> [u64; FIELDS] {
        // The log begins at 1, so 0 stands for `None`.
        let from = self.from.map_or(0, |from| from.0);
        let mut text = self.arn.clone().into_bytes();
        for field in [self.opened_ms, from, self.given_ms] {
            text.extend(field.to_be_bytes());
        }
        [self.opened_ms, from, self.given_ms, xxh3_64(&text)]
    }

    /// Encodes the iterator for clients, to whom it is opaque.
    pub(super) fn write(&self) -> String {
        let fields: String = self.fields().iter().map(|field| format!("{field:016x}")).collect();
        format!("{}|{FORM}|{fields}", self.arn)
    }

    /// Decodes what [`Iterator::write`] encoded.
    ///
    /// # Errors
    /// ValidationException for a text that is not an iterator or was changed;
    /// ExpiredIteratorException for an iterator that is too old.
    pub(super) fn read(text: &str, now_ms: u64) -> Result<Self, ApiError> {
        let read = Self::parse(text).ok_or_else(|| ApiError::validation("Invalid ShardIterator"))?;
        if now_ms.saturating_sub(read.given_ms) > LIFETIME_MS {
            return Err(ApiError::ExpiredIterator(
                "The shard iterator is older than 15 minutes: get a new one with GetShardIterator".to_owned(),
            ));
        }
        Ok(read)
    }

    fn parse(text: &str) -> Option<Self> {
        let (arn, rest) = text.split_once('|')?;
        let digits = rest.strip_prefix(FORM)?.strip_prefix('|')?;
        if digits.len() != FIELDS * 16 || !digits.is_ascii() {
            return None;
        }
        let mut fields = [0; FIELDS];
        for (field, digits) in fields.iter_mut().zip(digits.as_bytes().chunks(16)) {
            *field = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let [opened_ms, from, given_ms, _] = fields;
        let read = Self {
            arn: arn.to_owned(),
            opened_ms,
            from: (from > 0).then_some(LogPosition(from)),
            given_ms,
        };
        (read.fields() == fields).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iterator(from: Option<LogPosition>) -> Iterator {
        Iterator {
            arn: "arn:aws:dynamodb:us-east-1:000000000000:table/music/stream/1970-01-01T00:00:00.000".to_owned(),
            opened_ms: 1_700_000_000_000,
            from,
            given_ms: 1_700_000_000_001,
        }
    }

    #[test]
    fn an_iterator_is_read_as_it_was_written_for_fifteen_minutes() {
        for from in [None, Some(LogPosition(1)), Some(LogPosition(u64::MAX))] {
            let iterator = iterator(from);
            let text = iterator.write();
            let until_ms = iterator.given_ms + LIFETIME_MS;
            assert_eq!(Iterator::read(&text, until_ms), Ok(iterator.clone()));
            assert_eq!(
                Iterator::read(&text, 0),
                Ok(iterator),
                "setting the clock back does not invalidate it"
            );
            assert!(matches!(
                Iterator::read(&text, until_ms + 1),
                Err(ApiError::ExpiredIterator(_))
            ));
        }
    }

    #[test]
    fn an_iterator_that_was_changed_anywhere_is_refused() {
        let text = iterator(Some(LogPosition(17))).write();
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                Iterator::read(&changed, 1_700_000_000_001),
                Err(ApiError::validation("Invalid ShardIterator")),
                "{changed}"
            );
        }
        for text in ["", "|", "||", "a|1|", &text[..text.len() - 1], &format!("{text}0")] {
            assert!(Iterator::read(text, 0).is_err(), "{text}");
        }
    }
}
