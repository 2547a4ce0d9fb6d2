//! How many operations failed for which cause.

use beringia_history::FailureCause;
use serde::{Deserialize, Serialize};

/// The number of failed operations by [`FailureCause`].
#[expect(missing_docs, reason = "the causes' own documentation says it all")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCounts {
    pub throttled: u64,
    pub unavailable: u64,
    pub timeout: u64,
    pub refused: u64,
    pub reset: u64,
    pub unresolved: u64,
    pub not_sent: u64,
    pub error: u64,
}

impl FailureCounts {
    /// The number of operations that failed for this cause.
    #[must_use]
    pub const fn of(&self, cause: FailureCause) -> u64 {
        match cause {
            FailureCause::Throttled => self.throttled,
            FailureCause::Unavailable => self.unavailable,
            FailureCause::Timeout => self.timeout,
            FailureCause::Refused => self.refused,
            FailureCause::Reset => self.reset,
            FailureCause::Unresolved => self.unresolved,
            FailureCause::NotSent => self.not_sent,
            FailureCause::Error => self.error,
        }
    }

    /// Counts one more operation that failed for this cause.
    pub const fn add(&mut self, cause: FailureCause) {
        let count = match cause {
            FailureCause::Throttled => &mut self.throttled,
            FailureCause::Unavailable => &mut self.unavailable,
            FailureCause::Timeout => &mut self.timeout,
            FailureCause::Refused => &mut self.refused,
            FailureCause::Reset => &mut self.reset,
            FailureCause::Unresolved => &mut self.unresolved,
            FailureCause::NotSent => &mut self.not_sent,
            FailureCause::Error => &mut self.error,
        };
        *count += 1;
    }

    /// The number of operations that failed for any cause.
    #[must_use]
    pub fn total(&self) -> u64 {
        FailureCause::ALL.into_iter().map(|cause| self.of(cause)).sum()
    }
}
