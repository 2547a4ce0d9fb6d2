//! Translation of SQLite's errors.

use beringia_storage::StoreError;
use rusqlite::ErrorCode;

/// Translates an error of SQLite into the contract's.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error() {
        // SQLite returns the second code if the index of the write-ahead log cannot grow.
        Some(code) if code.code == ErrorCode::DiskFull || code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            StoreError::DiskFull(error.to_string())
        }
        _ => StoreError::Database(error.to_string()),
    }
}

/// Translates the error of a result.
pub(crate) trait OrStoreError<T> {
    /// Translates an error of SQLite into the contract's.
    fn or_store_error(self) -> Result<T, StoreError>;
}

impl<T> OrStoreError<T> for rusqlite::Result<T> {
    fn or_store_error(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}
