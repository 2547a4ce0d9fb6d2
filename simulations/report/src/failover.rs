//! A shift of traffic to another region, as reports show it.

use serde::{Deserialize, Serialize};

/// A shift of traffic from one region to another. The times of users are those of
/// [`crate::Run::recoveries`]; these are the times of the move itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// The region that the clients left.
    pub from: String,
    /// The region that they moved to.
    pub to: String,
    /// When `from` became unreachable; `shifted_ms` if it was reachable.
    pub fault_ms: u64,
    /// When the clients moved, in milliseconds since the load began.
    pub shifted_ms: u64,
    /// When the first operation of the moved clients succeeded; `None`: none did.
    pub first_success_ms: Option<u64>,
    /// When the users of `from` were served within the objective again, at the move or later;
    /// `None`: not before the load ended.
    pub objective_ms: Option<u64>,
    /// The effective loss: mutations that `from` had committed when its clients moved, and that
    /// were visible in no other region then, those that it lost with its disk included.
    pub unseen: u64,
}

impl Failover {
    /// The time from the fault until clients were moved: the time to notice and to decide.
    #[must_use]
    pub fn until_move_ms(&self) -> u64 {
        self.shifted_ms.saturating_sub(self.fault_ms)
    }

    /// The time from the move until the first success of the moved clients; `None`: there was none.
    #[must_use]
    pub fn first_success_after_ms(&self) -> Option<u64> {
        Some(self.first_success_ms?.saturating_sub(self.shifted_ms))
    }

    /// The time from the fault until the users of the region were served within the objective;
    /// `None`: they were not before the load ended.
    #[must_use]
    pub fn until_objective_ms(&self) -> Option<u64> {
        Some(self.objective_ms?.saturating_sub(self.fault_ms))
    }
}
