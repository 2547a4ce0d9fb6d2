//! Parses quantities in arguments.

use std::time::Duration;

/// The form that an argument should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub(crate) struct Expected(pub(crate) &'static str);

/// A duration of 0 to 31536000 seconds (a year), fractions allowed.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, Expected> {
    let value: f64 = text.parse().map_err(|_| Expected("a number of seconds"))?;
    if (0.0..=31_536_000.0).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err(Expected("0 to 31536000 seconds"))
    }
}

/// An age such as `7d`, `12h` or `1h 30m`, at most ten years. Days have 24 hours.
pub(crate) fn parse_age(text: &str) -> Result<Duration, Expected> {
    const EXPECTED: Expected = Expected("an age of at most ten years, such as 7d, 12h or 0s");
    let span: jiff::Span = text.parse().map_err(|_| EXPECTED)?;
    let age = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
    let age = age.ok().and_then(|age| Duration::try_from(age).ok());
    age.filter(|age| *age <= AGE_MAX).ok_or(EXPECTED)
}

/// The greatest age that an argument may name.
const AGE_MAX: Duration = Duration::from_hours(3650 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_seconds() {
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        assert!(parse_seconds("soon").is_err());
    }

    #[test]
    fn parses_ages() {
        assert_eq!(parse_age("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(parse_age("1w 1h 30m"), Ok(Duration::from_mins(7 * 24 * 60 + 90)));
        assert_eq!(parse_age("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_age("3650d"), Ok(AGE_MAX));
        for wrong in ["7", "soon", "-1d", "3651d", "1 month", ""] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }
}
