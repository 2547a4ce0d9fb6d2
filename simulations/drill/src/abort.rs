//! When a drill stops because applications fail: a limit of their errors over a window.

use std::{fmt, ops::Range, str::FromStr, time::Duration};

use beringia_report::TrafficSamples;

/// The window, in seconds, if none is given.
const WINDOW_S: u64 = 10;
/// The longest window, in seconds.
const WINDOW_S_MAX: u64 = 3600;
/// The fewest requests in the window of which a share counts.
const REQUESTS_MIN: u64 = 20;

/// A limit of the errors of applications, above which a drill stops. As text it is `errors=5%` or
/// `errors=100`, and with a window `errors=5%/30s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AbortWhen {
    limit: Limit,
    window_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    /// Percent of the requests.
    Share(f64),
    /// A number of requests.
    Count(u64),
}

/// A text that is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a share such as errors=5%, or a number such as errors=100, and a window such as errors=5%/30s")]
pub struct NotALimit;

impl AbortWhen {
    /// The sentence that says that the limit was passed; `None` if it was not. `missing` estimates
    /// how many requests killed regions refused in whole seconds since the load began.
    pub(crate) fn passed(
        self,
        samples: &TrafficSamples,
        missing: impl FnOnce(&Range<u64>) -> u64,
        now: Duration,
    ) -> Option<String> {
        let (errors, all) = samples.recent(now, self.window_s);
        // The counts of the last second may not be there yet.
        let until = now.as_secs().saturating_sub(1);
        let refused = missing(&(now.as_secs().saturating_sub(self.window_s)..until));
        let (errors, all) = (errors + refused, all + refused);
        let is_passed = match self.limit {
            Limit::Share(percent) => all >= REQUESTS_MIN && errors as f64 * 100.0 > percent * all as f64,
            Limit::Count(most) => errors > most,
        };
        is_passed.then(|| {
            let window_s = self.window_s;
            let estimated = if refused > 0 {
                format!(", about {refused} of them refused by killed regions")
            } else {
                String::new()
            };
            format!("{errors} of {all} requests of applications failed in {window_s} s ({self}){estimated}")
        })
    }
}

impl fmt::Display for AbortWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Limit::Share(percent) => write!(f, "errors={percent}%")?,
            Limit::Count(most) => write!(f, "errors={most}")?,
        }
        write!(f, "/{}s", self.window_s)
    }
}

impl FromStr for AbortWhen {
    type Err = NotALimit;

    fn from_str(text: &str) -> Result<Self, NotALimit> {
        let limit = text.strip_prefix("errors=").ok_or(NotALimit)?;
        let (limit, window_s) = match limit.split_once('/') {
            Some((limit, window)) => {
                let seconds = window.strip_suffix('s').ok_or(NotALimit)?;
                (limit, seconds.parse().map_err(|_| NotALimit)?)
            }
            None => (limit, WINDOW_S),
        };
        let limit = match limit.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.parse().map_err(|_| NotALimit)?;
                Some(Limit::Share(percent)).filter(|_| (0.0..100.0).contains(&percent))
            }
            None => limit.parse().ok().map(Limit::Count),
        };
        let limit = limit.ok_or(NotALimit)?;
        (1..=WINDOW_S_MAX)
            .contains(&window_s)
            .then_some(Self { limit, window_s })
            .ok_or(NotALimit)
    }
}

#[cfg(test)]
mod tests {
    use beringia_report::{RequestCounts, TrafficSample};

    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        for (text, written) in [
            ("errors=5%", "errors=5%/10s"),
            ("errors=100", "errors=100/10s"),
            ("errors=0.5%/30s", "errors=0.5%/30s"),
        ] {
            assert_eq!(text.parse::<AbortWhen>().unwrap().to_string(), written);
        }
        for text in [
            "",
            "5%",
            "errors=",
            "errors=100%",
            "errors=-1",
            "errors=5%/0s",
            "errors=5%/30",
            "latency=5%",
        ] {
            assert_eq!(text.parse::<AbortWhen>(), Err(NotALimit), "{text}");
        }
    }

    #[test]
    fn a_limit_counts_the_errors_in_its_window() {
        let mut samples = TrafficSamples::default();
        for second in 0..20 {
            let errors = if second < 5 { 9 } else { 1 };
            samples.add(TrafficSample {
                since: Duration::from_secs(second),
                until: Duration::from_secs(second + 1),
                region: "a".to_owned(),
                identity: "shop".to_owned(),
                table: "carts".to_owned(),
                requests: RequestCounts {
                    answered: 9,
                    failed: errors,
                    ..RequestCounts::default()
                },
                latencies: Vec::new(),
            });
        }
        let passed = |text: &str, second| {
            let when: AbortWhen = text.parse().unwrap();
            when.passed(&samples, |_| 0, Duration::from_secs(second))
        };
        let words = passed("errors=12%/2s", 5).unwrap();
        assert!(words.contains("failed in 2 s (errors=12%/2s)"), "{words}");
        assert_eq!(passed("errors=12%", 20), None, "10 of 100");
        assert!(passed("errors=9%", 20).is_some());
        assert!(passed("errors=9", 20).is_some() && passed("errors=10", 20).is_none());
        assert_eq!(passed("errors=1%/1s", 20), None, "too few requests for a share");
    }

    /// Nobody counted a request, since the region was down.
    #[test]
    fn refused_requests_are_errors() {
        let when: AbortWhen = "errors=20/5s".parse().unwrap();
        let passed = |each: u64| {
            let missing = |seconds: &Range<u64>| each * (seconds.end - seconds.start);
            when.passed(&TrafficSamples::default(), missing, Duration::from_millis(20_900))
        };
        assert_eq!(passed(5), None, "20 in the four seconds that were counted");
        let words = passed(6).unwrap();
        assert!(words.starts_with("24 of 24 requests"), "{words}");
        assert!(words.ends_with("about 24 of them refused by killed regions"), "{words}");
    }
}
