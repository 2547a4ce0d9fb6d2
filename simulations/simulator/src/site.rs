//! One region of a cluster: its disk, its clock, and its process while it runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use beringia_faulty_disk::{Faults, FaultyDisk};
use beringia_item::Region;
use beringia_node::Node;
use beringia_scenario::DiskFailures;
use beringia_storage::{COMPARISON_LOOK_BACK, PlantedBug, SharedVectors, Store as _, StoreOptions};
use beringia_storage_sqlite::{DiskFaults, RegionStore};
use tokio::task::JoinHandle;

use crate::{
    SimulatedClock, SimulationError,
    disk::{DiskSource, RegionDisk},
    restarts::Restarts,
};

/// How long a commit takes on a healthy disk, about as long as the flush of a good one.
const COMMIT_DELAY: Duration = Duration::from_millis(1);

/// A region's site: the state that outlives its process.
pub(crate) struct Site {
    pub(crate) region: Region,
    disks: DiskSource,
    disk: RegionDisk,
    /// The last copy of the disk.
    copy: Option<DiskCopy>,
    disk_faults: DiskFaults,
    disk_full: bool,
    /// The shares of the disk's operations that fail.
    failing: DiskFailures,
    /// Whether bits of the disk were changed, and the region has not been scrubbed since.
    pub(crate) is_damaged: bool,
    /// Whether the disk was lost or put back, and no process has started on the new one yet.
    pub(crate) disk_new: bool,
    /// The tables whose replication is paused. A restart ends the pause.
    pub(crate) paused: BTreeSet<String>,
    pub(crate) clock: Arc<SimulatedClock>,
    /// When the region is started again after its disk failed.
    pub(crate) restarts: Restarts,
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
    pub(crate) fn new(region: Region, disks: DiskSource, clock: SimulatedClock) -> Self {
        Self {
            region,
            disk: disks.empty(),
            disks,
            copy: None,
            disk_faults: healthy(),
            disk_full: false,
            failing: DiskFailures::default(),
            is_damaged: false,
            disk_new: false,
            paused: BTreeSet::new(),
            clock: Arc::new(clock),
            restarts: Restarts::default(),
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

    /// Returns whether the region runs, its disk has room and works, and its replication is not
    /// paused.
    pub(crate) fn is_healthy(&self) -> bool {
        self.running.is_some() && !self.disk_full && self.is_readable() && self.paused.is_empty()
    }

    /// Returns whether the disk returns what was written to it, as far as that is durable.
    pub(crate) fn is_readable(&self) -> bool {
        self.failing.is_none() && !self.is_damaged
    }

    /// The disk if it can fail.
    ///
    /// # Errors
    /// [`SimulationError::ReliableDisk`] if it cannot.
    pub(crate) fn faulty_disk(&self) -> Result<&FaultyDisk, SimulationError> {
        let disk = self.disk.faulty();
        disk.ok_or_else(|| SimulationError::ReliableDisk(self.region.to_string()))
    }

    /// Why the region failed and is to be started again, if it did and its disk can be the reason.
    pub(crate) fn disk_failed(&self) -> Option<String> {
        let running = self.running.as_ref().filter(|_| self.disk.faulty().is_some())?;
        running.store.failed().filter(|_| !running.store.has_panicked())
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

    /// Fills the disk, or frees it. On a disk that can fail, no file can grow while it is full.
    pub(crate) fn fill_disk(&mut self, full: bool) {
        self.disk_full = full;
        match self.disk.faulty() {
            Some(disk) => disk.set_capacity(full.then(|| disk.used_bytes())),
            None => self.disk_faults.set_full(full),
        }
    }

    /// Makes these shares of the disk's operations fail.
    ///
    /// # Errors
    /// [`SimulationError::ReliableDisk`] if the disk cannot fail.
    pub(crate) fn fail_disk(&mut self, failing: DiskFailures) -> Result<(), SimulationError> {
        let DiskFailures { reads, writes, syncs } = failing;
        self.faulty_disk()?.set_faults(Faults { reads, writes, syncs });
        self.failing = failing;
        Ok(())
    }

    /// Changes bits in the values on the disk, and returns how many.
    ///
    /// # Errors
    /// [`SimulationError::ReliableDisk`] if the disk cannot fail.
    pub(crate) fn flip_bits(&mut self, bits: u32) -> Result<u32, SimulationError> {
        self.faulty_disk()?;
        let flipped = self.disk.flip(bits);
        self.is_damaged |= flipped > 0;
        Ok(flipped)
    }

    /// Takes the disk away from the region's process, which can change nothing on it any more.
    /// What is not synced is lost with power, and otherwise stays in the page cache.
    pub(crate) fn detach_disk(&self, loses_power: bool) {
        match self.disk.faulty() {
            Some(disk) if loses_power => disk.lose_power(),
            Some(disk) => disk.kill(),
            None => {}
        }
        if let Some(running) = &self.running {
            running.store.abandon();
        }
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
        self.disks.copy(disk).map_err(|source| SimulationError::Store {
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
            self.replace_disk(self.copy_of(&copy.disk)?);
        }
        Ok(())
    }

    /// Replaces the disk by an empty one.
    pub(crate) fn lose_disk(&mut self) {
        self.replace_disk(self.disks.empty());
    }

    /// The next disk has no faults.
    fn replace_disk(&mut self, disk: RegionDisk) {
        self.disk = disk;
        self.disk_faults = healthy();
        self.disk_full = false;
        self.failing = DiskFailures::default();
        self.is_damaged = false;
        self.disk_new = true;
    }
}

fn healthy() -> DiskFaults {
    let disk = DiskFaults::default();
    disk.set_commit_delay(COMMIT_DELAY);
    disk
}
