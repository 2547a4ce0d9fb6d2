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
    /// What clients could not see in `to` when they moved, and what became of it.
    pub effective_loss: EffectiveLoss,
}

/// The writes of recorded clients that a region had acknowledged when its clients moved, and that
/// the region that they moved to could not see then, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectiveLoss {
    /// Writes that became visible there later, alone or in a write that causally depends on them.
    pub visible_later: u64,
    /// Writes that a concurrent write overruled, wholly or in part: later ones of the moved clients
    /// among them.
    pub lost_to_conflicts: u64,
    /// Writes that were lost with a disk.
    pub lost_with_disk: u64,
    /// Writes that the region keeps as unshipped.
    pub unshipped: u64,
    /// Writes that did not become visible there before the run ended, for another reason.
    pub missing: u64,
    /// Writes of which it is not known whether they were visible: nobody heard when they arrived.
    /// They may have arrived in time, with a copy of the table for example.
    pub unheard: u64,
    /// The most mutations that the region shifted to was without: of all clients and of expiry,
    /// those that arrived there later or never, and the writes that were lost with the disk. Of
    /// applications, these are at most the backlog that the region reported before the loss; `None`
    /// if it reported none. In a drill, mutations of applications that never arrived for another
    /// reason are not known.
    pub mutations_max: Option<u64>,
}

impl EffectiveLoss {
    /// The writes that are known not to have been visible.
    #[must_use]
    pub const fn writes(&self) -> u64 {
        self.visible_later + self.lost_to_conflicts + self.lost_with_disk + self.unshipped + self.missing
    }
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
