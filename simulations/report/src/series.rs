//! The samples of regions and pairs, from which a recorder makes the series of a run.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    BacklogSample, FailureCounts, LagPoint, Pair, RegionSecond, Samples,
    quantiles::{exact, millis},
    recorder::whole_millis,
};

/// The operations due in a region in one second.
#[derive(Debug, Default)]
pub(crate) struct Second {
    pub(crate) due: u64,
    pub(crate) within: u64,
    pub(crate) rejected: u64,
    pub(crate) causes: FailureCounts,
    /// The latencies of answered operations, in microseconds.
    pub(crate) latencies_us: Vec<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct PairSamples {
    pub(crate) lag: Samples,
    pub(crate) excess: Samples,
    /// The lags by the second of the commit, in microseconds.
    pub(crate) by_second: BTreeMap<u64, Vec<u32>>,
    pub(crate) backlog: Vec<BacklogSample>,
    pub(crate) wire_bytes: u64,
    pub(crate) missing: u64,
    /// When the oldest missing mutation was committed.
    pub(crate) missing_since: Option<Duration>,
}

impl Second {
    pub(crate) fn point(mut self, region: String, called: String, second: u64) -> RegionSecond {
        self.latencies_us.sort_unstable();
        let at = |quantile| (!self.latencies_us.is_empty()).then(|| millis(exact(&self.latencies_us, quantile).into()));
        RegionSecond {
            region,
            called,
            second,
            due: self.due,
            answered: self.latencies_us.len() as u64,
            within: self.within,
            rejected: self.rejected,
            failed: self.causes.total(),
            causes: self.causes,
            latency_ms_p50: at(0.5),
            latency_ms_p99: at(0.99),
        }
    }
}

impl PairSamples {
    /// `total` is the time until the end of the run.
    fn pair(self, from: String, to: String, total: Duration) -> Pair {
        let lag_ms = self.lag.quantiles_ms();
        let point = |(second, mut lags): (u64, Vec<u32>)| {
            lags.sort_unstable();
            let at = |quantile| millis(exact(&lags, quantile).into());
            LagPoint {
                second,
                p50_ms: at(0.5),
                p99_ms: at(0.99),
                max_ms: at(1.0),
            }
        };
        Pair {
            from,
            to,
            mutations: lag_ms.count,
            lag_ms,
            excess_ms: self.excess.quantiles_ms(),
            lag: self.by_second.into_iter().map(point).collect(),
            backlog: self.backlog,
            wire_bytes: self.wire_bytes,
            due: 0,
            missing: self.missing,
            missing_ms: self
                .missing_since
                .map_or(0, |since| whole_millis(total.saturating_sub(since))),
        }
    }
}

/// Every ordered pair of regions, also those without traffic.
pub(crate) fn pairs(
    regions: &[String],
    mut samples: BTreeMap<(usize, usize), PairSamples>,
    total: Duration,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (from, from_name) in regions.iter().enumerate() {
        for (to, to_name) in regions.iter().enumerate().filter(|(to, _)| *to != from) {
            let samples = samples.remove(&(from, to)).unwrap_or_default();
            pairs.push(samples.pair(from_name.clone(), to_name.clone(), total));
        }
    }
    pairs
}

/// Microseconds as a `u32`, which saturates after 71 minutes.
pub(crate) fn short_micros(length: Duration) -> u32 {
    u32::try_from(length.as_micros()).unwrap_or(u32::MAX)
}
