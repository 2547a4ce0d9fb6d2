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
/// The bounds of the first buckets of latencies, microseconds; each decade has the same. They are
/// round, so that usual objectives (50, 200, 250 ms, 1 s) are bounds: what is known of a latency is
/// its bucket. A bound is at most a third above the one before.
const BOUNDS_US: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
/// The decades: the last bound is 80 seconds.
const DECADES: usize = 7;
const BUCKETS: usize = DECADES * BOUNDS_US.len();

/// The requests of clients to the regions of this process.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    regions: Mutex<BTreeMap<String, OfRegion>>,
    /// By the region called and the one that answered.
    rerouted: Mutex<BTreeMap<(String, String), u64>>,
}

#[derive(Debug, Default)]
struct OfRegion {
    /// By the client; at most [`IDENTITIES_MAX`], and one for the others.
    undelivered: BTreeMap<String, u64>,
    /// By the client and the table; at most [`IDENTITIES_MAX`] and [`TABLES_MAX`], and one for the
    /// others.
    clients: BTreeMap<String, BTreeMap<String, Counts>>,
}

#[derive(Debug)]
struct Counts {
    /// In the order of [`RequestOutcome::ALL`].
    outcomes: [u64; RequestOutcome::ALL.len()],
    /// The latencies of the requests that [`is_answer`] means, by bucket.
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
        if is_answer(request.outcome) {
            counts.latencies[bucket(request.latency)] += 1;
        }
    }

    /// Counts a request that the endpoint for all regions refused, since this region was down.
    /// `identity` is the access key id that it claims.
    pub(crate) fn undelivered(&self, region: &str, identity: &str) {
        let mut regions = self.regions.lock();
        let undelivered = &mut at(&mut regions, region, usize::MAX).undelivered;
        *at(undelivered, identity, IDENTITIES_MAX) += 1;
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
            reports.extend(of_region.undelivered.iter().map(|(identity, requests)| TrafficReport {
                region: region.clone(),
                identity: identity.clone(),
                undelivered: *requests,
                ..TrafficReport::default()
            }));
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
        let latencies = bounds_us().zip(&self.latencies).filter(|(_, count)| **count > 0);
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
                .map(|(at_most_us, count)| LatencyBucket {
                    at_most_us,
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

/// Whether the region answered a request, if only with the client's own error. Such an answer is a
/// success unless it is late, so its latency is counted.
const fn is_answer(outcome: RequestOutcome) -> bool {
    match outcome {
        RequestOutcome::Answered | RequestOutcome::ConditionFailed | RequestOutcome::Invalid => true,
        RequestOutcome::Throttled | RequestOutcome::Failed | RequestOutcome::Abandoned => false,
    }
}

/// The bucket of a latency: the first whose bound is not below it.
fn bucket(latency: Duration) -> usize {
    let us = latency.as_nanos().div_ceil(1000);
    let found = bounds_us().position(|bound_us| us <= u128::from(bound_us));
    found.unwrap_or(BUCKETS - 1)
}

/// The greatest latency in each bucket, microseconds: 10, 12, 15, …, 80, 100, 120, …
fn bounds_us() -> impl Iterator<Item = u64> {
    let decades = (0..).map(|decade| 10_u64.pow(decade)).take(DECADES);
    decades.flat_map(|decade| BOUNDS_US.map(|bound_us| bound_us * decade))
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
        traffic.undelivered("eu-west-1", "shop");
        let reports = traffic.reports();
        let names: Vec<_> = reports
            .iter()
            .map(|one| (one.region.as_str(), one.table.as_str()))
            .collect();
        assert_eq!(
            names,
            [("eu-west-1", ""), ("us-east-1", "carts"), ("us-east-1", "orders")]
        );
        assert_eq!((reports[0].undelivered, reports[0].identity.as_str()), (1, "shop"));
        let carts = &reports[1];
        assert_eq!((carts.answered, carts.condition_failed, carts.invalid), (2, 1, 1));
        assert_eq!((carts.throttled, carts.failed, carts.abandoned), (1, 1, 1));
        assert_eq!(carts.latencies.len(), 1);
        let latency = carts.latencies[0];
        assert_eq!(
            latency.count, 4,
            "a rejection is an answer, and can be late like any other"
        );
        assert_eq!(latency.at_most_us, 3_000);
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
    fn buckets_cover_all_latencies_within_a_third() {
        assert_eq!(
            (bucket(Duration::ZERO), bucket(Duration::from_secs(3600))),
            (0, BUCKETS - 1)
        );
        assert_eq!(bounds_us().count(), BUCKETS);
        let bound_of = |latency: Duration| bounds_us().nth(bucket(latency)).unwrap();
        for us in [10, 11, 99, 1_000, 4_096, 777_777, 60_000_000] {
            let bound = bound_of(Duration::from_micros(us));
            assert!(us <= bound && bound <= us + us.div_ceil(3), "{us} {bound}");
        }
        assert_eq!(bounds_us().last(), Some(80_000_000));
        // Usual objectives are bounds, so that it is known which answers were late.
        for ms in [10, 20, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000] {
            assert_eq!(bound_of(Duration::from_millis(ms)), ms * 1000);
            assert!(bound_of(Duration::from_millis(ms) + Duration::from_nanos(1)) > ms * 1000);
        }
    }
}
