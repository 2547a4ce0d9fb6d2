//! A disk that is made slow or full on purpose, as drills and simulations do.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

/// How well a region's disk is. Clones are the same disk. It outlives the store, so that a disk is as it was
/// after a restart.
#[derive(Debug, Clone, Default)]
pub struct DiskFaults(Arc<Mutex<Faults>>);

/// What is wrong with the disk now.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    commit_delay: Duration,
    full: bool,
}

impl DiskFaults {
    /// From now on every commit takes so much longer; commands that come meanwhile wait for the next one. Zero
    /// at first. With [`crate::Execution::Inline`] the time is that of tokio's clock.
    pub fn set_commit_delay(&self, delay: Duration) {
        self.0.lock().commit_delay = delay;
    }

    /// Whether the disk is full: then what needs more room than the database has fails with
    /// [`beringia_storage::StoreError::DiskFull`], until it is no longer full.
    pub fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// How much longer every commit takes.
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
