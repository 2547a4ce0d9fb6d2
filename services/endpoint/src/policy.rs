//! How the endpoint for all regions follows a move of clients: not at all, as they follow records
//! in DNS, or by health checks.

use std::{fmt, str::FromStr, time::Duration};

/// The time to live of a record, if none is given.
const TTL: Duration = Duration::from_secs(5);
/// The consecutive health checks that change a region's health, and their interval, if none are
/// given: those of Amazon Route 53 (developer guide, "Values that you specify when you create or
/// update health checks").
const THRESHOLD: u32 = 3;
const INTERVAL: Duration = Duration::from_secs(10);
/// The longest time to live, and the longest interval of health checks.
const LONGEST: Duration = Duration::from_hours(1);
/// The shortest interval of health checks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// The greatest threshold of health checks, as in Route 53.
const THRESHOLD_MAX: u32 = 10;

/// How the endpoint for all regions follows a move of a region's clients. As text it is `none`,
/// `dns=5s` or `health-check=3x10s`; times have the unit `ms`, `s` or `m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShiftPolicy {
    /// Applications stay where they are.
    None,
    /// Applications follow a move once the records that they have cached are too old.
    Dns {
        /// How long the records are valid, at most an hour.
        ttl: Duration,
    },
    /// The endpoint checks the health of every region, and answers for those that fail with
    /// others.
    HealthCheck {
        /// How many checks in a row must fail, or pass again, before a region's health changes; 1
        /// to 10.
        threshold: u32,
        /// The time between two checks of a region, 100 ms to an hour.
        interval: Duration,
    },
}

impl Default for ShiftPolicy {
    /// DNS with a time to live of 5 seconds.
    fn default() -> Self {
        Self::Dns { ttl: TTL }
    }
}

/// A text that is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected none, dns, dns=TTL with a time up to 1h such as dns=60s, health-check, or \
     health-check=NxINTERVAL with 1 to 10 checks every 100ms to 1h such as health-check=3x10s"
)]
pub struct NotAPolicy;

impl fmt::Display for ShiftPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Dns { ttl } => write!(f, "dns={}", Time(*ttl)),
            Self::HealthCheck { threshold, interval } => write!(f, "health-check={threshold}x{}", Time(*interval)),
        }
    }
}

impl FromStr for ShiftPolicy {
    type Err = NotAPolicy;

    fn from_str(text: &str) -> Result<Self, NotAPolicy> {
        match text.split_once('=') {
            None if text == "none" => Ok(Self::None),
            None if text == "dns" => Ok(Self::default()),
            None if text == "health-check" => Ok(Self::HealthCheck {
                threshold: THRESHOLD,
                interval: INTERVAL,
            }),
            Some(("dns", ttl)) => Ok(Self::Dns { ttl: time(ttl)? }),
            Some(("health-check", checks)) => {
                let (threshold, interval) = match checks.split_once('x') {
                    Some((number, interval)) => (number.trim().parse().map_err(|_| NotAPolicy)?, interval.trim()),
                    None => (THRESHOLD, checks),
                };
                let interval = time(interval)?;
                if (1..=THRESHOLD_MAX).contains(&threshold) && interval >= INTERVAL_MIN {
                    Ok(Self::HealthCheck { threshold, interval })
                } else {
                    Err(NotAPolicy)
                }
            }
            _ => Err(NotAPolicy),
        }
    }
}

/// A time of at most an hour with its unit; `0` needs none.
fn time(text: &str) -> Result<Duration, NotAPolicy> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| NotAPolicy)?;
    let ms = match (number, unit) {
        (_, "ms") | (0, "") => Some(number),
        (_, "s") => number.checked_mul(1000),
        (_, "m") => number.checked_mul(60_000),
        (_, "h") => number.checked_mul(3_600_000),
        _ => None,
    };
    ms.map(Duration::from_millis)
        .filter(|time| *time <= LONGEST)
        .ok_or(NotAPolicy)
}

/// A time as [`time`] reads it.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if ms.is_multiple_of(1000) {
            write!(f, "{}s", ms / 1000)
        } else {
            write!(f, "{ms}ms")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_shown() {
        for (text, shown) in [
            ("none", "none"),
            ("dns", "dns=5s"),
            ("dns=0", "dns=0s"),
            ("dns=1h", "dns=3600s"),
            ("dns=250ms", "dns=250ms"),
            ("health-check", "health-check=3x10s"),
            ("health-check=1m", "health-check=3x60s"),
            ("health-check=2 x 500ms", "health-check=2x500ms"),
        ] {
            let policy: ShiftPolicy = text.parse().unwrap();
            assert_eq!(policy.to_string(), shown);
            assert_eq!(shown.parse(), Ok(policy));
        }
        assert_eq!("dns".parse(), Ok(ShiftPolicy::default()));
    }

    #[test]
    fn other_texts_are_no_policies() {
        for text in [
            "",
            "dns=",
            "dns=5",
            "dns=-5s",
            "dns=2h",
            "none=1s",
            "health-check=0x10s",
            "health-check=11x10s",
            "health-check=3x10",
            "health-check=3x10ms",
            "health-check=x",
            "anycast",
        ] {
            assert_eq!(text.parse::<ShiftPolicy>(), Err(NotAPolicy), "{text}");
        }
    }
}
