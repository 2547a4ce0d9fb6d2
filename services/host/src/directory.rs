//! The data directory: which topology it belongs to, and where each region's database is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::error::DirectoryError;

/// The file that names the topology to which the directory belongs: the names of its regions, as
/// `Topology::identity` writes them.
const MARKER: &str = "topology";

/// A data directory that was inspected and not changed.
pub(crate) struct DataDirectory {
    path: PathBuf,
    identity: String,
    /// Whether the file exists already.
    marked: bool,
    /// The topmost directory that does not exist yet.
    missing: Option<PathBuf>,
}

impl DataDirectory {
    /// Checks that the directory belongs to this topology, or to none yet. Changes nothing.
    ///
    /// # Errors
    /// If it belongs to another topology, or cannot be read.
    pub(crate) fn inspect(path: &Path, identity: &str) -> Result<Self, DirectoryError> {
        let unreadable = |source| DirectoryError::Unreadable {
            path: path.to_path_buf(),
            source,
        };
        let marked = match fs::read_to_string(path.join(MARKER)) {
            Ok(found) if found.trim_end() == identity => true,
            Ok(found) => {
                return Err(DirectoryError::Foreign {
                    path: path.to_path_buf(),
                    found: found.trim_end().to_owned(),
                    identity: identity.to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(unreadable(error)),
        };
        let missing = path
            .ancestors()
            .take_while(|p| !p.as_os_str().is_empty() && !p.exists())
            .last()
            .map(Path::to_path_buf);
        if missing.is_none() && !path.is_dir() {
            return Err(unreadable(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self {
            path: path.to_path_buf(),
            identity: identity.to_owned(),
            marked,
            missing,
        })
    }

    /// The path of a region's database.
    pub(crate) fn database(&self, region: &str) -> PathBuf {
        self.path.join(format!("{region}.db"))
    }

    /// Creates the directory if it does not exist. It is removed again if `Created` is dropped
    /// before [`Created::keep`].
    ///
    /// # Errors
    /// If it cannot be created.
    pub(crate) fn create(&self) -> Result<Created, DirectoryError> {
        let mut created = Created::default();
        if let Some(missing) = &self.missing {
            created.directory = Some(missing.clone());
            fs::create_dir_all(&self.path).map_err(|error| self.cannot_write(error))?;
        }
        Ok(created)
    }

    /// Writes the file that names the topology.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn mark(&self, created: &mut Created) -> Result<(), DirectoryError> {
        if !self.marked {
            let path = self.path.join(MARKER);
            created.files.push(path.clone());
            fs::write(path, format!("{}\n", self.identity)).map_err(|error| self.cannot_write(error))?;
        }
        Ok(())
    }

    fn cannot_write(&self, source: io::Error) -> DirectoryError {
        DirectoryError::Unwritable {
            path: self.path.clone(),
            source,
        }
    }
}

/// The files and directories that a start has created so far. Dropping it removes them, so that a
/// failed start leaves nothing behind.
#[derive(Debug, Default)]
pub(crate) struct Created {
    directory: Option<PathBuf>,
    files: Vec<PathBuf>,
}

impl Created {
    /// Registers a database that is about to be created, if it does not exist yet.
    pub(crate) fn database(&mut self, path: &Path) {
        if !path.exists() {
            // The database, and the files that the store keeps beside it.
            let beside = ["", "-wal", "-shm", "-lock", "-reserve"].map(|suffix| {
                let mut name = path.as_os_str().to_owned();
                name.push(suffix);
                PathBuf::from(name)
            });
            self.files.extend(beside);
        }
    }

    /// Keeps everything: the start succeeded.
    pub(crate) fn keep(mut self) {
        self.files.clear();
        self.directory = None;
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        for file in &self.files {
            // Removing a file that was never created fails, which is harmless.
            let _ = fs::remove_file(file);
        }
        if let Some(directory) = &self.directory {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_directory_remembers_its_topology_and_refuses_another() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let directory = DataDirectory::inspect(&path, "x,y").unwrap();
        let mut created = directory.create().unwrap();
        directory.mark(&mut created).unwrap();
        created.keep();
        assert!(DataDirectory::inspect(&path, "x,y").is_ok());
        let Err(refused) = DataDirectory::inspect(&path, "x,z") else {
            panic!("taken")
        };
        assert!(refused.to_string().contains("belongs to the regions x,y"), "{refused}");
        assert_eq!(entries(&path), ["topology"]);
    }

    #[test]
    fn failed_start_removes_exactly_what_it_created() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("old.db"), "old").unwrap();
        let directory = DataDirectory::inspect(root.path(), "x").unwrap();
        let mut created = directory.create().unwrap();
        for region in ["old", "new"] {
            created.database(&directory.database(region));
            fs::write(directory.database(region), "written").unwrap();
        }
        directory.mark(&mut created).unwrap();
        drop(created);
        assert_eq!(entries(root.path()), ["old.db"]);
        let nested = DataDirectory::inspect(&root.path().join("p/q"), "x").unwrap();
        drop(nested.create().unwrap());
        assert_eq!(entries(root.path()), ["old.db"]);
    }

    #[test]
    fn file_in_place_of_the_directory_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(DataDirectory::inspect(file.path(), "x").is_err());
    }
}
