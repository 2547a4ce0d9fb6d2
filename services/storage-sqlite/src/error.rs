//! What callers are told of a failure of SQLite.

use beringia_storage::StoreError;
use rusqlite::ErrorCode;

/// A failure of SQLite, as the contract names it.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error() {
        // The second is SQLite's answer where the index of the write-ahead log cannot grow.
        Some(code) if code.code == ErrorCode::DiskFull || code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            StoreError::DiskFull(error.to_string())
        }
        _ => StoreError::Database(error.to_string()),
    }
}

/// The same of a result.
pub(crate) trait OrStoreError<T> {
    /// The failure as the contract names it.
    fn or_store_error(self) -> Result<T, StoreError>;
}

impl<T> OrStoreError<T> for rusqlite::Result<T> {
    fn or_store_error(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}
