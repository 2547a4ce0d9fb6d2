//! Replication lag over the last minutes: the time from the commit of a write at its origin to its
//! commit here.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use beringia_item::Region;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{Arrival, LagQuantiles};

/// The longest lag that the histograms distinguish, milliseconds: one day.
const LAG_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Significant digits of the histograms; with two, a histogram takes ten kilobytes.
const DIGITS: u8 = 2;
/// The step by which the window moves.
const STEP: Duration = Duration::from_secs(30);
/// The number of steps in the window, including the current one. Arrivals older than five minutes
/// are out, and those younger than four and a half minutes are in.
const STEPS: u64 = 10;

/// The lag of each origin's writes that arrived in the window. The window follows this process's
/// monotonic time, so that clocks that are set do not affect it.
#[derive(Debug)]
pub(crate) struct Lag {
    since: Instant,
    /// In ascending order of steps, at most [`STEPS`].
    steps: Mutex<VecDeque<Step>>,
}

/// The arrivals of one step of the window.
#[derive(Debug)]
struct Step {
    number: u64,
    by_origin: ByOrigin,
}

type ByOrigin = BTreeMap<Region, Histogram<u32>>;

impl Lag {
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            steps: Mutex::default(),
        }
    }

    /// Records writes that became durable here.
    pub(crate) fn record(&self, arrivals: &[Arrival]) {
        let mut steps = self.steps.lock();
        let number = self.drop_before(&mut steps);
        if steps.back().is_none_or(|last| last.number < number) {
            let by_origin = ByOrigin::new();
            steps.push_back(Step { number, by_origin });
        }
        debug_assert!(steps.len() as u64 <= STEPS, "only one window is kept");
        let Some(step) = steps.back_mut() else { return };
        for arrival in arrivals {
            if let Some(histogram) = of(&mut step.by_origin, arrival.origin().region()) {
                histogram.saturating_record(arrival.lag_ms());
            }
        }
    }

    /// The quantiles of each origin of which a write arrived in the window.
    pub(crate) fn quantiles(&self) -> BTreeMap<Region, LagQuantiles> {
        let mut steps = self.steps.lock();
        self.drop_before(&mut steps);
        let mut all = ByOrigin::new();
        for (origin, histogram) in steps.iter().flat_map(|step| &step.by_origin) {
            if let Some(sum) = of(&mut all, origin) {
                // Histograms with equal bounds always add up.
                let _ = sum.add(histogram);
            }
        }
        all.iter()
            .map(|(origin, histogram)| (origin.clone(), quantiles(histogram)))
            .collect()
    }

    /// Drops steps that have left the window. Returns the number of the current step.
    fn drop_before(&self, steps: &mut VecDeque<Step>) -> u64 {
        let number = self.since.elapsed().as_secs() / STEP.as_secs();
        debug_assert!(
            steps.back().is_none_or(|last| last.number <= number),
            "no step is in the future"
        );
        while steps.front().is_some_and(|first| first.number + STEPS <= number) {
            steps.pop_front();
        }
        number
    }
}

fn of<'h>(by_origin: &'h mut ByOrigin, origin: &Region) -> Option<&'h mut Histogram<u32>> {
    if !by_origin.contains_key(origin) {
        let histogram = Histogram::new_with_bounds(1, LAG_MS_MAX, DIGITS).ok()?;
        by_origin.insert(origin.clone(), histogram);
    }
    by_origin.get_mut(origin)
}

fn quantiles(histogram: &Histogram<u32>) -> LagQuantiles {
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

#[cfg(test)]
mod tests {
    use beringia_clock::HybridTime;
    use beringia_item::{Origin, TableId, Version};
    use tokio::time::advance;

    use super::*;
    use crate::Way;

    fn arrival(origin: &Region, lag_ms: u64) -> Arrival {
        let version = Version {
            time: HybridTime::from_parts(1000, 0),
            origin: Origin::of_only_shard(origin),
            sequence: 1,
        };
        Arrival {
            table: TableId(7),
            version,
            way: Way::Stream,
            applied_ms: 1000 + lag_ms,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn arrivals_older_than_five_minutes_are_not_counted() {
        let lag = Lag::new();
        let (us, ap) = (Region::new("us").unwrap(), Region::new("ap").unwrap());
        let greatest = |lag: &Lag, origin| lag.quantiles().get(origin).map(|lag| (lag.count, lag.max));
        // The lag after a long cut.
        lag.record(&[arrival(&us, 100), arrival(&us, 100), arrival(&ap, 60)]);
        advance(Duration::from_secs(100)).await;
        lag.record(&[arrival(&us, 20)]);
        assert_eq!(greatest(&lag, &us), Some((3, 100)));
        advance(Duration::from_secs(170)).await;
        assert_eq!(greatest(&lag, &us), Some((3, 100)), "four minutes and a half");
        advance(Duration::from_secs(30)).await;
        assert_eq!(greatest(&lag, &us), Some((1, 20)), "five minutes");
        assert_eq!(greatest(&lag, &ap), None);
        lag.record(&[arrival(&us, 30)]);
        assert_eq!(greatest(&lag, &us), Some((2, 30)));
        advance(Duration::from_secs(24 * 3600)).await;
        assert_eq!(lag.quantiles(), BTreeMap::new());
        lag.record(&[arrival(&ap, 40)]);
        assert_eq!(greatest(&lag, &ap), Some((1, 40)));
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_no_more_than_one_window() {
        let lag = Lag::new();
        let us = Region::new("us").unwrap();
        for _ in 0..1000 {
            lag.record(&[arrival(&us, 20)]);
            advance(Duration::from_secs(7)).await;
        }
        let kept = lag.steps.lock().len();
        assert_eq!(u64::try_from(kept).unwrap(), STEPS);
    }
}
