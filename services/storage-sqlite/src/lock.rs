//! The lock file, which keeps other processes and other stores of this one away from a database.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

/// A lock that is held until this is dropped.
///
/// Dropping it unlocks explicitly instead of just closing the file. A process that another thread
/// is starting has a copy of every open file until it executes its program, and a lock of flock(2)
/// lasts until the last copy is closed.
#[derive(Debug)]
pub(crate) struct LockFile(File);

impl LockFile {
    /// Locks the file, and creates it if there is none. Returns `None` if it is locked already.
    ///
    /// # Errors
    /// If the file cannot be opened or locked.
    pub(crate) fn acquire(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // If this fails, closing the file releases the lock.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that is being started has such a copy.
    #[test]
    fn lock_is_released_although_a_copy_of_the_file_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = LockFile::acquire(&path).unwrap().unwrap();
        assert!(LockFile::acquire(&path).unwrap().is_none(), "it is held");
        let copy = lock.0.try_clone().unwrap();
        drop(lock);
        assert!(LockFile::acquire(&path).unwrap().is_some(), "it was given up");
        drop(copy);
    }
}
