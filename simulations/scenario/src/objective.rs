//! The objective of an application: what its users consider as served.

use std::time::Duration;

/// The service level objective of a scenario's users. An operation succeeds if its region answers
/// it within `latency_max`; a later answer counts as a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// The least share of the operations that must succeed, in percent.
    pub success_percent_min: f64,
    /// The longest time from when an operation is due to its answer.
    pub latency_max: Duration,
    /// How long success must stay above its threshold until users count as served again. The share
    /// is taken over spans of this length.
    pub window: Duration,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            success_percent_min: 99.0,
            latency_max: Duration::from_secs(1),
            window: Duration::from_secs(5),
        }
    }
}
