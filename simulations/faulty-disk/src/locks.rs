//! The locks of SQLite's connections: on a database file, and on the index of its write-ahead log.

use std::collections::{BTreeMap, BTreeSet};

/// Identifies an open file.
pub(crate) type Owner = u64;

/// How far a connection has locked a database file (<https://www.sqlite.org/lockingv3.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// The locks on a database file.
#[derive(Debug, Default)]
pub(crate) struct FileLocks(BTreeMap<Owner, Level>);

impl FileLocks {
    /// Raises a lock. Returns false if another connection is in the way.
    pub(crate) fn raise(&mut self, owner: Owner, to: Level) -> bool {
        let others = self.0.iter().filter(|(other, _)| **other != owner);
        let highest = others.map(|(_, level)| *level).max().unwrap_or(Level::None);
        let highest_beside = match to {
            Level::None => return true,
            Level::Shared => Level::Reserved,
            Level::Reserved | Level::Pending => Level::Shared,
            Level::Exclusive => {
                if highest == Level::Shared {
                    // No further connection gets a shared lock.
                    self.0.insert(owner, Level::Pending);
                }
                Level::None
            }
        };
        let is_free = highest <= highest_beside;
        if is_free {
            let level = self.0.entry(owner).or_insert(Level::None);
            *level = to.max(*level);
        }
        is_free
    }

    /// Lowers a lock to [`Level::Shared`] or [`Level::None`].
    pub(crate) fn lower(&mut self, owner: Owner, to: Level) {
        match to {
            Level::None => drop(self.0.remove(&owner)),
            level => drop(self.0.insert(owner, level)),
        }
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.0.values().any(|level| *level >= Level::Reserved)
    }
}

/// The locks on the index of a write-ahead log: slots that are shared or exclusive.
#[derive(Debug, Default)]
pub(crate) struct SlotLocks(BTreeMap<u32, Slot>);

#[derive(Debug, Default)]
struct Slot {
    shared: BTreeSet<Owner>,
    exclusive: Option<Owner>,
}

impl SlotLocks {
    /// Locks all of the slots, or none: returns false if another connection is in the way.
    pub(crate) fn lock(&mut self, owner: Owner, slots: std::ops::Range<u32>, is_exclusive: bool) -> bool {
        let is_free = |slot: &Slot| {
            let is_exclusive_elsewhere = slot.exclusive.is_some_and(|other| other != owner);
            let is_shared_elsewhere = slot.shared.iter().any(|other| *other != owner);
            !is_exclusive_elsewhere && (!is_exclusive || !is_shared_elsewhere)
        };
        if !slots.clone().all(|slot| self.0.get(&slot).is_none_or(is_free)) {
            return false;
        }
        for slot in slots {
            let slot = self.0.entry(slot).or_default();
            if is_exclusive {
                slot.exclusive = Some(owner);
            } else {
                slot.shared.insert(owner);
            }
        }
        true
    }

    pub(crate) fn unlock(&mut self, owner: Owner, slots: std::ops::Range<u32>) {
        for (_, slot) in self.0.range_mut(slots) {
            slot.shared.remove(&owner);
            slot.exclusive.take_if(|holder| *holder == owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_writes_beside_readers() {
        let mut locks = FileLocks::default();
        assert!(locks.raise(1, Level::Shared) && locks.raise(2, Level::Shared));
        assert!(locks.raise(1, Level::Reserved));
        assert!(!locks.raise(2, Level::Reserved));
        assert!(!locks.raise(1, Level::Exclusive), "a reader is left");
        assert!(!locks.raise(3, Level::Shared), "a writer waits");
        locks.lower(2, Level::None);
        assert!(locks.raise(1, Level::Exclusive));
        assert!(locks.is_reserved());
        locks.lower(1, Level::None);
        assert!(!locks.is_reserved() && locks.raise(3, Level::Shared));
    }

    #[test]
    fn slots_are_locked_together() {
        let mut locks = SlotLocks::default();
        assert!(locks.lock(1, 3..4, false) && locks.lock(2, 3..4, false));
        assert!(!locks.lock(1, 2..5, true));
        assert!(locks.lock(2, 2..3, true), "nothing of it was locked");
        locks.unlock(2, 0..8);
        assert!(locks.lock(1, 2..5, true));
        assert!(!locks.lock(2, 3..4, false));
    }
}
