//! How times, versions and writes look to people and to programs.

use beringia_clock::HybridTime;
use beringia_proto::v1::{ConflictSideReport, ItemVersion};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::error::CommandError;

/// A time as ISO 8601 in UTC with milliseconds; after the year 9999, the number of milliseconds.
pub(crate) fn iso(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(
            || format!("{ms} ms"),
            |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        )
}

/// A version as people read it: `2026-07-14T12:00:00.123Z+4 eu-west-1 #17`.
pub(crate) fn version_text(version: &ItemVersion) -> String {
    let time = HybridTime::from_u64(version.hybrid_time);
    format!(
        "{}+{} {} #{}",
        iso(time.millis()),
        time.counter(),
        version.origin,
        version.sequence
    )
}

/// A version as programs read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct VersionJson {
    /// The wall part of the version's hybrid time, as ISO 8601 in UTC with milliseconds.
    time: String,
    /// The same in milliseconds since the Unix epoch.
    time_ms: u64,
    /// The counter of the hybrid time: it orders events of one millisecond.
    counter: u16,
    /// The region that accepted the write.
    region: String,
    /// The sequence that the region gave to the write. A string, because JavaScript's numbers
    /// cannot represent it.
    sequence: String,
}

impl From<&ItemVersion> for VersionJson {
    fn from(version: &ItemVersion) -> Self {
        let time = HybridTime::from_u64(version.hybrid_time);
        Self {
            time: iso(time.millis()),
            time_ms: time.millis(),
            counter: time.counter(),
            region: version.origin.clone(),
            sequence: version.sequence.to_string(),
        }
    }
}

/// One side of a conflict as programs read it.
#[derive(Debug, Serialize)]
pub(crate) struct SideJson {
    version: VersionJson,
    /// The region that accepted the write.
    region: String,
    /// The item in DynamoDB's JSON; null for a delete.
    image: Option<Box<RawValue>>,
}

impl TryFrom<&ConflictSideReport> for SideJson {
    type Error = CommandError;

    fn try_from(side: &ConflictSideReport) -> Result<Self, CommandError> {
        let version = side
            .version
            .as_ref()
            .ok_or_else(|| incomplete("a conflict without a version"))?;
        Ok(Self {
            version: version.into(),
            region: version.origin.clone(),
            image: side.image_json.as_deref().map(raw).transpose()?,
        })
    }
}

/// One side of a conflict as people read it.
pub(crate) fn side_text(side: &ConflictSideReport) -> String {
    let version = side.version.as_ref().map_or_else(|| "?".to_owned(), version_text);
    format!(
        "{version}  {}",
        side.image_json
            .as_deref()
            .map_or_else(|| "deleted".to_owned(), shortened)
    )
}

/// The first 200 characters of an item that would fill the screen; the JSON format prints all of
/// it.
pub(crate) fn shortened(json: &str) -> String {
    const SHOWN: usize = 200;
    match json.char_indices().nth(SHOWN) {
        None => json.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &json[..end], json.len()),
    }
}

/// JSON that is passed on unchanged.
pub(crate) fn raw(json: &str) -> Result<Box<RawValue>, CommandError> {
    RawValue::from_string(json.to_owned())
        .map_err(|error| incomplete(&format!("an item that is not valid JSON ({error})")))
}

/// The JSON with whitespace and the order of attributes normalised, to compare keys that several
/// regions wrote.
pub(crate) fn canonical(json: &str) -> String {
    serde_json::from_str::<Value>(json).map_or_else(|_| json.to_owned(), |value| value.to_string())
}

/// The control service broke its protocol.
pub(crate) fn incomplete(what: &str) -> CommandError {
    CommandError::usage(format!(
        "the control service sent {what}: is it of another version of beringia?"
    ))
}

/// Numbers as ranges: `0-2, 7, 9-10`.
pub(crate) fn spans(numbers: &[usize]) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => spans.push((*number, *number)),
        }
    }
    spans
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_as_time_region_and_sequence() {
        let version = ItemVersion {
            hybrid_time: HybridTime::from_parts(1_784_030_400_123, 4).as_u64(),
            origin: "eu-west-1".into(),
            sequence: 17,
        };
        assert_eq!(version_text(&version), "2026-07-14T12:00:00.123Z+4 eu-west-1 #17");
        let json = serde_json::to_value(VersionJson::from(&version)).unwrap();
        assert_eq!(json["time"], "2026-07-14T12:00:00.123Z");
        assert_eq!(json["time_ms"], 1_784_030_400_123_u64);
        assert_eq!(json["counter"], 4);
        assert_eq!(json["sequence"], "17");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_still_shown() {
        assert_eq!(iso(HybridTime::MAX_MILLIS), format!("{} ms", HybridTime::MAX_MILLIS));
    }

    #[test]
    fn long_items_are_shortened_between_characters() {
        assert_eq!(shortened("{}"), "{}");
        let long = "ü".repeat(300);
        assert_eq!(shortened(&long), format!("{}… (600 bytes)", "ü".repeat(200)));
    }

    #[test]
    fn keys_compare_equal_in_every_spelling() {
        assert_eq!(canonical("{\"b\":1, \"a\":2}"), canonical("{\"a\":2,\"b\":1}"));
    }

    #[test]
    fn numbers_in_a_row_are_written_as_spans() {
        assert_eq!(spans(&[0, 1, 2, 7, 9, 10]), "0-2, 7, 9-10");
        assert_eq!(spans(&[]), "");
    }
}
