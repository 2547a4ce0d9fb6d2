//! Memory that outlives the store: the disk of a simulated region.

use std::{fmt, sync::Arc};

use beringia_item::Region;
use beringia_storage::{StoreError, StoreOptions, backend::CommitNumber};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{data::Data, fault::Faults};

/// Memory that keeps a region's state when its store is gone. Clones are the same memory. Opening it again takes
/// it away from the store before, which then only answers [`StoreError::Closed`], but where former holders are
/// [tolerated](Faults::tolerate_former_holders).
#[derive(Clone, Default)]
pub struct MemoryState {
    held: Arc<RwLock<Held>>,
    faults: Faults,
}

/// The state, and who may commit to it.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) data: Data,
    pub(crate) commits: CommitNumber,
    /// Counts those that had the memory. One with an older number lost it.
    pub(crate) holder: u64,
    /// Counts what was erased: whoever opened the memory before has nothing any more.
    pub(crate) life: u64,
    identity: Option<(Region, Option<String>)>,
    pub(crate) listeners: Vec<Arc<dyn Fn() + Send + Sync>>,
}

impl MemoryState {
    /// Empty memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is made wrong with commits.
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

    /// Loses everything that is in it. The store that had it is cut off, as by [`MemoryState::detach`]; the next
    /// one finds it empty.
    pub fn erase(&self) {
        let mut held = self.held.write();
        *held = Held {
            holder: held.holder + 1,
            life: held.life + 1,
            ..Held::default()
        };
    }

    /// Checks whose state it is, and says in which life of the memory that was.
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

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Held> {
        // Visitors may make further calls while somebody waits to write.
        self.held.read_recursive()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write()
    }
}

impl fmt::Debug for MemoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryState").finish_non_exhaustive()
    }
}
