//! The samples of applications' requests in a drill, by second and by table.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use crate::{ApplicationSecond, ApplicationTraffic, RequestCounts, ReroutedRequests, TableRequests};

/// Requests of an application to a table in one region, that were counted between two samples.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficSample {
    /// When the sample before was taken, since the load began.
    pub since: Duration,
    /// When this sample was taken.
    pub until: Duration,
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
#[derive(Debug, Clone, Default)]
pub struct TrafficSamples {
    /// By the region and the identity, by table, by second.
    applications: BTreeMap<(String, String), BTreeMap<String, BTreeMap<u64, Counts>>>,
    /// By the region called and the one that answered, by second.
    rerouted: BTreeMap<(String, String), BTreeMap<u64, u64>>,
}

/// Counts of requests, and their latencies by bucket.
#[derive(Debug, Clone, Default)]
struct Counts {
    requests: RequestCounts,
    latencies: BTreeMap<u64, u64>,
}

impl TrafficSamples {
    /// Adds a sample; one without requests adds nothing. The requests of a sample that took longer
    /// than a second are spread evenly over the seconds that it covers.
    pub fn add(&mut self, sample: TrafficSample) {
        let requests = sample.requests;
        if requests == RequestCounts::default() {
            return;
        }
        let of = self.applications.entry((sample.region, sample.identity)).or_default();
        let seconds = of.entry(sample.table).or_default();
        let covered = covered(sample.since, sample.until);
        // Both begin with the requests that were answered, so that these have their latencies in
        // every second.
        let mut dealer = Dealer::new(covered.clone());
        for (outcome, (_, number)) in requests.outcomes().into_iter().enumerate() {
            for (second, part) in dealer.deal(number) {
                let counts = seconds.entry(second).or_default();
                *counts.requests.numbers_mut()[outcome] += part;
            }
        }
        let mut dealer = Dealer::new(covered);
        for (at_most_us, number) in sample.latencies {
            for (second, part) in dealer.deal(number) {
                let counts = seconds.entry(second).or_default();
                *counts.latencies.entry(at_most_us).or_default() += part;
            }
        }
    }

    /// Adds requests for one region that another one answered, which were counted in this time
    /// since the load began.
    pub fn rerouted(&mut self, during: &Range<Duration>, called: String, served_by: String, requests: u64) {
        let seconds = self.rerouted.entry((called, served_by)).or_default();
        for (second, part) in Dealer::new(covered(during.start, during.end)).deal(requests) {
            *seconds.entry(second).or_default() += part;
        }
    }

    /// The requests that were rerouted before the second `end`, by the region called and the one
    /// that answered.
    pub(crate) fn rerouted_requests(&self, end: u64) -> Vec<ReroutedRequests> {
        let requests = self.rerouted.iter();
        let requests = requests.map(|((called, served_by), seconds)| ReroutedRequests {
            called: called.clone(),
            served_by: served_by.clone(),
            requests: seconds.range(..end).map(|(_, requests)| requests).sum(),
        });
        requests.filter(|one| one.requests > 0).collect()
    }

    /// The failed requests, and all, in the last `seconds` whole seconds before `now`.
    #[must_use]
    pub fn recent(&self, now: Duration, seconds: u64) -> (u64, u64) {
        let from = now.as_secs().saturating_sub(seconds);
        let of_tables = self.applications.values().flat_map(BTreeMap::values);
        let samples = of_tables.flat_map(|seconds| seconds.range(from..));
        samples.fold((0, 0), |(errors, all), (_, counts)| {
            let requests = &counts.requests;
            (errors + requests.errors(), all + requests.all())
        })
    }

    /// The traffic of every application in every region before the second `end`; `latency_max_us`
    /// is the latency of the objective, in microseconds. What is missing is not estimated.
    pub(crate) fn traffic(&self, latency_max_us: f64, end: u64) -> Vec<ApplicationTraffic> {
        let traffic = self.applications.iter().map(|((region, identity), tables)| {
            let mut of_seconds: BTreeMap<u64, Counts> = BTreeMap::new();
            let mut of_tables = Vec::new();
            for (table, seconds) in tables {
                let mut of_table = Counts::default();
                for (second, counts) in seconds.range(..end) {
                    of_table.add(counts);
                    of_seconds.entry(*second).or_default().add(counts);
                }
                if of_table.requests.all() > 0 {
                    of_tables.push(of_table.of_table(table));
                }
            }
            let seconds = of_seconds.iter();
            ApplicationTraffic {
                region: region.clone(),
                identity: identity.clone(),
                tables: of_tables,
                seconds: seconds
                    .map(|(second, counts)| counts.of_second(*second, latency_max_us))
                    .collect(),
                missing: None,
            }
        });
        traffic.filter(|one| !one.tables.is_empty()).collect()
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.requests.add(&other.requests);
        for (at_most_us, count) in &other.latencies {
            *self.latencies.entry(*at_most_us).or_default() += count;
        }
    }

    fn of_second(&self, second: u64, latency_max_us: f64) -> ApplicationSecond {
        let buckets = self.latencies.iter();
        let late = buckets.filter(|(at_most_us, _)| **at_most_us as f64 > latency_max_us);
        let late: u64 = late.map(|(_, count)| count).sum();
        ApplicationSecond {
            second,
            requests: self.requests,
            within: self.requests.served().saturating_sub(late),
            missing: 0,
        }
    }

    fn of_table(&self, table: &str) -> TableRequests {
        let all: u64 = self.latencies.values().sum();
        // The rank of the 99th percentile, rounded up.
        let rank = (all - all / 100).max(1);
        let bounds = self.latencies.iter().scan(0, |sum, (at_most_us, count)| {
            *sum += count;
            Some((*sum, *at_most_us))
        });
        let p99_us = bounds
            .into_iter()
            .find(|(sum, _)| *sum >= rank)
            .map(|(_, at_most_us)| at_most_us);
        TableRequests {
            table: table.to_owned(),
            requests: self.requests,
            latency_ms_p99: p99_us.map(|us| us as f64 / 1000.0),
        }
    }
}

/// The seconds of which the middle is in a sample. A sample that has the middle of no second
/// belongs to the second that its own middle is in.
fn covered(since: Duration, until: Duration) -> Range<u64> {
    const HALF: Duration = Duration::from_millis(500);
    let (from, to) = ((since + HALF).as_secs(), (until + HALF).as_secs());
    if from < to {
        return from..to;
    }
    let middle = (since + until.saturating_sub(since) / 2).as_secs();
    middle..middle + 1
}

/// Deals counts out to seconds in turn, like cards: each gets as many as the next, or one more.
struct Dealer {
    seconds: Range<u64>,
    /// How many were dealt out.
    dealt: u64,
}

impl Dealer {
    const fn new(seconds: Range<u64>) -> Self {
        Self { seconds, dealt: 0 }
    }

    /// The part of a count that each second gets, without those that get none.
    fn deal(&mut self, number: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
        let seconds = self.seconds.clone();
        let length = seconds.end - seconds.start;
        let (before, after) = (self.dealt, self.dealt + number);
        self.dealt = after;
        let parts = seconds.enumerate().map(move |(index, second)| {
            // How many of the first ones this second gets.
            let of_first = |first: u64| (first + length - 1 - index as u64) / length;
            (second, of_first(after) - of_first(before))
        });
        parts.filter(|(_, part)| *part > 0)
    }
}
