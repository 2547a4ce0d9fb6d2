//! How a store is opened: whose it is, where its database is, and what drives it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use beringia_clock::{DEFAULT_MAX_OFFSET_MS, WallClock};
use beringia_item::Region;

use super::{DiskFaults, MemoryDisk};
use crate::PlantedBug;

/// How long log records stay for streams where nothing else is said, ms: 24 hours (developer guide, "Change data capture for
/// DynamoDB Streams").
pub const DEFAULT_LOG_RETENTION_MS: u64 = 24 * 60 * 60 * 1000;

/// How old a stream's shard gets before its child goes on where nothing else is said, ms: four hours, about what DynamoDB does.
pub const DEFAULT_SHARD_AGE_MS: u64 = 4 * 60 * 60 * 1000;

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, made where there is none. SQLite keeps `-wal` and `-shm` files beside it, and this store a `-lock` file.
    File(PathBuf),
    /// Memory that outlives the store.
    Memory(MemoryDisk),
}

/// What drives the committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// A thread of its own; long reads run on tokio's blocking threads.
    Threads,
    /// A task on the current tokio runtime, reads on the caller's: one order of events for one order of calls, as a simulation
    /// needs it.
    Inline,
}

/// What a store is opened with.
#[derive(Clone)]
pub struct Options {
    /// The region whose state it is. A database keeps its region's name and refuses another.
    pub region: Region,
    /// Where the state is.
    pub database: Database,
    /// What drives the committer.
    pub execution: Execution,
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
    /// The greatest size of the database, bytes; beyond it writes fail as on a full disk.
    pub max_bytes: Option<u64>,
    /// What is made wrong with its disk, while the store is open too.
    pub disk_faults: DiskFaults,
    /// A bug that it is to have, where the feature `planted-bugs` is on; it is not for anything but testing tests.
    pub planted_bug: Option<PlantedBug>,
}

impl Options {
    /// The usual offset and retention, no topology, no looking back, no bound on the size.
    #[must_use]
    pub fn new(region: Region, database: Database, execution: Execution, clock: Arc<dyn WallClock>) -> Self {
        Self {
            region,
            database,
            execution,
            clock,
            max_offset_ms: DEFAULT_MAX_OFFSET_MS,
            topology: None,
            log_retention_ms: DEFAULT_LOG_RETENTION_MS,
            shard_age_ms: DEFAULT_SHARD_AGE_MS,
            look_back: Duration::ZERO,
            max_bytes: None,
            disk_faults: DiskFaults::default(),
            planted_bug: None,
        }
    }
}
