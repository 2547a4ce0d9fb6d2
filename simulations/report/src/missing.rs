//! The requests of applications that no region counted, estimated from their usual rates.

use std::ops::Range;

use crate::{ApplicationTraffic, FaultKind, Recorder, Run, TrafficSamples};

/// The fewest whole seconds before the first event from which a usual rate is known.
const USUAL_SECONDS_MIN: u64 = 2;
/// The least usual rate, requests per second, that is compared with the rate during faults.
const USUAL_RATE_MIN: f64 = 1.0;
/// An application that makes less than this share of its usual requests is kept from making them.
const USUAL_SHARE: f64 = 0.5;
/// Of an application that makes this share of its usual requests in all regions, none are missing:
/// its rate varies by itself, and other regions have what it made of a region that is down.
const ALL_SHARE: f64 = 0.9;

impl Recorder {
    /// An estimate, until now, of the requests of applications in these whole seconds since the
    /// load began that no region counted, because the regions that they were for were down and
    /// refused them. Applications whose usual rate is not known do not count.
    #[must_use]
    pub fn missing_requests(&self, samples: &TrafficSamples, seconds: &Range<u64>) -> u64 {
        let traffic = samples.traffic(f64::INFINITY, u64::MAX);
        let of_each = traffic
            .iter()
            .filter_map(|one| missing(&self.run, &traffic, one, seconds.clone()));
        of_each.flatten().map(|(_, requests)| requests).sum()
    }
}

/// Adds to the traffic, in each second of the load, the requests that nobody counted. The run must
/// have its faults.
pub(crate) fn estimate(run: &Run, traffic: &mut [ApplicationTraffic]) {
    let load = 0..run.load_ms / 1000;
    let estimates: Vec<Option<Vec<(u64, u64)>>> = traffic
        .iter()
        .map(|one| missing(run, traffic, one, load.clone()))
        .collect();
    for (one, estimate) in traffic.iter_mut().zip(estimates) {
        one.missing = estimate
            .as_ref()
            .map(|of_seconds| of_seconds.iter().map(|(_, requests)| requests).sum());
        for (second, requests) in estimate.into_iter().flatten() {
            one.at_mut(second).missing = requests;
        }
    }
}

/// When the first event of the timeline began, in whole seconds; the end of the load if there is
/// none. Drains, pauses and moves count: they can keep applications from being served, too.
fn first_event(run: &Run) -> u64 {
    let begins = run.faults.iter().map(|fault| fault.from_ms);
    begins.min().unwrap_or(run.load_ms) / 1000
}

/// Whether a region was down during some of a second.
fn is_down(run: &Run, region: &str, second: u64) -> bool {
    run.faults.iter().any(|fault| {
        let until_ms = fault.until_ms.unwrap_or(run.total_ms);
        fault.kind == FaultKind::Region
            && fault.regions.iter().any(|name| name == region)
            && fault.from_ms < (second + 1) * 1000
            && second * 1000 < until_ms
    })
}

/// The requests of these applications per second before the first event; `None` if that is too
/// short or they made too few.
fn usual_rate<'t>(run: &Run, traffic: impl Iterator<Item = &'t ApplicationTraffic>) -> Option<f64> {
    // The first second has the drill's own beginning.
    let (from, until) = (1, first_event(run));
    let seconds = until.saturating_sub(from);
    if seconds < USUAL_SECONDS_MIN {
        return None;
    }
    let before = traffic
        .flat_map(|one| &one.seconds)
        .filter(|one| (from..until).contains(&one.second));
    let requests: u64 = before.map(|second| second.requests.all()).sum();
    Some(requests as f64 / seconds as f64).filter(|rate| *rate >= USUAL_RATE_MIN)
}

/// An estimate of the requests of an application to a region that nobody counted, by second, for
/// those of these seconds that have any; `None` if the application's usual rate is not known.
///
/// Requests are missing while a region is down that the application usually calls: as many as it
/// makes fewer there, and in all, if it makes less than nine tenths of its usual requests in all
/// regions. They are also missing, from the first event on, while it makes
/// less than half of its usual requests in all regions: it waits for answers, or connects in vain.
/// These count in the region that it called last.
fn missing(
    run: &Run,
    all: &[ApplicationTraffic],
    one: &ApplicationTraffic,
    seconds: Range<u64>,
) -> Option<Vec<(u64, u64)>> {
    let everywhere = || all.iter().filter(|other| other.identity == one.identity);
    let here = usual_rate(run, std::iter::once(one)).unwrap_or(0.0);
    let usual = usual_rate(run, everywhere())?;
    let made = |of: &ApplicationTraffic, second| of.at(second).requests.all() as f64;
    let first_event = first_event(run);
    let used = everywhere().filter(|other| usual_rate(run, std::iter::once(*other)).is_some());
    let used: Vec<&str> = used.map(|other| other.region.as_str()).collect();
    let (mut sum, mut counted) = (0.0, 0);
    let mut estimate = Vec::new();
    for second in seconds {
        let in_all: f64 = everywhere().map(|other| made(other, second)).sum();
        let is_all = in_all >= usual * ALL_SHARE;
        let fewer = if is_all { 0.0 } else { usual - in_all };
        if used.iter().any(|region| is_down(run, region, second)) {
            let is_here = is_down(run, &one.region, second);
            sum += if is_here {
                (here - made(one, second)).clamp(0.0, fewer)
            } else {
                0.0
            };
        } else if second >= first_event && in_all < usual * USUAL_SHARE {
            let last = everywhere().max_by_key(|other| other.last_until(second));
            sum += if last.is_some_and(|last| last.region == one.region) {
                fewer
            } else {
                0.0
            };
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of positive numbers of requests"
        )]
        let until_now = sum.round() as u64;
        if until_now > counted {
            estimate.push((second, until_now - counted));
        }
        counted = until_now;
    }
    Some(estimate)
}
