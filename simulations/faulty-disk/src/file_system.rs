//! The disk as a file system for the operations of the store beside SQLite.

use std::{io, path::Path};

use beringia_storage_sqlite::{FileAccess, FileLock, FileSystem};

use crate::{
    disk::FaultyDisk,
    handle::{Creation, Handle},
    state::DiskError,
    vfs,
};

impl From<DiskError> for io::Error {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Gone => Self::other("the machine has lost power"),
            DiskError::Failed => Self::other("the disk failed"),
            DiskError::Full => Self::from(io::ErrorKind::StorageFull),
            DiskError::NotFound => Self::from(io::ErrorKind::NotFound),
        }
    }
}

/// A position or a length on a disk, which is in memory.
fn position(at: u64) -> io::Result<usize> {
    usize::try_from(at).map_err(io::Error::other)
}

impl FileSystem for FaultyDisk {
    fn vfs(&self) -> Option<&str> {
        Some(vfs::NAME)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let mut state = self.state.lock();
        state.check(state.boot)?;
        match state.named(path) {
            Some(file) => Ok(Some(state.file(file)?.content.len() as u64)),
            None => Ok(None),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FileAccess>> {
        Ok(Box::new(Handle::open(&self.state, path, Creation::No)?))
    }

    /// There is no file that only takes space: the store keeps nothing back.
    fn allocate(&self, _: &Path, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.check(state.boot)?;
        Ok(state.remove(path)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.check(state.boot)?;
        Ok(state.rename(from, to)?)
    }

    fn sync_directory_of(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.check(state.boot)?;
        Ok(state.sync_names(path)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<FileLock>> {
        drop(Handle::open(&self.state, path, Creation::Yes)?);
        let mut state = self.state.lock();
        if state.lock_files.contains_key(path) {
            return Ok(None);
        }
        let holder = state.next_id();
        state.lock_files.insert(path.to_owned(), holder);
        let (disk, path) = (self.clone(), path.to_owned());
        Ok(Some(Box::new(LockedFile { disk, path, holder })))
    }
}

/// A file that is locked until this is dropped, or its process ends.
struct LockedFile {
    disk: FaultyDisk,
    path: std::path::PathBuf,
    holder: u64,
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state.lock_files.get(&self.path) == Some(&self.holder) {
            state.lock_files.remove(&self.path);
        }
    }
}

impl FileAccess for Handle {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        Ok(self.read(bytes, position(at)?)?)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        Ok(self.write(bytes, position(at)?)?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(Self::sync(self)?)
    }
}
