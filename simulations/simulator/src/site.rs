//! One region of a cluster: its disk, its clock, and its process while it runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use beringia_item::Region;
use beringia_node::Node;
use beringia_storage::{COMPARISON_LOOK_BACK, PlantedBug, SharedVectors, Store as _, StoreOptions};
use beringia_storage_sqlite::{DiskFaults, RegionStore};
use tokio::task::JoinHandle;

use crate::{
    SimulatedClock, SimulationError,
    disk::{RegionDisk, StoreKind},
};

/// How long a commit takes on a healthy disk, about as long as the flush of a good one.
const COMMIT_DELAY: Duration = Duration::from_millis(1);

/// A region's site: the state that outlives its process.
pub(crate) struct Site {
    pub(crate) region: Region,
    disk: RegionDisk,
    /// The last copy of the disk.
    copy: Option<DiskCopy>,
    disk_faults: DiskFaults,
    disk_full: bool,
    /// Whether the disk was lost or put back, and no process has started on the new one yet.
    pub(crate) disk_new: bool,
    /// The tables whose replication is paused. A restart ends the pause.
    pub(crate) paused: BTreeSet<String>,
    pub(crate) clock: Arc<SimulatedClock>,
    /// How often the region's process was started.
    pub(crate) starts: u32,
    pub(crate) running: Option<Running>,
}

/// A copy of a region's disk, with the vectors of its tables.
struct DiskCopy {
    disk: RegionDisk,
    vectors: SharedVectors,
}

/// The process of a running region.
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) store: Arc<RegionStore>,
    pub(crate) recording: JoinHandle<()>,
}

impl Site {
    /// Creates a region that was never started, with an empty disk.
    pub(crate) fn new(region: Region, store: StoreKind, clock: SimulatedClock) -> Self {
        Self {
            region,
            disk: RegionDisk::new(store),
            copy: None,
            disk_faults: healthy(),
            disk_full: false,
            disk_new: false,
            paused: BTreeSet::new(),
            clock: Arc::new(clock),
            starts: 0,
            running: None,
        }
    }

    /// Returns the region's process.
    ///
    /// # Errors
    /// [`SimulationError::NotRunning`] if the region is down.
    pub(crate) fn running(&self) -> Result<&Running, SimulationError> {
        let running = self.running.as_ref();
        running.ok_or_else(|| SimulationError::NotRunning(self.region.to_string()))
    }

    /// Returns whether the region runs, its disk has room, and its replication is not paused.
    pub(crate) fn is_healthy(&self) -> bool {
        self.running.is_some() && !self.disk_full && self.paused.is_empty()
    }

    /// Opens the store for another start.
    ///
    /// # Errors
    /// [`SimulationError::Store`] if the store cannot be opened.
    pub(crate) fn open(
        &mut self,
        planted_bug: Option<PlantedBug>,
        look_back: Duration,
    ) -> Result<Arc<RegionStore>, SimulationError> {
        self.starts += 1;
        self.disk_new = false;
        let options = StoreOptions {
            planted_bug,
            look_back: look_back.max(COMPARISON_LOOK_BACK),
            // The oracle reads it at the end.
            keeps_log: Arc::new(AtomicBool::new(true)),
            ..StoreOptions::new(self.region.clone(), self.clock.clone())
        };
        let opened = self.disk.open(options, self.disk_faults.clone());
        opened.map(Arc::new).map_err(|source| SimulationError::Store {
            region: self.region.to_string(),
            source,
        })
    }

    pub(crate) fn fill_disk(&mut self, full: bool) {
        self.disk_full = full;
        self.disk_faults.set_full(full);
    }

    /// Makes every commit take this much longer than on a healthy disk.
    pub(crate) fn slow_disk(&self, by: Duration) {
        self.disk_faults.set_commit_delay(COMMIT_DELAY + by);
    }

    /// Keeps a copy of the disk.
    ///
    /// # Errors
    /// [`SimulationError::NotRunning`] if the region is down, and [`SimulationError::Store`] if the
    /// disk cannot be copied.
    pub(crate) fn copy_disk(&mut self) -> Result<(), SimulationError> {
        let vectors = self.running()?.store.vectors();
        let disk = self.copy_of(&self.disk)?;
        self.copy = Some(DiskCopy { disk, vectors });
        Ok(())
    }

    fn copy_of(&self, disk: &RegionDisk) -> Result<RegionDisk, SimulationError> {
        disk.copy().map_err(|source| SimulationError::Store {
            region: self.region.to_string(),
            source,
        })
    }

    /// The vectors of the tables on the copy of the disk.
    pub(crate) fn copied_vectors(&self) -> SharedVectors {
        self.copy.as_ref().map(|copy| copy.vectors.clone()).unwrap_or_default()
    }

    /// Puts the copy of the disk back, which can be put back again later. Does nothing without a
    /// copy.
    ///
    /// # Errors
    /// [`SimulationError::Store`] if the disk cannot be copied.
    pub(crate) fn restore_disk(&mut self) -> Result<(), SimulationError> {
        if let Some(copy) = &self.copy {
            self.disk = self.copy_of(&copy.disk)?;
            self.disk_faults = healthy();
            self.disk_full = false;
            self.disk_new = true;
        }
        Ok(())
    }

    /// Replaces the disk by an empty one.
    pub(crate) fn lose_disk(&mut self, store: StoreKind) {
        self.disk = RegionDisk::new(store);
        self.disk_faults = healthy();
        self.disk_full = false;
        self.disk_new = true;
    }
}

fn healthy() -> DiskFaults {
    let disk = DiskFaults::default();
    disk.set_commit_delay(COMMIT_DELAY);
    disk
}
