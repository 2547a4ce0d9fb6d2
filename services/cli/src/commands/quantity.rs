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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_seconds() {
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        assert!(parse_seconds("soon").is_err());
    }
}
