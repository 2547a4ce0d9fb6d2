//! The state of a disk: its files and their names, its faults, and its power.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use beringia_clock::{Randomness as _, SeededRandomness};

use crate::{content::Content, handle::SharedIndex, locks::FileLocks};

/// What a process asks of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Reading from a file.
    Read,
    /// Writing to a file, changing its length, or changing the names of files.
    Write,
    /// Making a file or a directory durable.
    Sync,
}

/// The shares of operations that fail, in percent of each kind.
#[derive(Debug, Default, Clone, Copy)]
pub struct Faults {
    /// A read fails, and SQLite gets nothing of it.
    pub reads: f64,
    /// A write fails, and leaves any part of itself.
    pub writes: f64,
    /// A sync fails, and the disk loses any part of what it should have made durable. Processes
    /// may still see that, and the next sync succeeds without it.
    pub syncs: f64,
}

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskError {
    /// The machine of the process has lost power, or the process was killed.
    Gone,
    Failed,
    Full,
    NotFound,
}

pub(crate) type FileId = u64;

/// A change of the names in the directory.
#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, FileId),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, FileId>) {
        match self {
            Self::Add(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

/// A file, which may have lost its name while it is open.
#[derive(Debug, Default)]
pub(crate) struct StoredFile {
    pub(crate) content: Content,
    pub(crate) locks: FileLocks,
    /// The shared memory with the index of its write-ahead log.
    pub(crate) index: Arc<SharedIndex>,
}

impl StoredFile {
    /// The file as no process has opened it, with what is durable of it.
    fn durable_copy(&self) -> Self {
        Self {
            content: self.content.durable_copy(),
            ..Self::default()
        }
    }
}

/// The state of a disk.
#[derive(Debug)]
pub(crate) struct State {
    names: BTreeMap<PathBuf, FileId>,
    durable_names: BTreeMap<PathBuf, FileId>,
    /// The changes of names since the directory was synced, in their order.
    unsynced_names: Vec<NameChange>,
    files: BTreeMap<FileId, StoredFile>,
    /// Files that a store holds as a lock.
    pub(crate) lock_files: BTreeMap<PathBuf, u64>,
    /// Counts the starts of the machine. What was opened before the last one is gone.
    pub(crate) boot: u64,
    has_power: bool,
    random: SeededRandomness,
    pub(crate) faults: Faults,
    /// The next operation of that kind fails on a file whose name ends so.
    pub(crate) next_fault: Option<(Operation, String)>,
    pub(crate) capacity_bytes: usize,
    /// The number of writes and syncs so far.
    pub(crate) changes: u64,
    /// Power is lost in the middle of the change of that number.
    pub(crate) power_cut_at: Option<u64>,
    last_id: u64,
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            files: BTreeMap::new(),
            lock_files: BTreeMap::new(),
            boot: 0,
            has_power: true,
            random: SeededRandomness::new(seed),
            faults: Faults::default(),
            next_fault: None,
            capacity_bytes: usize::MAX,
            changes: 0,
            power_cut_at: None,
            last_id: 0,
        }
    }

    /// A disk with what is durable on this one, under names that `rename` makes of the names here.
    pub(crate) fn copy(&self, seed: u64, rename: impl Fn(&Path) -> PathBuf) -> Self {
        let names = self.durable_names.iter().map(|(name, file)| (rename(name), *file));
        let names: BTreeMap<PathBuf, FileId> = names.collect();
        let copied = |file: &FileId| Some((*file, self.files.get(file)?.durable_copy()));
        Self {
            files: names.values().filter_map(copied).collect(),
            durable_names: names.clone(),
            names,
            last_id: self.last_id,
            ..Self::new(seed)
        }
    }

    pub(crate) const fn has_power(&self) -> bool {
        self.has_power
    }

    /// Cuts power in the middle of one of so many changes that come next.
    pub(crate) fn cut_power_within(&mut self, changes: u64) {
        self.power_cut_at = Some(self.changes + 1 + self.random.below(changes));
    }

    /// The sum of the lengths of all files.
    pub(crate) fn used_bytes(&self) -> usize {
        self.files.values().map(|file| file.content.len()).sum()
    }

    /// A number that was not used before.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn file(&mut self, file: FileId) -> Result<&mut StoredFile, DiskError> {
        self.files.get_mut(&file).ok_or(DiskError::NotFound)
    }

    pub(crate) fn named(&self, name: &Path) -> Option<FileId> {
        self.names.get(name).copied()
    }

    /// Whether a process that started with that boot still runs.
    pub(crate) fn check(&self, boot: u64) -> Result<(), DiskError> {
        let runs = self.has_power && self.boot == boot;
        runs.then_some(()).ok_or(DiskError::Gone)
    }

    /// Begins an operation: power may be lost, or the operation may be one of those that fail.
    fn begin(&mut self, operation: Operation, name: &Path) -> Result<(), DiskError> {
        if operation != Operation::Read {
            self.changes += 1;
            if self.power_cut_at == Some(self.changes) {
                self.has_power = false;
                return Err(DiskError::Gone);
            }
        }
        let is_next = self.next_fault.take_if(|(kind, suffix)| {
            let name = name.as_os_str().as_encoded_bytes();
            *kind == operation && name.ends_with(suffix.as_bytes())
        });
        let percent = match operation {
            Operation::Read => self.faults.reads,
            Operation::Write => self.faults.writes,
            Operation::Sync => self.faults.syncs,
        };
        let fails = is_next.is_some() || (percent > 0.0 && self.random.unit_f64() * 100.0 < percent);
        if fails { Err(DiskError::Failed) } else { Ok(()) }
    }

    pub(crate) fn read(
        &mut self,
        (file, name): (FileId, &Path),
        bytes: &mut [u8],
        at: usize,
    ) -> Result<usize, DiskError> {
        self.begin(Operation::Read, name)?;
        Ok(self.file(file)?.content.read(bytes, at))
    }

    pub(crate) fn write(&mut self, (file, name): (FileId, &Path), bytes: &[u8], at: usize) -> Result<(), DiskError> {
        match self.begin(Operation::Write, name) {
            Ok(()) => {}
            // In the page cache, from where any part may have reached the disk.
            Err(DiskError::Gone) => {
                self.file(file)?.content.write(bytes, at);
                return Err(DiskError::Gone);
            }
            Err(error) => {
                let written = self.random.below(bytes.len() as u64 + 1);
                let written = usize::try_from(written).unwrap_or(0);
                self.file(file)?.content.write(&bytes[..written], at);
                return Err(error);
            }
        }
        let used = self.used_bytes();
        let content = &mut self.file(file)?.content;
        let grows = (at + bytes.len()).saturating_sub(content.len());
        if grows > 0 && used + grows > self.capacity_bytes {
            return Err(DiskError::Full);
        }
        self.file(file)?.content.write(bytes, at);
        Ok(())
    }

    pub(crate) fn resize(&mut self, (file, name): (FileId, &Path), len: usize) -> Result<(), DiskError> {
        let begun = self.begin(Operation::Write, name);
        if begun != Err(DiskError::Failed) {
            self.file(file)?.content.resize(len);
        }
        begun
    }

    pub(crate) fn sync(&mut self, (file, name): (FileId, &Path)) -> Result<(), DiskError> {
        let begun = self.begin(Operation::Sync, name);
        let (survives, evicts) = (self.survival(), self.random.below(2) == 0);
        let random = &self.random;
        let stored = self.files.get_mut(&file).ok_or(DiskError::NotFound)?;
        match begun {
            Ok(()) => stored.content.sync(),
            Err(DiskError::Failed) => {
                stored.content.settle(|| random.below(SURVIVAL_PARTS) < survives);
                if evicts {
                    stored.content.evict();
                }
            }
            Err(_) => {}
        }
        begun
    }

    pub(crate) fn sync_names(&mut self, name: &Path) -> Result<(), DiskError> {
        self.begin(Operation::Sync, name)?;
        self.durable_names.clone_from(&self.names);
        self.unsynced_names.clear();
        Ok(())
    }

    pub(crate) fn create(&mut self, name: &Path) -> Result<FileId, DiskError> {
        let file = self.next_id();
        self.files.insert(file, StoredFile::default());
        self.change_name(name, NameChange::Add(name.to_owned(), file))?;
        Ok(file)
    }

    pub(crate) fn remove(&mut self, name: &Path) -> Result<(), DiskError> {
        self.named(name).ok_or(DiskError::NotFound)?;
        self.change_name(name, NameChange::Remove(name.to_owned()))
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.named(from).ok_or(DiskError::NotFound)?;
        self.change_name(from, NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn change_name(&mut self, name: &Path, change: NameChange) -> Result<(), DiskError> {
        let begun = self.begin(Operation::Write, name);
        if begun != Err(DiskError::Failed) {
            change.apply(&mut self.names);
            self.unsynced_names.push(change);
        }
        begun
    }

    pub(crate) fn flip(&mut self, name: &Path, at: usize, bit: u8) -> bool {
        let file = self.named(name).and_then(|file| self.files.get_mut(&file));
        file.is_some_and(|file| file.content.flip(at, bit))
    }

    /// Inverts so many bits in texts of a file, and returns how many it inverted.
    pub(crate) fn flip_in_texts(&mut self, name: &Path, bits: u32) -> u32 {
        let texts = |state: &mut Self| Some(state.file(state.named(name)?).ok()?.content.durable_texts());
        let texts = texts(self).unwrap_or_default();
        let len: usize = texts.iter().map(ExactSizeIterator::len).sum();
        let mut flipped = 0;
        for _ in 0..bits {
            let (drawn, bit) = (self.random.below(len as u64), self.random.below(8));
            let mut place = usize::try_from(drawn).unwrap_or(0);
            let byte = texts.iter().find_map(|text| {
                let byte = (place < text.len()).then(|| text.start + place);
                place = place.saturating_sub(text.len());
                byte
            });
            let bit = u8::try_from(bit).unwrap_or(0);
            flipped += u32::from(byte.is_some_and(|byte| self.flip(name, byte, bit)));
        }
        flipped
    }

    /// Ends all processes; the page cache stays.
    pub(crate) fn kill(&mut self) {
        self.boot += 1;
        self.has_power = true;
        self.power_cut_at = None;
        self.lock_files.clear();
        for file in self.files.values_mut() {
            file.locks = FileLocks::default();
            file.index = Arc::default();
        }
    }

    /// Ends all processes, and loses any part of what was not synced.
    pub(crate) fn lose_power(&mut self) {
        // The journal of a file system keeps changes of names in their order.
        let kept = self.random.below(self.unsynced_names.len() as u64 + 1);
        let kept = usize::try_from(kept).unwrap_or(0);
        for change in self.unsynced_names.drain(..).take(kept) {
            change.apply(&mut self.durable_names);
        }
        self.names.clone_from(&self.durable_names);
        let (survives, random) = (self.survival(), &self.random);
        for file in self.files.values_mut() {
            file.content.settle(|| random.below(SURVIVAL_PARTS) < survives);
            file.content.evict();
        }
        let names = &self.names;
        self.files.retain(|id, _| names.values().any(|named| named == id));
        self.kill();
    }

    /// How many of [`SURVIVAL_PARTS`] sectors survive: none, some, most, or all.
    fn survival(&self) -> u64 {
        match self.random.below(4) {
            0 => 0,
            1 => 1 + self.random.below(SURVIVAL_PARTS - 1),
            2 => SURVIVAL_PARTS - 1,
            _ => SURVIVAL_PARTS,
        }
    }
}

/// The denominator of the share of sectors that survive.
const SURVIVAL_PARTS: u64 = 16;
