//! The disk of a simulated region: memory that outlives its process, in the form of either storage
//! backend.

use beringia_storage::{StoreError, StoreOptions};
use beringia_storage_memory::MemoryState;
use beringia_storage_sqlite::{Database, DiskFaults, Execution, MemoryDisk, RegionStore};

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

/// The disk of one region, which outlives its store.
#[derive(Debug)]
pub(crate) enum RegionDisk {
    Sqlite(MemoryDisk),
    Memory(MemoryState),
}

impl RegionDisk {
    /// Creates an empty disk for stores of this kind.
    pub(crate) fn new(kind: StoreKind) -> Self {
        match kind {
            StoreKind::Sqlite => Self::Sqlite(MemoryDisk::new()),
            StoreKind::Memory => Self::Memory(MemoryState::new()),
        }
    }

    /// Copies the disk as it is now.
    pub(crate) fn copy(&self) -> Result<Self, StoreError> {
        Ok(match self {
            Self::Sqlite(disk) => Self::Sqlite(disk.copy()?),
            Self::Memory(state) => Self::Memory(state.copy()),
        })
    }

    /// Opens the store that the disk holds.
    pub(crate) fn open(&self, store: StoreOptions, disk_faults: DiskFaults) -> Result<RegionStore, StoreError> {
        match self {
            Self::Sqlite(disk) => {
                let database = Database::Memory(disk.clone());
                let options = beringia_storage_sqlite::Options {
                    disk_faults,
                    ..beringia_storage_sqlite::Options::new(store, database, Execution::Inline)
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
