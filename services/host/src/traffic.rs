//! Counts of the requests of clients, by region, client, table and outcome. They are kept while a
//! region is down.

use std::{collections::BTreeMap, time::Duration};

use beringia_gateway::{MeteredRequest, RequestOutcome};
use beringia_item::Region;
use beringia_proto::v1::{LatencyBucket, ReroutedReport, TrafficReport};
use parking_lot::Mutex;

/// How many clients of a region are told apart.
const IDENTITIES_MAX: usize = 64;
/// How many tables of a client are told apart.
const TABLES_MAX: usize = 64;
/// The name of all clients, or tables, beyond these numbers.
const OTHERS: &str = "(others)";
/// The greatest length of a name that is kept, in bytes.
const NAME_LENGTH_MAX: usize = 128;
/// The greatest latency that is told apart: 2^26 microseconds, about a minute.
const OCTAVES: u32 = 26;
/// The buckets of an octave, a power of 2: the bound of a bucket is at most a quarter above the one
/// before.
const BUCKETS_PER_OCTAVE: u32 = 4;
const BUCKETS: usize = ((OCTAVES - 1) * BUCKETS_PER_OCTAVE) as usize;

/// The requests of clients to the regions of this process.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    regions: Mutex<BTreeMap<String, OfRegion>>,
    /// By the region called and the one that answered.
    rerouted: Mutex<BTreeMap<(String, String), u64>>,
}

#[derive(Debug, Default)]
struct OfRegion {
    undelivered: u64,
    /// By the client and the table; at most [`IDENTITIES_MAX`] and [`TABLES_MAX`], and one for the
    /// others.
    clients: BTreeMap<String, BTreeMap<String, Counts>>,
}

#[derive(Debug)]
struct Counts {
    /// In the order of [`RequestOutcome::ALL`].
    outcomes: [u64; RequestOutcome::ALL.len()],
    /// The latencies of answered requests, by bucket.
    latencies: [u64; BUCKETS],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            outcomes: Default::default(),
            latencies: [0; BUCKETS],
        }
    }
}

impl Traffic {
    /// Counts a request that has ended in a region.
    pub(crate) fn ended(&self, region: &Region, request: &MeteredRequest<'_>) {
        let mut regions = self.regions.lock();
        let clients = &mut at(&mut regions, region.as_str(), usize::MAX).clients;
        let tables = at(clients, request.identity.unwrap_or_default(), IDENTITIES_MAX);
        let counts = at(tables, request.table.unwrap_or_default(), TABLES_MAX);
        counts.outcomes[request.outcome as usize] += 1;
        if request.outcome == RequestOutcome::Answered {
            counts.latencies[bucket(request.latency)] += 1;
        }
    }

    /// Counts a request that the endpoint for all regions refused, since this region was down.
    pub(crate) fn undelivered(&self, region: &str) {
        at(&mut self.regions.lock(), region, usize::MAX).undelivered += 1;
    }

    /// Counts a request for one region that the endpoint for all regions had another one answer.
    pub(crate) fn rerouted(&self, called: &str, served_by: &str) {
        let mut rerouted = self.rerouted.lock();
        *rerouted.entry((called.to_owned(), served_by.to_owned())).or_default() += 1;
    }

    /// The counts of rerouted requests since the process started.
    pub(crate) fn rerouted_reports(&self) -> Vec<ReroutedReport> {
        let rerouted = self.rerouted.lock();
        let reports = rerouted.iter().map(|((called, served_by), requests)| ReroutedReport {
            called: called.clone(),
            served_by: served_by.clone(),
            requests: *requests,
        });
        reports.collect()
    }

    /// All counts since the process started.
    pub(crate) fn reports(&self) -> Vec<TrafficReport> {
        let regions = self.regions.lock();
        let mut reports = Vec::new();
        for (region, of_region) in &*regions {
            if of_region.undelivered > 0 {
                reports.push(TrafficReport {
                    region: region.clone(),
                    undelivered: of_region.undelivered,
                    ..TrafficReport::default()
                });
            }
            for (identity, tables) in &of_region.clients {
                reports.extend(
                    tables
                        .iter()
                        .map(|(table, counts)| counts.report(region, identity, table)),
                );
            }
        }
        reports
    }
}

impl Counts {
    fn report(&self, region: &str, identity: &str, table: &str) -> TrafficReport {
        let of = |outcome: RequestOutcome| self.outcomes[outcome as usize];
        let latencies = (0_u64..).zip(&self.latencies).filter(|(_, count)| **count > 0);
        TrafficReport {
            region: region.to_owned(),
            identity: identity.to_owned(),
            table: table.to_owned(),
            answered: of(RequestOutcome::Answered),
            condition_failed: of(RequestOutcome::ConditionFailed),
            invalid: of(RequestOutcome::Invalid),
            throttled: of(RequestOutcome::Throttled),
            failed: of(RequestOutcome::Failed),
            abandoned: of(RequestOutcome::Abandoned),
            undelivered: 0,
            latencies: latencies
                .map(|(index, count)| LatencyBucket {
                    at_most_us: bound_us(index),
                    count: *count,
                })
                .collect(),
        }
    }
}

/// The entry with this name; that of the others where there are `most` entries without it.
fn at<'m, T: Default>(entries: &'m mut BTreeMap<String, T>, name: &str, most: usize) -> &'m mut T {
    let name = &name[..name.floor_char_boundary(NAME_LENGTH_MAX)];
    let is_known = entries.contains_key(name);
    let name = if is_known || entries.len() < most { name } else { OTHERS };
    if !entries.contains_key(name) {
        entries.insert(name.to_owned(), T::default());
    }
    entries.entry(name.to_owned()).or_default()
}

/// The bucket of a latency, from 0 for up to 4 microseconds.
fn bucket(latency: Duration) -> usize {
    let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
    // The first bucket whose bound is not below the latency.
    (0_u64..)
        .take(BUCKETS)
        .position(|index| us <= bound_us(index))
        .unwrap_or(BUCKETS - 1)
}

/// The greatest latency in a bucket, microseconds: 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, …
const fn bound_us(index: u64) -> u64 {
    let per_octave = BUCKETS_PER_OCTAVE as u64;
    (per_octave + index % per_octave) << (index / per_octave)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'r>(identity: &'r str, table: &'r str, outcome: RequestOutcome) -> MeteredRequest<'r> {
        MeteredRequest {
            identity: Some(identity),
            table: Some(table),
            outcome,
            latency: Duration::from_millis(3),
        }
    }

    #[test]
    fn requests_are_counted_by_client_table_and_outcome() {
        let (traffic, region) = (Traffic::default(), Region::new("us-east-1").unwrap());
        for outcome in RequestOutcome::ALL {
            traffic.ended(&region, &request("shop", "carts", outcome));
        }
        traffic.ended(&region, &request("shop", "carts", RequestOutcome::Answered));
        traffic.ended(&region, &request("shop", "orders", RequestOutcome::Failed));
        traffic.undelivered("eu-west-1");
        let reports = traffic.reports();
        let names: Vec<_> = reports
            .iter()
            .map(|one| (one.region.as_str(), one.table.as_str()))
            .collect();
        assert_eq!(
            names,
            [("eu-west-1", ""), ("us-east-1", "carts"), ("us-east-1", "orders")]
        );
        assert_eq!(reports[0].undelivered, 1);
        let carts = &reports[1];
        assert_eq!((carts.answered, carts.condition_failed, carts.invalid), (2, 1, 1));
        assert_eq!((carts.throttled, carts.failed, carts.abandoned), (1, 1, 1));
        assert_eq!(carts.latencies.len(), 1);
        let latency = carts.latencies[0];
        assert_eq!(latency.count, 2);
        assert!((3_000..3_750).contains(&latency.at_most_us), "{latency:?}");
        assert_eq!(reports[2].failed, 1);
    }

    #[test]
    fn clients_beyond_the_bound_are_counted_together() {
        let (traffic, region) = (Traffic::default(), Region::new("us-east-1").unwrap());
        for number in 0..3 * IDENTITIES_MAX {
            let (identity, table) = (format!("{number}{}", "x".repeat(1000)), "t".to_owned());
            traffic.ended(&region, &request(&identity, &table, RequestOutcome::Answered));
        }
        for number in 0..3 * TABLES_MAX {
            traffic.ended(
                &region,
                &request("(others)", &number.to_string(), RequestOutcome::Answered),
            );
        }
        let reports = traffic.reports();
        assert_eq!(reports.iter().map(|one| one.answered).sum::<u64>(), 3 * 128);
        assert!(reports.len() <= IDENTITIES_MAX + TABLES_MAX + 2, "{}", reports.len());
        assert!(reports.iter().all(|one| one.identity.len() <= NAME_LENGTH_MAX));
    }

    #[test]
    fn buckets_cover_all_latencies_within_a_quarter() {
        assert_eq!(
            (bucket(Duration::ZERO), bucket(Duration::from_secs(3600))),
            (0, BUCKETS - 1)
        );
        for us in [4, 5, 6, 99, 1_000, 4_096, 777_777, 60_000_000] {
            let bound = bound_us(bucket(Duration::from_micros(us)) as u64);
            assert!(us <= bound && bound <= us + us / 4, "{us} {bound}");
        }
        assert!(bound_us(BUCKETS as u64 - 1) > 60_000_000);
    }
}
