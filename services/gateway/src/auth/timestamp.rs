//! The instants that signatures carry: `20150830T123600Z`, ISO 8601's basic format in UTC.

use time::{Date, Month, OffsetDateTime, Time};

/// Seconds since the Unix epoch of an instant in basic format; `None` where the text is none, or before 1970.
pub(crate) fn parse_basic(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let digits = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())
            .flatten()
    };
    let small = |from: usize| digits(from, from + 2).and_then(|n| u8::try_from(n).ok());
    let month = Month::try_from(small(4)?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(digits(0, 4)?).ok()?, month, small(6)?).ok()?;
    let time = Time::from_hms(small(9)?, small(11)?, small(13)?).ok()?;
    u64::try_from(date.with_time(time).assume_utc().unix_timestamp()).ok()
}

/// The instant in basic format. Seconds beyond the year 9999 show as that year's end.
pub(crate) fn format_basic(epoch_seconds: u64) -> String {
    const END_OF_9999: i64 = 253_402_300_799;
    let seconds = i64::try_from(epoch_seconds).unwrap_or(END_OF_9999).min(END_OF_9999);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
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
    fn what_is_no_instant_is_refused() {
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
