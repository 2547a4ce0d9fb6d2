//! `FaultyDisk`: creating a disk, making it fail, and what is left of it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::{
    state::{Faults, Operation, State},
    vfs,
};

/// The directory that contains a directory for each disk.
const ROOT: &str = "/faulty-disk";

/// The disks of this process.
static DISKS: Mutex<Disks> = Mutex::new(Disks {
    last: 0,
    by_number: BTreeMap::new(),
});

struct Disks {
    /// The number of the last disk.
    last: u64,
    by_number: BTreeMap<u64, Weak<Mutex<State>>>,
}

/// The directory of the disk with this number.
fn directory(number: u64) -> PathBuf {
    Path::new(ROOT).join(number.to_string())
}

/// A disk in memory, with one directory. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    number: u64,
    pub(crate) state: Arc<Mutex<State>>,
}

impl FaultyDisk {
    /// Creates an empty disk without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::attach(|_| State::new(seed))
    }

    /// Creates a disk with what is durable on this one, and without faults: what a snapshot of the
    /// disk has.
    #[must_use]
    pub fn copy(&self, seed: u64) -> Self {
        let state = self.state.lock();
        Self::attach(|number| {
            let directory = directory(number);
            state.copy(seed, |name| {
                name.file_name().map_or_else(PathBuf::new, |name| directory.join(name))
            })
        })
    }

    /// Adds a disk to those of the process. `state` gets its number.
    fn attach(state: impl FnOnce(u64) -> State) -> Self {
        vfs::register();
        let mut disks = DISKS.lock();
        disks.last += 1;
        let number = disks.last;
        let state = Arc::new(Mutex::new(state(number)));
        disks.by_number.retain(|_, disk| disk.strong_count() > 0);
        disks.by_number.insert(number, Arc::downgrade(&state));
        Self { number, state }
    }

    /// The path of a file with this name. No other disk has it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        directory(self.number).join(name)
    }

    /// The state of the disk that a path leads to.
    pub(crate) fn find(path: &Path) -> Option<Arc<Mutex<State>>> {
        let number = path.strip_prefix(ROOT).ok()?.iter().next()?.to_str()?.parse().ok()?;
        DISKS.lock().by_number.get(&number)?.upgrade()
    }

    /// Sets the shares of operations that fail from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// Makes the next operation of that kind fail, on a file whose name ends so.
    pub fn fail_next(&self, operation: Operation, suffix: &str) {
        self.state.lock().next_fault = Some((operation, suffix.to_owned()));
    }

    /// The sum of the lengths of all files.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.state.lock().used_bytes()
    }

    /// Limits the sum of the lengths of all files. `None` for no limit.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state.lock().capacity_bytes = bytes.unwrap_or(usize::MAX);
    }

    /// Inverts a bit of a file. Returns false if the file does not have it.
    pub fn flip(&self, path: &Path, byte: usize, bit: u8) -> bool {
        self.state.lock().flip(path, byte, bit)
    }

    /// Inverts bits in texts of a file: 64 or more letters, digits, spaces and `-_:`. A database
    /// has no texts of this length but in the values that it keeps. Returns how many bits were
    /// inverted: none, if there are no texts.
    pub fn flip_in_texts(&self, path: &Path, bits: u32) -> u32 {
        self.state.lock().flip_in_texts(path, bits)
    }

    /// The number of writes and syncs so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state.lock().changes
    }

    /// Cuts power in the middle of the write or sync that comes after `changes` more. Until
    /// [`lose_power`](Self::lose_power), all operations fail from then on.
    pub fn cut_power_after(&self, changes: u64) {
        let mut state = self.state.lock();
        state.power_cut_at = Some(state.changes + changes + 1);
    }

    /// Cuts power in the middle of one of the next `changes` writes and syncs, as
    /// [`cut_power_after`](Self::cut_power_after) does. The disk's seed chooses which.
    pub fn cut_power_within(&self, changes: u64) {
        self.state.lock().cut_power_within(changes);
    }

    /// Whether the machine has power.
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.state.lock().has_power()
    }

    /// Ends all processes, loses any part of what was not synced, and starts the machine again.
    pub fn lose_power(&self) {
        self.state.lock().lose_power();
    }

    /// Ends all processes as SIGKILL does. What they wrote stays in the page cache.
    pub fn kill(&self) {
        self.state.lock().kill();
    }
}

impl fmt::Debug for FaultyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultyDisk").field(&self.number).finish()
    }
}
