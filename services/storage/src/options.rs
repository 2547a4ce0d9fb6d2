//! Options with which every store is opened, regardless of its storage backend.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use beringia_clock::{DEFAULT_MAX_OFFSET_MS, WallClock};
use beringia_item::{Origin, Region};

use crate::PlantedBug;

/// The default retention of log records for streams, in ms: 24 hours (developer guide, "Change data
/// capture for DynamoDB Streams").
pub const DEFAULT_LOG_RETENTION_MS: u64 = 24 * 60 * 60 * 1000;

/// The default retention of conflicts and unshipped writes, in ms: 30 days.
pub const DEFAULT_CONFLICT_RETENTION_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// The default age, in ms, at which a stream's shard is succeeded by its child: four hours, about
/// what DynamoDB does.
pub const DEFAULT_SHARD_AGE_MS: u64 = 4 * 60 * 60 * 1000;

/// How far back a region looks at least, so that its digests can be compared as of a vector that
/// its peer had a moment ago: what was written since must still be in the log.
pub const COMPARISON_LOOK_BACK: Duration = Duration::from_secs(5);

/// Options with which every store is opened, regardless of its storage backend.
#[derive(Clone)]
pub struct StoreOptions {
    /// The region whose state it is. A database stores its region's name and refuses another.
    pub region: Region,
    /// The wall clock of this region.
    pub clock: Arc<dyn WallClock>,
    /// How far the time of another region's write may be ahead of `clock`, in ms.
    pub max_offset_ms: u64,
    /// The name of the set of regions that the database belongs to. A database that was opened with
    /// one name refuses another.
    pub topology: Option<String>,
    /// How long log records are kept for streams, in ms of `clock`.
    pub log_retention_ms: u64,
    /// How long conflicts and unshipped writes are kept, in ms of `clock` since this region
    /// recorded them.
    pub conflict_retention_ms: u64,
    /// The age at which a stream's open shard is closed and a child continues, in ms of `clock`; at
    /// least 1.
    pub shard_age_ms: u64,
    /// How far back reads can be made ([`crate::Store::as_of`]), and how long records stay in the
    /// log at least, on tokio's clock. With zero, nothing is recorded for it.
    pub look_back: Duration,
    /// While this is set, log records stay although nobody is missing them, and conflicts and
    /// unshipped writes whatever their age, for those who judge by them what became of writes.
    pub keeps_log: Arc<AtomicBool>,
    /// A planted bug for the store, with the feature `planted-bugs`. Only tests of the oracle use
    /// it.
    pub planted_bug: Option<PlantedBug>,
}

impl StoreOptions {
    /// The origin of the store's own writes: the region's only shard.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::of_only_shard(&self.region)
    }

    /// The default offset, retention and shard age, no topology, no looking back.
    #[must_use]
    pub fn new(region: Region, clock: Arc<dyn WallClock>) -> Self {
        Self {
            region,
            clock,
            max_offset_ms: DEFAULT_MAX_OFFSET_MS,
            topology: None,
            log_retention_ms: DEFAULT_LOG_RETENTION_MS,
            conflict_retention_ms: DEFAULT_CONFLICT_RETENTION_MS,
            shard_age_ms: DEFAULT_SHARD_AGE_MS,
            look_back: Duration::ZERO,
            keeps_log: Arc::default(),
            planted_bug: None,
        }
    }
}
