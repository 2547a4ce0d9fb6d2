//! The file that keeps other processes, and other stores of this one, away from a database.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

/// A lock that is held until this is dropped.
///
/// It is given up by name, not by closing the file: a process that is being started by another
/// thread has a copy of every open file until it executes its program, and a lock of flock(2) lasts
/// until the last copy is closed.
#[derive(Debug)]
pub(crate) struct LockFile(File);

impl LockFile {
    /// Locks the file, which is made where there is none; `None` where somebody else holds it.
    ///
    /// # Errors
    /// Where the file cannot be opened or locked.
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
        // Where that fails, closing the file does it.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_though_a_process_that_is_being_started_has_a_copy_of_the_file() {
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
