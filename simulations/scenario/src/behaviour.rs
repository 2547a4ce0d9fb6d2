//! What every region is started with beside its place in the topology.

use std::time::Duration;

/// What every region is started with: what the flags of `beringia up` of the same names do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Whether tables and global indexes are held to their throughput.
    pub throttling: bool,
    /// How old at most what reads show that are not consistent; zero: they show the newest.
    pub stale_reads: Duration,
    /// How long a change of a table shows in its status, and hinders what it hinders in DynamoDB; zero: not at all.
    pub slow_changes: Duration,
    /// How long a region may be out of reach of all others before they drop its replicas; `None`: the usual time.
    pub max_unreachable: Option<Duration>,
}

impl Behaviour {
    /// How long a region may be unreachable, milliseconds.
    #[must_use]
    pub fn max_unreachable_ms(&self) -> Option<u64> {
        let milliseconds = |most: Duration| u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        self.max_unreachable.map(milliseconds)
    }
}

/// What a table is held to, where regions throttle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// To nothing but these maxima, request units per second.
    OnDemand {
        /// Of reads; `None`: any.
        read_max: Option<u64>,
        /// Of writes; `None`: any.
        write_max: Option<u64>,
    },
    /// To these capacity units per second.
    Provisioned {
        /// Of reads.
        read: u64,
        /// Of writes.
        write: u64,
    },
}

impl Default for Billing {
    fn default() -> Self {
        Self::OnDemand {
            read_max: None,
            write_max: None,
        }
    }
}
