//! Memory that outlives the store: the disk of a simulated region.

use std::{fmt, sync::Arc};

use beringia_item::Region;
use beringia_storage::{StoreError, StoreOptions, backend::CommitNumber};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{data::MemoryData, fault::Faults};

/// Memory that keeps a region's state when its store is gone. Clones share the same memory. Opening
/// it again takes it away from the previous store, which then only answers [`StoreError::Closed`],
/// unless former holders are [tolerated](Faults::tolerate_former_holders).
#[derive(Clone, Default)]
pub struct MemoryState {
    held: Arc<RwLock<LeasedState>>,
    faults: Faults,
}

/// The state, and the store that may commit to it.
#[derive(Default)]
pub(crate) struct LeasedState {
    pub(crate) data: MemoryData,
    pub(crate) commits: CommitNumber,
    /// The number of stores that have had the memory. A store with an older number has lost it.
    pub(crate) holder: u64,
    /// The number of erasures. A store that opened the memory before the last one has nothing any
    /// more.
    pub(crate) life: u64,
    identity: Option<(Region, Option<String>)>,
    pub(crate) listeners: Vec<Arc<dyn Fn() + Send + Sync>>,
}

impl MemoryState {
    /// Creates an empty memory, whose commits do not fail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The faults of this memory's commits.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Takes the memory away from its store, as a crash would.
    pub fn detach(&self) {
        let mut held = self.held.write();
        held.holder += 1;
        held.life += 1;
        held.listeners.clear();
    }

    /// Erases all contents. The current store is cut off, as by [`MemoryState::detach`]; the next
    /// one finds the memory empty.
    pub fn erase(&self) {
        let mut held = self.held.write();
        *held = LeasedState {
            holder: held.holder + 1,
            life: held.life + 1,
            ..LeasedState::default()
        };
    }

    /// Copies the contents, as of the last commit, to a memory of its own, whose commits do not
    /// fail.
    #[must_use]
    pub fn copy(&self) -> Self {
        let held = self.read();
        let copy = LeasedState {
            data: held.data.clone(),
            commits: held.commits,
            identity: held.identity.clone(),
            ..LeasedState::default()
        };
        Self {
            held: Arc::new(RwLock::new(copy)),
            faults: Faults::default(),
        }
    }

    /// Checks that the state is of this region and topology, and returns the memory's current life.
    pub(crate) fn open(&self, options: &StoreOptions) -> Result<u64, StoreError> {
        let mut held = self.held.write();
        let unusable = |what: String| StoreError::Unusable {
            path: "in memory".to_owned(),
            what,
        };
        match &mut held.identity {
            None => held.identity = Some((options.region.clone(), options.topology.clone())),
            Some((region, _)) if *region != options.region => {
                return Err(unusable(format!(
                    "belongs to region {region}, not to {}",
                    options.region
                )));
            }
            Some((_, topology)) => match (&topology, &options.topology) {
                (Some(found), Some(wanted)) if found != wanted => {
                    return Err(unusable(format!("belongs to another topology: {found}, not {wanted}")));
                }
                (None, Some(wanted)) => *topology = Some(wanted.clone()),
                _ => {}
            },
        }
        Ok(held.life)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, LeasedState> {
        // A recursive lock: visitors may make further calls while a writer waits.
        self.held.read_recursive()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, LeasedState> {
        self.held.write()
    }
}

impl fmt::Debug for MemoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryState").finish_non_exhaustive()
    }
}
