//! Open files of a disk, and the memory that the connections to a database share.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
};

use parking_lot::Mutex;

use crate::{
    locks::{Level, Owner, SlotLocks},
    state::{DiskError, FileId, State},
};

/// The index of a write-ahead log: memory that all connections to a database share, in regions of
/// equal size, with locks.
#[derive(Default)]
pub(crate) struct SharedIndex(Mutex<Index>);

#[derive(Default)]
struct Index {
    /// Not in boxes, which would claim that there are no other pointers to them.
    regions: Vec<Arc<[AtomicU64]>>,
    locks: SlotLocks,
    /// The number of files that have it mapped.
    mapped: usize,
}

impl fmt::Debug for SharedIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedIndex").finish_non_exhaustive()
    }
}

/// An open file. A process that was killed keeps its handles, and each operation on them fails.
#[derive(Debug)]
pub(crate) struct Handle {
    state: Arc<Mutex<State>>,
    boot: u64,
    file: FileId,
    name: PathBuf,
    owner: Owner,
    index: Arc<SharedIndex>,
    /// Whether this handle has the index mapped.
    maps: Mutex<bool>,
    /// Whether the next sync also makes the file's name durable.
    syncs_name: Mutex<bool>,
}

/// Whether and how a file is created when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    /// It must exist already; opening it fails otherwise.
    No,
    /// It is created if there is none.
    Yes,
    /// It is created if there is none, and its first sync makes its name durable, too.
    WithSyncedName,
}

impl Handle {
    /// Opens a file, as a process that runs now.
    pub(crate) fn open(state: &Arc<Mutex<State>>, name: &Path, creation: Creation) -> Result<Self, DiskError> {
        let mut guard = state.lock();
        let boot = guard.boot;
        guard.check(boot)?;
        let file = match guard.named(name) {
            Some(file) => file,
            None if creation == Creation::No => return Err(DiskError::NotFound),
            None => guard.create(name)?,
        };
        let (owner, index) = (guard.next_id(), guard.file(file)?.index.clone());
        Ok(Self {
            state: state.clone(),
            boot,
            file,
            name: name.to_owned(),
            owner,
            index,
            maps: Mutex::new(false),
            syncs_name: Mutex::new(creation == Creation::WithSyncedName),
        })
    }

    /// Runs an operation on the file, if the process still runs.
    fn with<T>(&self, work: impl FnOnce(&mut State, (FileId, &Path)) -> Result<T, DiskError>) -> Result<T, DiskError> {
        let mut state = self.state.lock();
        state.check(self.boot)?;
        work(&mut state, (self.file, &self.name))
    }

    pub(crate) fn len(&self) -> Result<usize, DiskError> {
        self.with(|state, (file, _)| Ok(state.file(file)?.content.len()))
    }

    pub(crate) fn read(&self, bytes: &mut [u8], at: usize) -> Result<usize, DiskError> {
        self.with(|state, file| state.read(file, bytes, at))
    }

    pub(crate) fn write(&self, bytes: &[u8], at: usize) -> Result<(), DiskError> {
        self.with(|state, file| state.write(file, bytes, at))
    }

    pub(crate) fn resize(&self, len: usize) -> Result<(), DiskError> {
        self.with(|state, file| state.resize(file, len))
    }

    pub(crate) fn sync(&self) -> Result<(), DiskError> {
        self.with(|state, file| state.sync(file))?;
        // As SQLite's own VFS does: once, after it created a journal or a write-ahead log, and
        // without regard to errors.
        if std::mem::take(&mut *self.syncs_name.lock()) {
            let _ = self.with(|state, (_, name)| state.sync_names(name));
        }
        Ok(())
    }

    /// Raises the lock on the file. Returns false if another connection is in the way.
    pub(crate) fn lock(&self, to: Level) -> Result<bool, DiskError> {
        self.with(|state, (file, _)| Ok(state.file(file)?.locks.raise(self.owner, to)))
    }

    /// Lowers the lock on the file. A process that is gone has none.
    pub(crate) fn unlock(&self, to: Level) {
        let _ = self.with(|state, (file, _)| {
            state.file(file)?.locks.lower(self.owner, to);
            Ok(())
        });
    }

    pub(crate) fn is_reserved(&self) -> Result<bool, DiskError> {
        self.with(|state, (file, _)| Ok(state.file(file)?.locks.is_reserved()))
    }

    /// Shows a region of the shared index to `work`; `None` if there is none and `extends` is
    /// false. The region stays in its place until this handle unmaps the index.
    pub(crate) fn map<T>(
        &self,
        (region, region_bytes): (usize, usize),
        extends: bool,
        work: impl FnOnce(Option<&[AtomicU64]>) -> T,
    ) -> Result<T, DiskError> {
        self.with(|_, _| Ok(()))?;
        let mut index = self.index.0.lock();
        if !std::mem::replace(&mut *self.maps.lock(), true) {
            index.mapped += 1;
        }
        let words = region_bytes.div_ceil(size_of::<AtomicU64>());
        while extends && index.regions.len() <= region {
            index.regions.push((0..words).map(|_| AtomicU64::new(0)).collect());
        }
        Ok(work(index.regions.get(region).map(|region| &**region)))
    }

    /// Locks slots of the index. Returns false if another connection is in the way.
    pub(crate) fn lock_slots(&self, slots: std::ops::Range<u32>, is_exclusive: bool) -> Result<bool, DiskError> {
        self.with(|_, _| Ok(()))?;
        Ok(self.index.0.lock().locks.lock(self.owner, slots, is_exclusive))
    }

    pub(crate) fn unlock_slots(&self, slots: std::ops::Range<u32>) {
        self.index.0.lock().locks.unlock(self.owner, slots);
    }

    /// Gives up the shared index, which is forgotten with its last user.
    pub(crate) fn unmap(&self) {
        if std::mem::take(&mut *self.maps.lock()) {
            let mut index = self.index.0.lock();
            index.locks.unlock(self.owner, 0..u32::MAX);
            index.mapped -= 1;
            if index.mapped == 0 {
                index.regions.clear();
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.unmap();
        self.unlock(Level::None);
    }
}
