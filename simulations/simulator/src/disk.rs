//! The disk of a simulated region, which outlives its process, in the form of either storage
//! backend.

use std::sync::Arc;

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_faulty_disk::FaultyDisk;
use beringia_scenario::Disks;
use beringia_storage::{StoreError, StoreOptions};
use beringia_storage_memory::MemoryState;
use beringia_storage_sqlite::{Database, DiskFaults, Execution, MemoryDisk, RegionStore};

use crate::SimulationError;

/// The file of a database on a faulty disk.
const DATABASE: &str = "region.db";

/// The storage backend of simulated regions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// SQLite in memory, so that the storage backend that ships is simulated.
    #[default]
    Sqlite,
    /// Ordered maps, which are faster.
    Memory,
}

impl StoreKind {
    /// Both storage backends, for tests that compare them.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Memory];

    /// The name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Memory => "memory",
        }
    }
}

/// Where a region gets its disks from: its first one, and those that replace a lost one.
pub(crate) struct DiskSource {
    store: StoreKind,
    disks: Disks,
    randomness: SeededRandomness,
}

impl DiskSource {
    /// The source of a region's disks.
    ///
    /// # Errors
    /// [`SimulationError::FaultyMemory`] if the disks are to be faulty under ordered maps.
    pub(crate) fn new(store: StoreKind, disks: Disks, randomness: SeededRandomness) -> Result<Self, SimulationError> {
        if (store, disks) == (StoreKind::Memory, Disks::Faulty) {
            return Err(SimulationError::FaultyMemory);
        }
        Ok(Self {
            store,
            disks,
            randomness,
        })
    }

    /// Makes an empty disk for the region.
    pub(crate) fn empty(&self) -> RegionDisk {
        match (self.disks, self.store) {
            (Disks::Faulty, _) => RegionDisk::Faulty(FaultyDisk::new(self.randomness.next_u64())),
            (Disks::Reliable, StoreKind::Sqlite) => RegionDisk::Sqlite(MemoryDisk::new()),
            (Disks::Reliable, StoreKind::Memory) => RegionDisk::Memory(MemoryState::new()),
        }
    }

    /// Makes a copy of a disk as it is now.
    pub(crate) fn copy(&self, disk: &RegionDisk) -> Result<RegionDisk, StoreError> {
        Ok(match disk {
            RegionDisk::Sqlite(disk) => RegionDisk::Sqlite(disk.copy()?),
            RegionDisk::Memory(state) => RegionDisk::Memory(state.copy()),
            RegionDisk::Faulty(disk) => RegionDisk::Faulty(disk.copy(self.randomness.next_u64())),
        })
    }
}

/// The disk of one region, which outlives its store.
#[derive(Debug)]
pub(crate) enum RegionDisk {
    Sqlite(MemoryDisk),
    Memory(MemoryState),
    /// SQLite in a file of a disk that can fail.
    Faulty(FaultyDisk),
}

impl RegionDisk {
    /// The disk if it can fail.
    pub(crate) const fn faulty(&self) -> Option<&FaultyDisk> {
        match self {
            Self::Faulty(disk) => Some(disk),
            Self::Sqlite(_) | Self::Memory(_) => None,
        }
    }

    /// Changes bits in the values of the database. Returns how many.
    pub(crate) fn flip(&self, bits: u32) -> u32 {
        self.faulty()
            .map_or(0, |disk| disk.flip_in_texts(&disk.path(DATABASE), bits))
    }

    /// Opens the store that the disk holds.
    pub(crate) fn open(&self, store: StoreOptions, disk_faults: DiskFaults) -> Result<RegionStore, StoreError> {
        let sqlite = |database| beringia_storage_sqlite::Options::new(store.clone(), database, Execution::Inline);
        match self {
            Self::Sqlite(disk) => {
                let options = beringia_storage_sqlite::Options {
                    disk_faults,
                    ..sqlite(Database::Memory(disk.clone()))
                };
                beringia_storage_sqlite::open(&options)
            }
            Self::Faulty(disk) => {
                let options = beringia_storage_sqlite::Options {
                    disk_faults,
                    file_system: Arc::new(disk.clone()),
                    ..sqlite(Database::File(disk.path(DATABASE)))
                };
                beringia_storage_sqlite::open(&options)
            }
            Self::Memory(state) => {
                let options = beringia_storage_memory::Options {
                    disk_faults,
                    ..beringia_storage_memory::Options::new(store, state.clone(), Execution::Inline)
                };
                beringia_storage_memory::open(&options)
            }
        }
    }
}
