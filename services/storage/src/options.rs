//! What every store is opened with, wherever it keeps its state.

use std::{sync::Arc, time::Duration};

use beringia_clock::{DEFAULT_MAX_OFFSET_MS, WallClock};
use beringia_item::{Origin, Region};

use crate::PlantedBug;

/// How long log records stay for streams where nothing else is said, ms: 24 hours (developer guide, "Change data capture for
/// DynamoDB Streams").
pub const DEFAULT_LOG_RETENTION_MS: u64 = 24 * 60 * 60 * 1000;

/// How old a stream's shard gets before its child goes on where nothing else is said, ms: four hours, about what DynamoDB does.
pub const DEFAULT_SHARD_AGE_MS: u64 = 4 * 60 * 60 * 1000;

/// What every store is opened with, wherever it keeps its state.
#[derive(Clone)]
pub struct StoreOptions {
    /// The region whose state it is. A database keeps its region's name and refuses another.
    pub region: Region,
    /// This region's wall time.
    pub clock: Arc<dyn WallClock>,
    /// How far ahead of `clock` the time of another region's write may be, ms.
    pub max_offset_ms: u64,
    /// Names the set of regions that the database belongs to. A database that was opened with one refuses another.
    pub topology: Option<String>,
    /// How long log records stay for streams, ms of `clock`.
    pub log_retention_ms: u64,
    /// How old a stream's open shard gets before it is closed and a child goes on, ms of `clock`; at least 1.
    pub shard_age_ms: u64,
    /// How far back reads can be made ([`crate::Store::moment`]), on tokio's clock; nothing is remembered for it where it is zero.
    pub look_back: Duration,
    /// A bug that it is to have, where the feature `planted-bugs` is on; it is not for anything but testing tests.
    pub planted_bug: Option<PlantedBug>,
}

impl StoreOptions {
    /// The origin of what the store commits: the region's only shard.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::of_only_shard(&self.region)
    }

    /// The usual offset and retention, no topology, no looking back.
    #[must_use]
    pub fn new(region: Region, clock: Arc<dyn WallClock>) -> Self {
        Self {
            region,
            clock,
            max_offset_ms: DEFAULT_MAX_OFFSET_MS,
            topology: None,
            log_retention_ms: DEFAULT_LOG_RETENTION_MS,
            shard_age_ms: DEFAULT_SHARD_AGE_MS,
            look_back: Duration::ZERO,
            planted_bug: None,
        }
    }
}
