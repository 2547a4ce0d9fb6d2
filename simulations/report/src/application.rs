//! The requests of applications in a drill, as the regions counted them, apart from the drill's own
//! probes and load.

use serde::{Deserialize, Serialize};

/// The requests of one application to one region. An application is told by its access key id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplicationTraffic {
    /// The region that the requests were for.
    pub region: String,
    /// The application's access key id, as the requests claim it: empty for requests without one.
    pub identity: String,
    /// The requests to each table.
    pub tables: Vec<TableRequests>,
    /// The requests in each second that had any, or that missed any.
    pub seconds: Vec<ApplicationSecond>,
    /// How many requests fewer than usual the application made while the region was down, or while
    /// it made less than half of its usual requests in all regions, and no other region had them.
    /// Connections that a killed region refuses cannot be counted, so this is their estimate;
    /// `None`: the usual rate is not known.
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
    /// The 99th percentile of the latency of answered and rejected requests, as the upper bound of
    /// its bucket, milliseconds; `None` if there were none.
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

    /// All requests, whatever became of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.served() + self.errors()
    }

    /// Each outcome with the number of its requests, in the order of the columns of CSV files.
    #[must_use]
    pub const fn outcomes(&self) -> [(&'static str, u64); 7] {
        [
            ("answered", self.answered),
            ("condition_failed", self.condition_failed),
            ("invalid", self.invalid),
            ("throttled", self.throttled),
            ("failed", self.failed),
            ("abandoned", self.abandoned),
            ("undelivered", self.undelivered),
        ]
    }

    /// The number of requests with each outcome, in the order of [`RequestCounts::outcomes`].
    pub(crate) const fn numbers_mut(&mut self) -> [&mut u64; 7] {
        [
            &mut self.answered,
            &mut self.condition_failed,
            &mut self.invalid,
            &mut self.throttled,
            &mut self.failed,
            &mut self.abandoned,
            &mut self.undelivered,
        ]
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
    /// How many requests ended in which way.
    #[serde(flatten)]
    pub requests: RequestCounts,
    /// How many were answered within the objective's latency (`p99_ms`), if only with an error of
    /// the client's own. A latency is known by its bucket: it counts as late if the bucket's upper
    /// bound is beyond the objective.
    pub within: u64,
    /// About how many requests are missing ([`ApplicationTraffic::missing`]).
    pub missing: u64,
}

impl ApplicationSecond {
    /// The requests that there were, and those that are missing.
    #[must_use]
    pub const fn due(&self) -> u64 {
        self.requests.all() + self.missing
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
        name_of(&self.identity)
    }

    /// The requests in one second.
    pub(crate) fn at(&self, second: u64) -> ApplicationSecond {
        let found = self.seconds.binary_search_by_key(&second, |one| one.second);
        found.map_or_else(|_| ApplicationSecond::default(), |index| self.seconds[index])
    }

    /// The last second with requests, up to this one; `None` if there were none until then.
    pub(crate) fn last_until(&self, second: u64) -> Option<u64> {
        let end = self.seconds.partition_point(|one| one.second <= second);
        end.checked_sub(1).map(|last| self.seconds[last].second)
    }

    /// The requests in one second, which is added if there were none.
    pub(crate) fn at_mut(&mut self, second: u64) -> &mut ApplicationSecond {
        let found = self.seconds.binary_search_by_key(&second, |one| one.second);
        let index = found.unwrap_or_else(|index| {
            let none = ApplicationSecond {
                second,
                ..ApplicationSecond::default()
            };
            self.seconds.insert(index, none);
            index
        });
        &mut self.seconds[index]
    }
}

/// The name of the application with this access key id, for people.
pub(crate) fn name_of(identity: &str) -> &str {
    if identity.is_empty() { "unsigned" } else { identity }
}
