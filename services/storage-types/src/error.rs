//! Why the store could not do what it was asked.

use beringia_item::{Origin, TableId};

use crate::{LogPosition, ShardKey};

/// Why the store could not do what it was asked. Nothing of the request was written, but after
/// [`StoreError::Database`] it may have been: the storage backend may have failed before it could tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened: it is not ours, damaged, of another region, topology or format, or in use. It was not changed.
    #[error("the database {path} {what}")]
    Unusable {
        /// Where the database is.
        path: String,
        /// What is wrong with it, as the rest of a sentence.
        what: String,
    },
    /// No space is left, or the database reached its bound. Reads go on; writes work again when there is room.
    #[error("no space is left for the database: {0}")]
    DiskFull(String),
    /// The storage backend failed, or what it holds is damaged.
    #[error("the database failed: {0}")]
    Database(String),
    /// This region holds no table of that id.
    #[error("this region holds no table {0}")]
    UnknownTable(TableId),
    /// The table has no index of that name.
    #[error("table {table} has no index {index}")]
    UnknownIndex {
        /// The table.
        table: TableId,
        /// The index's name.
        index: String,
    },
    /// This region has no such shard of a stream, or not any more.
    #[error("no stream of table {} has a shard that was opened at {} ms", .0.table, .0.opened_ms)]
    UnknownShard(ShardKey),
    /// Stream records that are older than the retention were asked for.
    #[error("the stream records at position {} of the log have been trimmed", .0.0)]
    Trimmed(LogPosition),
    /// A change of definitions that would leave them in disorder, such as two tables of one name.
    #[error("the definitions cannot be changed so: {0}")]
    Definition(String),
    /// The store was closed, or taken away as a crash would.
    #[error("the store is shut down")]
    Closed,
    /// A batch held a mutation that this region cannot read; nothing of the batch was applied.
    #[error("a write of {origin} cannot be read: {what}")]
    Malformed {
        /// Whose write it is.
        origin: Origin,
        /// What is wrong with it.
        what: String,
    },
    /// A batch held a write from further in the future than the allowed offset; nothing of the batch was applied.
    #[error(
        "the clock of {origin} is {ahead_ms} ms ahead of this region's, more than the allowed {limit_ms} ms: its writes are held back"
    )]
    Quarantined {
        /// Whose clock it is.
        origin: Origin,
        /// How far ahead, ms.
        ahead_ms: u64,
        /// How far is allowed, ms.
        limit_ms: u64,
    },
}

impl StoreError {
    /// The database holds what this version of the software never writes.
    #[must_use]
    pub fn damaged(what: &str) -> Self {
        Self::Database(format!("it is damaged: {what}"))
    }
}
