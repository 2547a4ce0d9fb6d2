//! What must come of a run.

use std::{collections::BTreeMap, time::Duration};

/// What clients can see of regions that do not wait for each other, by the names that expectations and reports use.
pub const ANOMALIES: [&str; 7] = [
    "stale-read",
    "lost-update",
    "non-monotonic-read",
    "read-your-writes",
    "torn-transaction",
    "oversold",
    "sum-not-constant",
];

/// What must come of a run. That no acknowledged write is lost (but with a disk) and no promise broken is always expected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectations {
    /// Of the writes that a region acknowledged before its disk was lost, at most so many are nowhere else.
    pub rpo_writes_max: Option<u64>,
    /// The same in time: the oldest of them was acknowledged at most so long before the loss.
    pub rpo_max: Option<Duration>,
    /// From each fault that moved traffic to the first success of the moved traffic.
    pub rto_max: Option<Duration>,
    /// From the moment in which a region is closed for writes until it is proven that every other one has the last of them; and none is left
    /// before.
    pub drained_within: Option<Duration>,
    /// From each heal (or the end of the load, if that is later) until every region holds the same.
    pub converged_within: Option<Duration>,
    /// The same as a multiple of the least time that bandwidth, delay and the measured apply rate allow.
    pub converged_ratio_max: Option<f64>,
    /// By region (or `*` for all that are not named): the share of operations due that were answered in time, in percent.
    pub availability: BTreeMap<String, Availability>,
    /// The same of every region, in percent, over those seconds in which its process and its disk were well, whatever links did.
    pub available_when_well: Option<f64>,
    /// The greatest lag of any mutation between any two regions.
    pub lag_max: Option<Duration>,
    /// The 99th percentile of it.
    pub lag_p99_max: Option<Duration>,
    /// Entries in the journals of conflicts, each conflict counted once.
    pub conflicts: Option<Count>,
    /// By name of an anomaly (one of [`ANOMALIES`]): how often clients may see it.
    pub anomalies: BTreeMap<String, Count>,
}

/// How available a region must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Availability {
    /// At least so many percent of the operations due.
    pub percent_min: f64,
}

/// Bounds of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// At least.
    pub min: u64,
    /// At most; `None`: any.
    pub max: Option<u64>,
}
