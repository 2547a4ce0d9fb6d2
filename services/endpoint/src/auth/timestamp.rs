//! Timestamps of signatures: `20150830T123600Z`, ISO 8601's basic format in UTC.

use jiff::{
    SignedDuration,
    civil::{DateTime, datetime},
};

const EPOCH: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);

/// Parses a timestamp to seconds since the Unix epoch; `None` for a malformed text or a time before
/// 1970.
pub(crate) fn parse_basic(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let digits = |from: usize, to: usize| -> Option<i16> {
        let part = text.get(from..to)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())
            .flatten()
    };
    let small = |from: usize| digits(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let at = DateTime::new(
        digits(0, 4)?,
        small(4)?,
        small(6)?,
        small(9)?,
        small(11)?,
        small(13)?,
        0,
    )
    .ok()?;
    u64::try_from(at.duration_since(EPOCH).as_secs()).ok()
}

/// Formats a timestamp. Seconds after the year 9999 are shown as the end of that year.
pub(crate) fn format_basic(epoch_seconds: u64) -> String {
    const END_OF_9999: i64 = 253_402_300_799;
    let seconds = i64::try_from(epoch_seconds).unwrap_or(END_OF_9999).min(END_OF_9999);
    EPOCH
        .saturating_add(SignedDuration::from_secs(seconds))
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_instant_of_the_published_examples_is_read() {
        assert_eq!(parse_basic("20150830T123600Z"), Some(1_440_938_160));
        assert_eq!(format_basic(1_440_938_160), "20150830T123600Z");
    }

    #[test]
    fn malformed_timestamps_are_rejected() {
        for text in [
            "",
            "201",
            "20150830T123600",
            "2015-08-30T12:36:00Z",
            "20151330T123600Z",
            "20150230T000000Z",
            "20150830T250000Z",
            "2015083+T123600Z",
            "20150830T1236é0",
        ] {
            assert_eq!(parse_basic(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_until_the_year_9999_survives_a_round_trip(seconds in 0_u64..253_402_300_799) {
            prop_assert_eq!(parse_basic(&format_basic(seconds)), Some(seconds));
        }
    }
}
