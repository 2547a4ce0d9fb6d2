//! Replicas of a global table, and where each stands.

use beringia_item::{Region, VersionVector};
use serde::{Deserialize, Serialize};

/// Where a replica stands. Written by the region that asks for it (`Creating`) and then by the
/// replica's own region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaStatus {
    /// Being filled.
    Creating {
        /// From which replica.
        from: Region,
    },
    /// It could not be made; the region holds nothing of it.
    CreationFailed {
        /// Why.
        reason: String,
    },
    /// Complete; takes reads and writes.
    Active,
    /// On its way out.
    Deleting,
    /// The others no longer wait for it, because it was out of reach for too long: nobody takes its
    /// writes or keeps anything for it until its region has heard of that, and has begun it anew.
    /// Said by them, in an aspect of its own (`Aspect::Dropped`), which nothing overrules that the
    /// region writes without knowing.
    Dropped {
        /// What of the table they had; what else its rows hold is with nobody else.
        has: VersionVector,
        /// Whether it may come back; false where somebody removed it since.
        returns: bool,
    },
}

impl ReplicaStatus {
    /// Whether the region has the table, or is to have it, and the others count on it.
    #[must_use]
    pub const fn is_member(&self) -> bool {
        match self {
            Self::Creating { .. } | Self::Active | Self::Deleting => true,
            Self::CreationFailed { .. } | Self::Dropped { .. } => false,
        }
    }

    /// Whether the replica was complete once, so that others may read it: it is active, or on its
    /// way out (others have to get what it wrote).
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Active | Self::Deleting)
    }

    /// Whether the replica is there to stay, so that others wait for it: it is active, or is being
    /// filled.
    #[must_use]
    pub const fn stays(&self) -> bool {
        matches!(self, Self::Creating { .. } | Self::Active)
    }
}

/// A replica of a global table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Where it stands.
    pub status: ReplicaStatus,
    /// Since when, ms since the epoch.
    pub since_ms: u64,
}
