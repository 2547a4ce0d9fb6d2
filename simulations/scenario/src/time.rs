//! Lengths of time as people write them: `250ms`, `1.5s`, `2m`, and `30s..45s` for a length that is
//! drawn.

use std::time::Duration;

use crate::Span;

/// Units with their microseconds, the longest first.
const UNITS: [(&str, u64); 5] = [
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Parses a length, to the microsecond; `None` if the text is not a length.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|character: char| character.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, unit_us) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let parts = fraction.parse::<u64>().ok()?.checked_mul(unit_us)?;
    if parts % scale != 0 {
        return None;
    }
    let whole_us = whole.parse::<u64>().ok()?.checked_mul(unit_us)?;
    whole_us.checked_add(parts / scale).map(Duration::from_micros)
}

/// Parses a length that may be negative, in milliseconds; `None` if the text is not a length, or
/// has a fraction of a millisecond.
pub(crate) fn parse_signed_ms(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let length = parse(text)?;
    let whole = length.subsec_nanos().is_multiple_of(1_000_000);
    let ms = i64::try_from(length.as_millis()).ok()?;
    whole.then_some(sign * ms)
}

/// Parses a fixed length, or two with `..` between them, the lesser first.
pub(crate) fn parse_span(text: &str) -> Option<Span> {
    let (least, most) = match text.split_once("..") {
        Some((least, most)) => (parse(least.trim())?, parse(most.trim())?),
        None => (parse(text)?, parse(text)?),
    };
    (least <= most).then_some(Span { least, most })
}

/// The shortest text for this length, without a fraction if it is whole milliseconds.
pub(crate) fn show(length: Duration) -> String {
    let us = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    let fits = |(_, unit_us): &&(&str, u64)| us.is_multiple_of(*unit_us) && us > 0;
    match UNITS.iter().find(fits) {
        Some(("us", _)) if us > 1_000 => {
            let fraction = format!("{:03}", us % 1_000);
            format!("{}.{}ms", us / 1_000, fraction.trim_end_matches('0'))
        }
        Some((unit, unit_us)) => format!("{}{unit}", us / unit_us),
        None => "0s".to_owned(),
    }
}

/// Like [`show`], for milliseconds that may be negative.
pub(crate) fn show_signed_ms(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}", show(Duration::from_millis(ms.unsigned_abs())))
}

/// Like [`show`], for a length that may be drawn.
pub(crate) fn show_span(span: Span) -> String {
    if span.least == span.most {
        return show(span.least);
    }
    format!("{}..{}", show(span.least), show(span.most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_with_a_unit() {
        let read = [
            ("250ms", Some(250_000)),
            ("1.5s", Some(1_500_000)),
            ("2m", Some(120_000_000)),
            ("1h", Some(3_600_000_000)),
            ("30 s", Some(30_000_000)),
            ("0.4ms", Some(400)),
            ("7us", Some(7)),
            ("0s", Some(0)),
            ("30", None),
            ("s", None),
            ("-3s", None),
            ("0.5us", None),
            (".5s", None),
            ("1e3s", None),
            ("5 minutes", None),
            ("99999999999h", None),
        ];
        for (text, us) in read {
            assert_eq!(parse(text), us.map(Duration::from_micros), "{text}");
        }
    }

    #[test]
    fn a_clock_may_be_behind() {
        let read = [
            ("-3s", Some(-3_000)),
            ("+80ms", Some(80)),
            ("80ms", Some(80)),
            ("0.5ms", None),
            ("--3s", None),
        ];
        for (text, ms) in read {
            assert_eq!(parse_signed_ms(text), ms, "{text}");
        }
        assert_eq!(show_signed_ms(-3_000), "-3s");
    }

    #[test]
    fn a_span_starts_with_its_lesser_end() {
        let span = |least, most| {
            let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
            Some(Span { least, most })
        };
        assert_eq!(parse_span("30s..45s"), span(30, 45));
        assert_eq!(parse_span("30s .. 1m"), span(30, 60));
        assert_eq!(parse_span("30s"), span(30, 30));
        assert_eq!(parse_span("45s..30s"), None);
        assert_eq!(parse_span("45s.."), None);
    }

    #[test]
    fn lengths_are_read_as_they_were_written() {
        for (us, text) in [
            (0, "0s"),
            (1, "1us"),
            (73_200, "73.2ms"),
            (101_005, "101.005ms"),
            (1_500_000, "1500ms"),
            (90_000_000, "90s"),
            (120_000_000, "2m"),
        ] {
            let length = Duration::from_micros(us);
            assert_eq!(show(length), text);
            assert_eq!(parse(text), Some(length));
        }
    }
}
