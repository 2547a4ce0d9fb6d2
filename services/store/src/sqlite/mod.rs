//! The SQLite store.

mod memory;
mod options;

pub use memory::MemoryDisk;
pub use options::{DEFAULT_LOG_RETENTION_MS, Database, Execution, Options};

use crate::StoreError;

/// A region's state in an SQLite database.
pub struct SqliteStore {}

impl SqliteStore {
    /// Opens the database, or makes it where there is none. With [`Execution::Inline`] it must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where what is there is not this region's database, or is in use; it is not changed then.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let _ = options;
        Err(StoreError::Closed)
    }

    /// Takes the state away at once, as a crash would: what was not committed is lost, whoever waits gets
    /// [`StoreError::Closed`], and the database can be opened again when this returns.
    pub fn abandon(&self) {}
}
