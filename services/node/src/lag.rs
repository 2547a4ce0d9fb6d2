//! How long writes take from their origin's commit to the commit here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use beringia_item::Region;
use hdrhistogram::Histogram;

use crate::{Arrival, LagQuantiles};

/// The longest lag that is told apart, milliseconds: a day.
const LAG_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Significant digits of the histograms; with two, one takes a few kilobytes.
const DIGITS: u8 = 2;

/// The lag of each origin's writes, since the start.
#[derive(Debug, Default)]
pub(crate) struct Lag(Mutex<BTreeMap<Region, Histogram<u64>>>);

impl Lag {
    /// Writes that became durable here.
    pub(crate) fn record(&self, arrivals: &[Arrival]) {
        let mut histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for arrival in arrivals {
            let lag_ms = arrival.lag_ms();
            let origin = arrival.origin();
            if !histograms.contains_key(origin) {
                let Ok(histogram) = Histogram::new_with_bounds(1, LAG_MS_MAX, DIGITS) else {
                    return;
                };
                histograms.insert(origin.clone(), histogram);
            }
            if let Some(histogram) = histograms.get_mut(origin) {
                histogram.saturating_record(lag_ms);
            }
        }
    }

    pub(crate) fn quantiles(&self) -> BTreeMap<Region, LagQuantiles> {
        let histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        histograms
            .iter()
            .map(|(origin, histogram)| (origin.clone(), quantiles(histogram)))
            .collect()
    }
}

fn quantiles(histogram: &Histogram<u64>) -> LagQuantiles {
    LagQuantiles {
        count: histogram.len(),
        min: histogram.min(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p95: histogram.value_at_quantile(0.95),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    }
}
