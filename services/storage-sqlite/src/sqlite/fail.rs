//! Failures inside the store, and whom they concern.

use rusqlite::ErrorCode;

use crate::StoreError;

/// A failure, and how far it reaches.
#[derive(Debug)]
pub(super) enum Fail {
    /// Only the command at hand fails. Nothing was written for it yet.
    Command(StoreError),
    /// The database failed: the whole group of commands is rolled back.
    Group(StoreError),
}

pub(super) type Result<T, E = Fail> = std::result::Result<T, E>;

impl Fail {
    /// The database holds what this store never writes.
    pub(super) fn damaged(what: &str) -> Self {
        Self::Group(StoreError::Database(format!("it is damaged: {what}")))
    }
}

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Self {
        Self::Group(store_error(&error))
    }
}

impl From<Fail> for StoreError {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Command(error) | Fail::Group(error) => error,
        }
    }
}

/// What callers are told of a failure of SQLite.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error() {
        // The second is SQLite's answer where the index of the write-ahead log cannot grow.
        Some(code) if code.code == ErrorCode::DiskFull || code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            StoreError::DiskFull(error.to_string())
        }
        _ => StoreError::Database(error.to_string()),
    }
}
