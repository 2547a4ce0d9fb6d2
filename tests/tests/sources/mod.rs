//! The files of the repository, for tests that read its sources.

use std::path::{Path, PathBuf};

use beringia_tests::repository;
use ignore::WalkBuilder;

/// A text file of the repository.
pub struct Source {
    /// The path from the repository's root, with `/` between its parts.
    pub path: String,
    pub text: String,
}

/// Reads the repository's files with one of these extensions, in the order of their paths. A file
/// without an extension is meant by its name, such as `Dockerfile`. Files that Git ignores are left
/// out.
pub fn sources(extensions: &[&str]) -> Vec<Source> {
    let root = repository();
    let files = WalkBuilder::new(&root)
        .hidden(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_path(Path::cmp)
        .build();
    files
        .map(|entry| entry.expect("the repository can be listed").into_path())
        .filter(|path| path.is_file() && has_extension(path, extensions))
        .map(|path| Source {
            text: std::fs::read_to_string(&path).expect("a text file"),
            path: relative(&path, &root),
        })
        .collect()
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path
        .extension()
        .or(path.file_name())
        .and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}

fn relative(path: &Path, root: &PathBuf) -> String {
    let path = path.strip_prefix(root).expect("it is below the root");
    path.to_str().expect("a path in UTF-8").replace('\\', "/")
}
