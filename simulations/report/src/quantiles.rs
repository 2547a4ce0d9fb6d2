//! Quantiles of many durations.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::Quantiles;

/// The significant digits of the histogram: its quantiles are wrong by at most a thousandth.
const DIGITS: u8 = 3;

/// Durations, reduced to their quantiles. Memory does not grow with their number.
#[derive(Debug, Clone)]
pub struct Samples {
    /// In microseconds; its memory grows with the greatest value.
    histogram: Option<Histogram<u64>>,
    least_us: u64,
    greatest_us: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            // Fails only for more than 5 digits; without a histogram the quantiles fall back on
            // least and greatest.
            histogram: Histogram::new(DIGITS).ok(),
            least_us: u64::MAX,
            greatest_us: 0,
        }
    }
}

impl Samples {
    /// Adds a duration, with a precision of a microsecond.
    pub fn add(&mut self, length: Duration) {
        let us = micros(length);
        self.least_us = self.least_us.min(us);
        self.greatest_us = self.greatest_us.max(us);
        if let Some(histogram) = &mut self.histogram
            && histogram.record(us).is_err()
        {
            histogram.saturating_record(us);
        }
    }

    /// The number of durations that were added.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The quantiles in milliseconds: least, greatest and count are exact, the others within a
    /// thousandth. All are 0 without samples.
    #[must_use]
    pub fn quantiles_ms(&self) -> Quantiles {
        let Some(histogram) = self.histogram.as_ref().filter(|histogram| !histogram.is_empty()) else {
            return Quantiles::default();
        };
        let at = |quantile| {
            let us = histogram.value_at_quantile(quantile);
            millis(us.clamp(self.least_us, self.greatest_us))
        };
        Quantiles {
            count: histogram.len(),
            min: millis(self.least_us),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(self.greatest_us),
        }
    }
}

/// The exact quantile of a few samples: the least one that is not exceeded by this share of all. 0
/// without samples.
pub(crate) fn exact(sorted: &[u32], quantile: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length is not negative, and not greater than it"
    )]
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// A duration in whole microseconds; saturates.
pub(crate) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds as milliseconds with three decimals, which survive JSON unchanged.
pub(crate) fn millis(us: u64) -> f64 {
    us as f64 / 1000.0
}
