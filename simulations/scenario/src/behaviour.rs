//! Options that every region is started with, in addition to its place in the topology.

use std::time::Duration;

/// Options that every region is started with. They correspond to flags of `beringia up`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegionOptions {
    /// Whether regions enforce the throughput of tables and global indexes.
    pub throttling: bool,
    /// The greatest age of what reads show that are not consistent; with zero they show the newest
    /// state.
    pub stale_reads: Duration,
    /// How long a change of a table shows in its status, and prevents what it prevents in DynamoDB;
    /// zero for not at all.
    pub slow_changes: Duration,
    /// How long a region may be unreachable for all others before they drop its replicas; `None`
    /// for the default.
    pub max_unreachable: Option<Duration>,
}

impl RegionOptions {
    /// How long a region may be unreachable, in milliseconds.
    #[must_use]
    pub fn max_unreachable_ms(&self) -> Option<u64> {
        let milliseconds = |most: Duration| u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        self.max_unreachable.map(milliseconds)
    }
}

/// The throughput of a table, where regions throttle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableThroughput {
    /// Only these maxima apply, in request units per second.
    OnDemand {
        /// The maximum for reads; `None` for no maximum.
        read_max: Option<u64>,
        /// The maximum for writes; `None` for no maximum.
        write_max: Option<u64>,
    },
    /// The table has these capacity units per second.
    Provisioned {
        /// Capacity units for reads, per second.
        read: u64,
        /// Capacity units for writes, per second.
        write: u64,
    },
}

impl Default for TableThroughput {
    fn default() -> Self {
        Self::OnDemand {
            read_max: None,
            write_max: None,
        }
    }
}
