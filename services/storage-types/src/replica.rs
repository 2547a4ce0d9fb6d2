//! The replicas of a global table, and their status.

use beringia_item::{Region, VersionVector};
use serde::{Deserialize, Serialize};

/// The status of a replica. The region that requests the replica writes `Creating`; then the
/// replica's own region writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaStatus {
    /// The replica is being bootstrapped.
    Creating {
        /// The region from whose replica it is filled.
        from: Region,
    },
    /// The replica could not be created; the region has nothing of it.
    CreationFailed {
        /// The reason, as clients see it in `ReplicaStatusDescription`.
        reason: String,
    },
    /// The replica is complete and serves reads and writes.
    Active,
    /// The replica is being removed.
    Deleting,
    /// The other regions no longer wait for this replica, because it was unreachable for too long.
    /// They accept none of its writes and keep nothing for it until its region has learned of the
    /// drop and re-bootstrapped it. They write this status to an aspect of its own
    /// (`Aspect::Dropped`), so that no write of the dropped region that does not causally depend on
    /// it overrules it.
    Dropped {
        /// The vector of the other regions for the table. Anything else in the replica's rows
        /// exists nowhere else.
        has: VersionVector,
        /// Whether the replica may return; false if it was removed since.
        returns: bool,
    },
}

impl ReplicaStatus {
    /// Whether the region has the table or is to have it, and the others count on it.
    #[must_use]
    pub const fn is_member(&self) -> bool {
        match self {
            Self::Creating { .. } | Self::Active | Self::Deleting => true,
            Self::CreationFailed { .. } | Self::Dropped { .. } => false,
        }
    }

    /// Whether the replica was complete once, so that others may read it: it is active, or is being
    /// removed (others still need its writes).
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Active | Self::Deleting)
    }

    /// Whether the replica is to stay, so that others wait for it: it is active, or is being
    /// filled.
    #[must_use]
    pub const fn stays(&self) -> bool {
        matches!(self, Self::Creating { .. } | Self::Active)
    }
}

/// A replica of a global table: its status, and the time of the last change of status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields' names say it all")]
pub struct Replica {
    pub status: ReplicaStatus,
    /// When the status last changed, in ms since the Unix epoch.
    pub since_ms: u64,
}
