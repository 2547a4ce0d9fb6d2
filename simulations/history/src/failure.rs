//! Why a region did not do what a client asked of it.

use serde::{Deserialize, Serialize};

/// The errors with which a region refuses what the workload itself made impossible: it has done its
/// duty.
const PROVOKED: [&str; 4] = [
    "ConditionalCheckFailedException",
    "DuplicateItemException",
    "TransactionCanceledException",
    "TransactionConflictException",
];
/// The errors of a region that has more requests than throughput. The last is a part of a batch
/// that the region left unprocessed.
const THROTTLING: [&str; 5] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "ThrottlingError",
    UNPROCESSED,
];

/// The name of the refusal of a part of a batch that a region left unprocessed.
pub const UNPROCESSED: &str = "(unprocessed)";

/// Why an operation failed, as its client saw it. A refusal that the workload itself provokes, such
/// as a failed condition, is no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// The region or a table had no throughput left.
    Throttled,
    /// The region answered that it is not available (HTTP status 503).
    Unavailable,
    /// No connection or no answer came within the client's patience.
    Timeout,
    /// Nothing accepts connections at the address, or no route leads there.
    Refused,
    /// The connection broke before the answer came.
    Reset,
    /// The region's name has no address.
    Unresolved,
    /// No client was free in time to send it.
    NotSent,
    /// The region answered with another error.
    Error,
}

impl FailureCause {
    /// Every cause, in the order in which reports show them.
    pub const ALL: [Self; 8] = [
        Self::Throttled,
        Self::Unavailable,
        Self::Timeout,
        Self::Refused,
        Self::Reset,
        Self::Unresolved,
        Self::NotSent,
        Self::Error,
    ];

    /// The cause of a refusal with an error of this name; `None` where the workload provoked the
    /// refusal itself.
    #[must_use]
    pub fn of_refusal(kind: &str) -> Option<Self> {
        if THROTTLING.contains(&kind) {
            return Some(Self::Throttled);
        }
        (!PROVOKED.contains(&kind)).then_some(Self::Error)
    }

    /// The name of the cause in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unresolved => "unresolved",
            Self::NotSent => "not sent",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_a_workload_provokes_are_no_failures() {
        assert_eq!(FailureCause::of_refusal("ConditionalCheckFailedException"), None);
        assert_eq!(FailureCause::of_refusal("TransactionConflictException"), None);
        for kind in ["ProvisionedThroughputExceededException", UNPROCESSED] {
            assert_eq!(FailureCause::of_refusal(kind), Some(FailureCause::Throttled), "{kind}");
        }
        let other = FailureCause::of_refusal("ValidationException");
        assert_eq!(other, Some(FailureCause::Error));
    }
}
