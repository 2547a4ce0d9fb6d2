//! The requests of applications in a drill, as the regions counted them, apart from the drill's own
//! probes and load.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use beringia_scenario::Expectations;
use serde::{Deserialize, Serialize};

use crate::{
    FaultKind, Run, Verdict,
    format::{count, duration_ms, percent},
};

/// The fewest whole seconds before the first fault from which a usual rate is known.
const USUAL_SECONDS_MIN: u64 = 2;
/// The least usual rate, requests per second, that is compared with the rate during faults.
const USUAL_RATE_MIN: f64 = 1.0;
/// The share of its usual rate that an application has to be answered at to count as served.
const SERVED_SHARE: f64 = 0.5;
/// The resolution of the counts, milliseconds: a time that is bounded may be this much longer.
const RESOLUTION_MS: u64 = 1_000;

/// The requests of one application to one region. An application is told by its access key id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplicationTraffic {
    /// The region that the requests were for.
    pub region: String,
    /// The application's access key id: empty for requests without one, and for those that the
    /// endpoint for all regions could not deliver.
    pub identity: String,
    /// The requests to each table.
    pub tables: Vec<TableRequests>,
    /// The requests in each second that had any.
    pub seconds: Vec<ApplicationSecond>,
    /// How many requests fewer than usual the application made while the region could not be
    /// reached and no other region had them. Connections that a killed region refuses cannot be
    /// counted, so this is their estimate; `None`: the usual rate is not known.
    pub missing: Option<u64>,
}

/// The requests of an application to one table, by outcome.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableRequests {
    /// The first table that the requests name; empty if they name none.
    pub table: String,
    /// How many requests ended in which way.
    #[serde(flatten)]
    pub requests: RequestCounts,
    /// The 99th percentile of the latency of answered requests, as the upper bound of its bucket,
    /// milliseconds; `None` if none was answered.
    pub latency_ms_p99: Option<f64>,
}

/// The requests for one region that the endpoint for all regions had another one answer. They are
/// part of the traffic of the region that answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReroutedRequests {
    /// The region that the requests were for.
    pub called: String,
    /// The region that answered.
    pub served_by: String,
    /// How many requests there were.
    pub requests: u64,
}

/// How many requests had each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Requests that were answered as asked.
    pub answered: u64,
    /// Rejected by a condition, or by another transaction.
    pub condition_failed: u64,
    /// Rejected for another reason of the client.
    pub invalid: u64,
    /// Refused because a throughput was exceeded.
    pub throttled: u64,
    /// Failed in the region, or refused because it was closed for writes.
    pub failed: u64,
    /// Not answered: the client gave up, or the region was killed.
    pub abandoned: u64,
    /// Refused by the endpoint for all regions because the region was down.
    pub undelivered: u64,
}

impl RequestCounts {
    /// The requests that the region answered, if only with a client's own error.
    #[must_use]
    pub const fn served(&self) -> u64 {
        self.answered + self.condition_failed + self.invalid
    }

    /// The requests that failed for another reason than the client's own.
    #[must_use]
    pub const fn errors(&self) -> u64 {
        self.throttled + self.failed + self.abandoned + self.undelivered
    }

    /// Adds the counts of other requests.
    pub const fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.condition_failed += other.condition_failed;
        self.invalid += other.invalid;
        self.throttled += other.throttled;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.undelivered += other.undelivered;
    }
}

/// The requests of an application to a region in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationSecond {
    /// The second since the load began.
    pub second: u64,
    /// The requests that the region answered.
    pub served: u64,
    /// The requests that failed.
    pub errors: u64,
}

/// Requests of an application to a table in one region, that were counted between two samples.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficSample {
    /// When the sample before was taken, since the load began.
    pub since: Duration,
    /// The region that the requests were for.
    pub region: String,
    /// The application's access key id, or empty.
    pub identity: String,
    /// The first table that the requests name, or empty.
    pub table: String,
    /// The outcomes of the requests.
    pub requests: RequestCounts,
    /// For each bucket of latencies its upper bound in microseconds, and how many were in it.
    pub latencies: Vec<(u64, u64)>,
}

/// Collects the samples of a drill.
#[derive(Debug, Default)]
pub struct TrafficSamples {
    /// By the region and the identity.
    applications: BTreeMap<(String, String), Samples>,
    /// By the region called and the one that answered.
    rerouted: BTreeMap<(String, String), u64>,
}

#[derive(Debug, Default)]
struct Samples {
    tables: BTreeMap<String, (RequestCounts, BTreeMap<u64, u64>)>,
    seconds: BTreeMap<u64, ApplicationSecond>,
}

impl TrafficSamples {
    /// Adds a sample; one without requests adds nothing.
    pub fn add(&mut self, sample: TrafficSample) {
        let TrafficSample {
            since,
            region,
            identity,
            table,
            requests,
            latencies,
        } = sample;
        if requests == RequestCounts::default() {
            return;
        }
        let of = self.applications.entry((region, identity)).or_default();
        let (counts, buckets) = of.tables.entry(table).or_default();
        counts.add(&requests);
        for (at_most_us, count) in latencies {
            *buckets.entry(at_most_us).or_default() += count;
        }
        let second = of.seconds.entry(since.as_secs()).or_default();
        second.second = since.as_secs();
        second.served += requests.served();
        second.errors += requests.errors();
    }

    /// Adds requests for one region that another one answered.
    pub fn rerouted(&mut self, called: String, served_by: String, requests: u64) {
        if requests > 0 {
            *self.rerouted.entry((called, served_by)).or_default() += requests;
        }
    }

    /// The rerouted requests, by the region called and the one that answered.
    #[must_use]
    pub fn rerouted_requests(&self) -> Vec<ReroutedRequests> {
        let requests = self.rerouted.iter();
        let requests = requests.map(|((called, served_by), requests)| ReroutedRequests {
            called: called.clone(),
            served_by: served_by.clone(),
            requests: *requests,
        });
        requests.collect()
    }

    /// The failed requests, and all, in the last `seconds` whole seconds before `now`.
    #[must_use]
    pub fn recent(&self, now: Duration, seconds: u64) -> (u64, u64) {
        let from = now.as_secs().saturating_sub(seconds);
        let samples = self.applications.values().flat_map(|of| of.seconds.range(from..));
        samples.fold((0, 0), |(errors, all), (_, second)| {
            (errors + second.errors, all + second.served + second.errors)
        })
    }

    /// The traffic of every application in every region. `run` has the faults.
    #[must_use]
    pub fn finish(self, run: &Run) -> Vec<ApplicationTraffic> {
        let mut traffic: Vec<ApplicationTraffic> = self
            .applications
            .into_iter()
            .map(|((region, identity), of)| ApplicationTraffic {
                region,
                identity,
                tables: of.tables.into_iter().map(of_table).collect(),
                seconds: of.seconds.into_values().collect(),
                missing: None,
            })
            .collect();
        let missing: Vec<Option<u64>> = traffic.iter().map(|one| missing(run, &traffic, one)).collect();
        for (one, missing) in traffic.iter_mut().zip(missing) {
            one.missing = missing;
        }
        traffic
    }
}

fn of_table((table, (requests, buckets)): (String, (RequestCounts, BTreeMap<u64, u64>))) -> TableRequests {
    let all: u64 = buckets.values().sum();
    // The rank of the 99th percentile, rounded up.
    let rank = all - all / 100;
    let bound = buckets.iter().scan(0, |sum, (at_most_us, count)| {
        *sum += count;
        Some((*sum, *at_most_us))
    });
    let p99_us = bound
        .into_iter()
        .find(|(sum, _)| *sum >= rank)
        .map(|(_, at_most_us)| at_most_us);
    TableRequests {
        table,
        requests,
        latency_ms_p99: p99_us.map(|us| us as f64 / 1000.0),
    }
}

impl ApplicationTraffic {
    /// All requests, by outcome.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        let mut all = RequestCounts::default();
        self.tables.iter().for_each(|table| all.add(&table.requests));
        all
    }

    /// The name of the application for people.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.identity.is_empty() {
            "unsigned"
        } else {
            &self.identity
        }
    }

    fn at(&self, second: u64) -> ApplicationSecond {
        let found = self.seconds.iter().find(|one| one.second == second);
        found.copied().unwrap_or_default()
    }
}

/// When the first fault began, in whole seconds; the end of the load if there is none.
fn first_fault(run: &Run) -> u64 {
    let begins = run
        .faults
        .iter()
        .filter(|fault| fault.kind.is_fault())
        .map(|fault| fault.from_ms);
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

/// The requests of these applications per second before the first fault; `None` if that is too
/// short or they made too few.
fn usual_rate<'t>(run: &Run, traffic: impl Iterator<Item = &'t ApplicationTraffic>) -> Option<f64> {
    // The first second has the drill's own beginning.
    let (from, until) = (1, first_fault(run));
    let seconds = until.saturating_sub(from);
    if seconds < USUAL_SECONDS_MIN {
        return None;
    }
    let before = traffic
        .flat_map(|one| &one.seconds)
        .filter(|one| (from..until).contains(&one.second));
    let requests: u64 = before.map(|second| second.served + second.errors).sum();
    Some(requests as f64 / seconds as f64).filter(|rate| *rate >= USUAL_RATE_MIN)
}

fn missing(run: &Run, all: &[ApplicationTraffic], one: &ApplicationTraffic) -> Option<u64> {
    let everywhere = || all.iter().filter(|other| other.identity == one.identity);
    let here = usual_rate(run, std::iter::once(one));
    let usual = usual_rate(run, everywhere())?;
    let made = |second: ApplicationSecond| (second.served + second.errors) as f64;
    // Requests that could not be delivered have no identity: any application may have made them.
    let undelivered = all
        .iter()
        .filter(|other| other.identity.is_empty() && other.region == one.region);
    let undelivered = undelivered.filter(|other| other.identity != one.identity);
    let mut missing = 0.0;
    for second in (0..run.load_ms / 1000).filter(|second| is_down(run, &one.region, *second)) {
        let undelivered: u64 = undelivered.clone().map(|other| other.at(second).errors).sum();
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

/// The longest time without service after the first fault, in milliseconds, of the application with
/// this access key id; `None` if its usual rate is not known.
fn longest_outage_ms(run: &Run, identity: &str) -> Option<u64> {
    let everywhere = || run.applications.iter().filter(|one| one.identity == identity);
    let least = usual_rate(run, everywhere())? * SERVED_SHARE;
    let (mut longest, mut now) = (0, 0);
    for second in first_fault(run)..run.load_ms / 1000 {
        let served: u64 = everywhere().map(|one| one.at(second).served).sum();
        now = if (served as f64) < least { now + 1000 } else { 0 };
        longest = longest.max(now);
    }
    Some(longest)
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
                "applications in {region} answered at least {}",
                percent(least.percent_min)
            ),
            measured: format!(
                "{}: {} failed{rest} of {}",
                percent(share),
                count(requests.errors()),
                count(all)
            ),
            holds: share >= least.percent_min,
        });
    }
    let identities: BTreeSet<&str> = run.applications.iter().map(|one| one.identity.as_str()).collect();
    for (most, identity) in identities
        .iter()
        .filter_map(|identity| Some((expected.rto_max?, identity)))
    {
        let Some(outage_ms) = longest_outage_ms(run, identity) else {
            continue;
        };
        let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        let name = if identity.is_empty() { "unsigned" } else { identity };
        verdicts.push(Verdict {
            expected: format!("application {name} served again within {}", duration_ms(most_ms as f64)),
            measured: match outage_ms {
                0 => "always served".to_owned(),
                outage_ms => format!("not served for {}", duration_ms(outage_ms as f64)),
            },
            holds: outage_ms <= most_ms.saturating_add(RESOLUTION_MS),
        });
    }
    verdicts
}
