//! Disk faults: a disk that is made slow or full, in drills and simulations.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

/// The faults of a region's disk. Clones share the same disk. They outlive the store, so that they
/// persist over a restart.
#[derive(Debug, Clone, Default)]
pub struct DiskFaults(Arc<Mutex<Faults>>);

/// The current faults of the disk.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    commit_delay: Duration,
    full: bool,
}

impl DiskFaults {
    /// Makes every commit take this much longer from now on; commands that arrive meanwhile wait
    /// for the next one. The default is zero. With [`crate::Execution::Inline`] the delay follows
    /// tokio's clock.
    pub fn set_commit_delay(&self, delay: Duration) {
        self.0.lock().commit_delay = delay;
    }

    /// Sets whether the disk is full. Writes that need more space than the database has then fail
    /// with [`beringia_storage::StoreError::DiskFull`], until the disk is no longer full. Deletes
    /// and upkeep go on, on the reserve of the storage backend.
    pub fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// The additional time that every commit takes.
    #[must_use]
    pub fn commit_delay(&self) -> Duration {
        self.0.lock().commit_delay
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.lock().full
    }
}
