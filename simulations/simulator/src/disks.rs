//! The disks of a cluster's regions: how they are made slow or full, fail, are copied and put back,
//! and lose power.

use std::time::Duration;

use beringia_item::{RANGES, TableId};
use beringia_scenario::DiskFailures;
use beringia_storage::SharedVectors;
use tokio::time::{Instant, sleep};

use crate::{Cluster, SimulationError, restarts::ProcessEnd};

/// Power is lost in the middle of one of so many writes and syncs: those of a few commits.
const POWER_CUT_CHANGES: u64 = 64;
/// A disk to which nothing is written loses power after this time.
const POWER_CUT_WITHIN: Duration = Duration::from_millis(100);
/// How often it is checked whether power was lost: as often as a commit can be made.
const POWER_CHECK_EVERY: Duration = Duration::from_millis(1);

impl Cluster {
    /// Fills a region's disk so that it takes no more writes, or frees it.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] if the topology does not have it.
    pub fn fill_disk(&mut self, name: &str, full: bool) -> Result<(), SimulationError> {
        self.site_mut(name)?.fill_disk(full);
        Ok(())
    }

    /// Makes every commit of a region take this much longer than on a healthy disk.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] if the topology does not have it.
    pub fn slow_disk(&self, name: &str, by: Duration) -> Result<(), SimulationError> {
        self.site(name)?.slow_disk(by);
        Ok(())
    }

    /// Makes these shares of the operations on a region's disk fail from now on.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`], or [`SimulationError::ReliableDisk`] if the disk cannot
    /// fail.
    pub fn fail_disk(&mut self, name: &str, failing: DiskFailures) -> Result<(), SimulationError> {
        self.site_mut(name)?.fail_disk(failing)
    }

    /// Changes bits in the values on a region's disk, as far as there are long ones.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`], or [`SimulationError::ReliableDisk`] if the disk cannot
    /// fail.
    pub fn flip_bits(&mut self, name: &str, bits: u32) -> Result<(), SimulationError> {
        let flipped = self.site_mut(name)?.flip_bits(bits)?;
        self.trace
            .note(format_args!("{flipped} bits of the disk of {name} have changed"));
        Ok(())
    }

    /// Cuts the power of a region's machine in the middle of one of the next writes and syncs, and
    /// in any case within a tenth of a second.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`], [`SimulationError::NotRunning`], or
    /// [`SimulationError::ReliableDisk`] if the disk cannot fail.
    pub async fn lose_power(&mut self, name: &str) -> Result<(), SimulationError> {
        let disk = self.site(name)?.faulty_disk()?.clone();
        disk.cut_power_within(POWER_CUT_CHANGES);
        let latest = Instant::now() + POWER_CUT_WITHIN;
        while disk.has_power() && Instant::now() < latest {
            sleep(POWER_CHECK_EVERY).await;
        }
        self.end_process(name, ProcessEnd::PowerLost)
    }

    /// Keeps a copy of a running region's disk.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`], [`SimulationError::NotRunning`], or
    /// [`SimulationError::Store`] if the disk cannot be copied.
    pub fn copy_disk(&mut self, name: &str) -> Result<(), SimulationError> {
        self.site_mut(name)?.copy_disk()
    }

    /// The vectors of a region's tables on the last copy of its disk.
    pub(crate) fn copied_vectors(&self, name: &str) -> Result<SharedVectors, SimulationError> {
        Ok(self.site(name)?.copied_vectors())
    }

    /// Crashes a region, and puts the last copy of its disk back.
    ///
    /// # Errors
    /// Those of [`Cluster::crash_region`], and [`SimulationError::Store`] if the copy cannot be
    /// read.
    pub fn restore_disk(&mut self, name: &str) -> Result<(), SimulationError> {
        self.crash_region(name, false)?;
        self.site_mut(name)?.restore_disk()
    }

    /// Ends the failures of a region's disk, and starts the region if it is down because of them.
    /// Does nothing to disks that cannot fail.
    ///
    /// # Errors
    /// [`SimulationError`] if the region does not start.
    pub(crate) async fn make_readable(&mut self, name: &str) -> Result<(), SimulationError> {
        if self.site(name)?.faulty_disk().is_ok() {
            self.fail_disk(name, DiskFailures::default())?;
            self.restart_failed(name).await?;
        }
        Ok(())
    }

    /// Scrubs a region of whose disk bits have changed, so that the damage is found and peers
    /// repair it. Does nothing for other regions.
    ///
    /// # Errors
    /// [`SimulationError`] if the region does not start, or if its rows cannot be verified.
    pub(crate) async fn scrub_damaged(&mut self, name: &str) -> Result<(), SimulationError> {
        if !self.site(name)?.is_damaged {
            return Ok(());
        }
        // What SQLite has in memory hides the damage.
        self.end_process(name, ProcessEnd::Killed)?;
        self.start_region(name).await?;
        let store = self.store(name)?;
        let catalog = store.catalog();
        let held = catalog.by_id.values().filter(|table| table.held).map(|table| table.id);
        let tables: Vec<TableId> = [TableId::CATALOG, TableId::LOCAL].into_iter().chain(held).collect();
        // Index entries of an item that the first round removes may be in ranges that it has
        // verified before.
        for table in tables.repeat(2) {
            for range in 0..RANGES {
                let verified = store.verify_range(table, range).await;
                verified.map_err(|source| SimulationError::Store {
                    region: name.to_owned(),
                    source,
                })?;
            }
        }
        self.site_mut(name)?.is_damaged = false;
        Ok(())
    }
}
