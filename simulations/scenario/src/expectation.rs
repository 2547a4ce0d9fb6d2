//! Expectations of a run.

use std::{collections::BTreeMap, time::Duration};

use crate::Objective;

/// The anomalies that clients can see because regions do not wait for each other, by the names that
/// expectations and reports use.
pub const ANOMALIES: [&str; 12] = [
    "stale-read",
    "lost-update",
    "non-monotonic-read",
    "read-your-writes",
    "torn-transaction",
    "oversold",
    "sum-not-constant",
    "causal-violation",
    "monotonic-writes",
    "writes-follow-reads",
    "long-fork",
    "write-skew",
];

/// The expected results of a run. It is always expected that no acknowledged write is lost (except
/// with a disk) and no promise is broken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectations {
    /// What counts as success of an operation, and how much of it users need. Recovery times and
    /// availability are measured against it.
    pub objective: Objective,
    /// The most writes that a region acknowledged before it lost its disk and that no other region
    /// has.
    pub rpo_writes_max: Option<u64>,
    /// The same in time: how long before the loss the oldest of these writes may have been
    /// acknowledged.
    pub rpo_max: Option<Duration>,
    /// The longest time in which the users of any region were not served within the objective: from
    /// their first failure, whatever its cause, until success stayed above the threshold.
    pub rto_max: Option<Duration>,
    /// The time from the drain of a region until it is proven that every other region has its last
    /// write. No region may be left before that.
    pub drained_within: Option<Duration>,
    /// The time from each heal (or from the end of the load, if that is later) until all regions
    /// hold the same.
    pub converged_within: Option<Duration>,
    /// That time as a multiple of the least that bandwidth, delay and the apply rate allow.
    pub converged_ratio_max: Option<f64>,
    /// The apply rate of that bound: how many mutations a region can apply in a second. `None`: a
    /// simulation measures it in a run of its own, and in a drill applying takes no time.
    pub applied_per_second: Option<f64>,
    /// The share of due operations that were answered within the objective's latency, in percent,
    /// by region (or `*` for all regions that are not named).
    pub availability: BTreeMap<String, Availability>,
    /// That share for every region, in percent, over the seconds in which its process and its disk
    /// were well, regardless of the links.
    pub available_when_healthy: Option<f64>,
    /// The greatest lag of any mutation between any two regions. A mutation that never arrived
    /// breaks the bound, and so does a pair of regions without arrivals where writes were due.
    pub lag_max: Option<Duration>,
    /// The 99th percentile of that lag.
    pub lag_p99_max: Option<Duration>,
    /// Entries in the conflict journals, each conflict counted once.
    pub conflicts: Option<Count>,
    /// How often clients may see an anomaly, by its name (one of [`ANOMALIES`]).
    pub anomalies: BTreeMap<String, Count>,
    /// The time that is allowed for the machine of a drill, which the bounds in time contain
    /// ([`Expectations::allowing`]). It is no part of a scenario.
    pub allowance: Duration,
}

impl Expectations {
    /// The expectations with a stated allowance for a machine that is slow or busy. It is added to
    /// every bound of a time: of recovery, drains, convergence and lag. Of availability, the share
    /// that the allowance has in the load may be missing. What may be lost, and what clients may
    /// see, stays as it is.
    #[must_use]
    pub fn allowing(self, allowance: Duration) -> Self {
        let more = |bound: Option<Duration>| bound.map(|bound| bound.saturating_add(allowance));
        Self {
            rto_max: more(self.rto_max),
            drained_within: more(self.drained_within),
            converged_within: more(self.converged_within),
            lag_max: more(self.lag_max),
            lag_p99_max: more(self.lag_p99_max),
            allowance: self.allowance.saturating_add(allowance),
            ..self
        }
    }
}

/// How available a region must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Availability {
    /// The least share of due operations, in percent, that must be answered.
    pub percent_min: f64,
}

/// The bounds between which a count must be, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The least value allowed; 0 for no bound.
    pub min: u64,
    /// The greatest value allowed; `None` for no bound.
    pub max: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_added_to_bounds_in_time_alone() {
        let bound = |ms| Some(Duration::from_millis(ms));
        let of = |ms| Expectations {
            rpo_max: bound(70),
            rto_max: bound(100 + ms),
            drained_within: bound(200 + ms),
            converged_within: bound(300 + ms),
            lag_max: bound(400 + ms),
            lag_p99_max: bound(500 + ms),
            allowance: Duration::from_millis(ms),
            ..Expectations::default()
        };
        assert_eq!(of(0).allowing(Duration::from_millis(40)), of(40));
        assert_eq!(
            Expectations::default().allowing(Duration::from_secs(9)),
            Expectations {
                allowance: Duration::from_secs(9),
                ..Expectations::default()
            },
            "what is not expected stays so"
        );
    }
}
