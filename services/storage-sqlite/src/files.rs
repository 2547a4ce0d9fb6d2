//! Operations on the files of a database, those of SQLite and those beside it.
//!
//! SQLite reaches its files through a virtual file system (VFS), and this store does some things
//! that SQLite does not offer: it holds a lock file, creates a database under another name, reads
//! a header, syncs a directory. Both must see the same files, so [`FileSystem`] is the one place
//! that says where they are.

use std::{
    any::Any,
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FallocateFlags, fallocate};

use crate::lock::LockFile;

/// Holds a lock until it is dropped.
pub type FileLock = Box<dyn Any + Send>;

/// The files that a database is kept in.
///
/// [`LocalFiles`] is the operating system's file system. Tests and simulations use another, whose
/// disk loses what was not synced and fails on purpose.
pub trait FileSystem: fmt::Debug + Send + Sync {
    /// The name of the SQLite VFS that reaches the same files; `None` for SQLite's default.
    fn vfs(&self) -> Option<&str>;

    /// The length of a file in bytes; `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be determined.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file, or why it cannot be opened.
    fn open(&self, path: &Path) -> io::Result<Box<dyn FileAccess>>;

    /// Creates a file of this length, in place of one with that name, which occupies its space on
    /// the disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if the file system cannot do that, or why it fails, for
    /// example for want of space. A part of the file may exist then.
    fn allocate(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file, or why it cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name. A file that has the name is replaced.
    ///
    /// # Errors
    /// If it cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Syncs the directory that contains the file: its entries are durable then.
    ///
    /// # Errors
    /// If it cannot be synced.
    fn sync_directory_of(&self, path: &Path) -> io::Result<()>;

    /// Locks a file against other processes and other stores of this one, and creates it if there
    /// is none. Returns `None` if it is locked already.
    ///
    /// # Errors
    /// If the file cannot be opened or locked.
    fn lock(&self, path: &Path) -> io::Result<Option<FileLock>>;
}

/// Access to the contents of an open file.
pub trait FileAccess: Send + Sync {
    /// Reads up to the length of `bytes` from a position, and returns how many bytes it read; 0 at
    /// the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all bytes at a position.
    ///
    /// # Errors
    /// If they cannot be written.
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes the contents and the length durable.
    ///
    /// # Errors
    /// If the file cannot be synced.
    fn sync(&self) -> io::Result<()>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy)]
pub struct LocalFiles;

impl FileSystem for LocalFiles {
    fn vfs(&self) -> Option<&str> {
        None
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            metadata => metadata.map(|file| Some(file.len())),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FileAccess>> {
        Ok(Box::new(File::options().read(true).write(true).open(path)?))
    }

    fn allocate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file = File::options().write(true).create(true).truncate(true).open(path)?;
        if bytes > 0 {
            fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
        }
        file.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory_of(&self, path: &Path) -> io::Result<()> {
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<FileLock>> {
        Ok(LockFile::acquire(path)?.map(|lock| Box::new(lock) as FileLock))
    }
}

impl FileAccess for File {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, bytes, at)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The file of a database, and the file system that it is on.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseFile {
    pub(crate) path: PathBuf,
    pub(crate) file_system: Arc<dyn FileSystem>,
}

impl DatabaseFile {
    /// The path with `suffix` appended to its file name.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }

    /// The file with `suffix` appended to its name, on the same file system.
    pub(crate) fn sibling(&self, suffix: &str) -> Self {
        Self {
            path: self.beside(suffix),
            file_system: self.file_system.clone(),
        }
    }

    /// Connects SQLite to the file.
    pub(crate) fn connect(&self, flags: OpenFlags) -> rusqlite::Result<Connection> {
        match self.file_system.vfs() {
            None => Connection::open_with_flags(&self.path, flags),
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.path, flags, vfs),
        }
    }
}
