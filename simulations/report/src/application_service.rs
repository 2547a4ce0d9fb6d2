//! How applications were served: what they usually do, what is missing of it, their outages, and
//! the verdicts about them.

use std::{collections::BTreeSet, ops::Range};

use beringia_scenario::Expectations;
use serde::{Deserialize, Serialize};

use crate::{
    ApplicationTraffic, FaultKind, RequestCounts, Run, TrafficSamples, Verdict,
    allowance::{allowed, bound_in_words, least_percent},
    application::name_of,
    format::{count, duration_ms, percent},
};

/// The fewest whole seconds before the first event from which a usual rate is known.
const USUAL_SECONDS_MIN: u64 = 2;
/// The least usual rate, requests per second, that is compared with the rate during faults.
const USUAL_RATE_MIN: f64 = 1.0;
/// The share of its usual rate that an application has to be answered at to count as served.
const SERVED_SHARE: f64 = 0.5;
/// The resolution of the counts, milliseconds: a time that is bounded may be this much longer.
const RESOLUTION_MS: u64 = 1_000;

/// A time in which an application was answered at less than half its usual rate, in all regions
/// together. Times are in milliseconds since the load began, and whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationOutage {
    /// The application's access key id; empty for requests without one.
    pub identity: String,
    /// The region that served the fewest of the requests that the application usually makes there.
    pub region: String,
    /// The first second in which it was not served.
    pub from_ms: u64,
    /// The end of the last such second; `None`: it was not served until the load ended.
    pub until_ms: Option<u64>,
    /// Why most of its requests were not served: `throttled`, `failed`, `abandoned`,
    /// `undelivered` (as in [`RequestCounts`]), or `missing` for requests that nobody counted.
    pub cause: String,
}

impl ApplicationOutage {
    /// How long it lasted, in milliseconds, at most to the end of the load.
    #[must_use]
    pub fn length_ms(&self, run: &Run) -> u64 {
        self.until_ms.unwrap_or(run.load_ms).saturating_sub(self.from_ms)
    }
}

impl Run {
    /// Adds the traffic of applications, with an estimate of what is missing, and their outages.
    /// The run must have its faults.
    pub fn used_by_applications(&mut self, samples: TrafficSamples) {
        self.rerouted = samples.rerouted_requests();
        let mut traffic = samples.traffic();
        let missing: Vec<Option<u64>> = traffic.iter().map(|one| missing(self, &traffic, one)).collect();
        for (one, missing) in traffic.iter_mut().zip(missing) {
            one.missing = missing;
        }
        self.applications = traffic;
        let outages = identities(self)
            .into_iter()
            .filter_map(|identity| outages(self, identity));
        self.application_outages = outages.flatten().collect();
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

fn missing(run: &Run, all: &[ApplicationTraffic], one: &ApplicationTraffic) -> Option<u64> {
    let everywhere = || all.iter().filter(|other| other.identity == one.identity);
    let here = usual_rate(run, std::iter::once(one));
    let usual = usual_rate(run, everywhere())?;
    let made = |requests: RequestCounts| requests.all() as f64;
    // Requests that could not be delivered have no identity: any application may have made them.
    let undelivered = all
        .iter()
        .filter(|other| other.identity.is_empty() && other.region == one.region);
    let undelivered = undelivered.filter(|other| other.identity != one.identity);
    let mut missing = 0.0;
    for second in (0..run.load_ms / 1000).filter(|second| is_down(run, &one.region, *second)) {
        let undelivered: u64 = undelivered.clone().map(|other| other.at(second).errors()).sum();
        let everywhere: f64 = everywhere().map(|other| made(other.at(second))).sum();
        let fewer_here = here.unwrap_or(0.0) - made(one.at(second));
        missing += (fewer_here.min(usual - everywhere) - undelivered as f64).max(0.0);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of positive numbers of requests"
    )]
    let missing = missing.round() as u64;
    Some(missing)
}

/// The outages of the application with this access key id after the first event; `None` if its
/// usual rate is not known.
fn outages(run: &Run, identity: &str) -> Option<Vec<ApplicationOutage>> {
    let everywhere = || run.applications.iter().filter(|one| one.identity == identity);
    let usual = usual_rate(run, everywhere())?;
    let (from, until) = (first_event(run), run.load_ms / 1000);
    let is_out = |second: &u64| {
        let served: u64 = everywhere().map(|one| one.at(*second).served()).sum();
        (served as f64) < usual * SERVED_SHARE
    };
    let mut spans: Vec<Range<u64>> = Vec::new();
    for second in (from..until).filter(is_out) {
        match spans.last_mut() {
            Some(last) if last.end == second => last.end += 1,
            _ => spans.push(second..second + 1),
        }
    }
    let outage = |span: Range<u64>| ApplicationOutage {
        identity: identity.to_owned(),
        region: worst_region(run, identity, &span),
        from_ms: span.start * 1000,
        until_ms: (span.end < until).then_some(span.end * 1000),
        cause: cause(run, identity, usual, &span).to_owned(),
    };
    Some(spans.into_iter().map(outage).collect())
}

/// The region that served the fewest of the requests that an application usually makes there.
fn worst_region(run: &Run, identity: &str, span: &Range<u64>) -> String {
    let applications = run.applications.iter().filter(|one| one.identity == identity);
    let fewer = applications.map(|one| {
        let usual = usual_rate(run, std::iter::once(one)).unwrap_or(0.0);
        let served: u64 = span.clone().map(|second| one.at(second).served()).sum();
        (usual * (span.end - span.start) as f64 - served as f64, &one.region)
    });
    let worst = fewer.max_by(|one, other| one.0.total_cmp(&other.0));
    worst.map(|(_, region)| region.clone()).unwrap_or_default()
}

/// Why most requests of an application were not served in these seconds: the name of an outcome, or
/// `missing` for requests that nobody counted.
fn cause(run: &Run, identity: &str, usual: f64, span: &Range<u64>) -> &'static str {
    let of = |identity: &str| {
        let mut all = RequestCounts::default();
        for one in run.applications.iter().filter(|one| one.identity == identity) {
            span.clone().for_each(|second| all.add(&one.at(second)));
        }
        all
    };
    let own = of(identity);
    let fewer = (usual * (span.end - span.start) as f64 - own.all() as f64).max(0.0);
    // Requests that could not be delivered have no identity: any application may have made them.
    let undelivered = if identity.is_empty() {
        0.0
    } else {
        fewer.min(of("").undelivered as f64)
    };
    let causes = [
        ("throttled", own.throttled as f64),
        ("failed", own.failed as f64),
        ("abandoned", own.abandoned as f64),
        ("undelivered", own.undelivered as f64 + undelivered),
        ("missing", fewer - undelivered),
    ];
    let most = causes.into_iter().max_by(|one, other| one.1.total_cmp(&other.1));
    most.map_or("missing", |(cause, _)| cause)
}

/// The access key ids of all applications.
pub(crate) fn identities(run: &Run) -> BTreeSet<&str> {
    run.applications.iter().map(|one| one.identity.as_str()).collect()
}

/// The verdicts about applications: their availability in each region, and how long they were not
/// served anywhere.
pub(crate) fn verdicts(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for region in &run.regions {
        let least = expected.availability.get(region).or(expected.availability.get("*"));
        let of_region = || run.applications.iter().filter(|one| one.region == *region);
        let (Some(least), true) = (least, of_region().next().is_some()) else {
            continue;
        };
        let mut requests = RequestCounts::default();
        of_region().for_each(|one| requests.add(&one.requests()));
        let missing: u64 = of_region().filter_map(|one| one.missing).sum();
        let all = requests.served() + requests.errors() + missing;
        let share = 100.0 * requests.served() as f64 / all.max(1) as f64;
        let rest = match missing {
            0 => String::new(),
            missing => format!(", about {} missing", count(missing)),
        };
        verdicts.push(Verdict {
            expected: format!(
                "applications in {region} answered at least {}{}",
                percent(least.percent_min),
                allowed(expected)
            ),
            measured: format!(
                "{}: {} failed{rest} of {}",
                percent(share),
                count(requests.errors()),
                count(all)
            ),
            holds: share >= least_percent(expected, run, least.percent_min),
        });
    }
    let Some(most) = expected.rto_max else {
        return verdicts;
    };
    for identity in identities(run) {
        let everywhere = run.applications.iter().filter(|one| one.identity == identity);
        if usual_rate(run, everywhere).is_none() {
            continue;
        }
        let outages = run.application_outages.iter().filter(|one| one.identity == identity);
        let longest_ms = outages.map(|outage| outage.length_ms(run)).max().unwrap_or(0);
        let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        verdicts.push(Verdict {
            expected: format!(
                "application {} served again within {}",
                name_of(identity),
                bound_in_words(expected, most)
            ),
            measured: match longest_ms {
                0 => "always served".to_owned(),
                longest_ms => format!("not served for {}", duration_ms(longest_ms as f64)),
            },
            holds: longest_ms <= most_ms.saturating_add(RESOLUTION_MS),
        });
    }
    verdicts
}
