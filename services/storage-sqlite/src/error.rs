//! Translation of SQLite's errors.

use std::ffi::c_int;

use beringia_storage::StoreError;
use rusqlite::{ErrorCode, ffi};

/// Translates an error of SQLite into the contract's.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error() {
        Some(code) if is_failed_sync(code.extended_code) => StoreError::SyncFailed(error.to_string()),
        // SQLite returns the second code if the index of the write-ahead log cannot grow.
        Some(code) if code.code == ErrorCode::DiskFull || code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            StoreError::DiskFull(error.to_string())
        }
        Some(code) if is_unreadable(code) => StoreError::Unreadable(error.to_string()),
        _ => StoreError::Database(error.to_string()),
    }
}

/// Whether the result code says that a file or a directory could not be synced, or does not exclude
/// it. After other errors of reading and writing, the next sync still tells the truth.
const fn is_failed_sync(extended_code: c_int) -> bool {
    matches!(
        extended_code,
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC | ffi::SQLITE_IOERR
    )
}

/// Whether the result says that SQLite cannot read a page: it is damaged, or its disk does not
/// return it. Other pages may well be readable.
const fn is_unreadable(code: &ffi::Error) -> bool {
    matches!(code.code, ErrorCode::DatabaseCorrupt)
        || matches!(
            code.extended_code,
            ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS
        )
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
