//! Errors of the store.

use std::collections::BTreeSet;

use beringia_clock::HybridOffset;
use beringia_item::{KeyBytes, Origin, TableId};

use crate::{LogPosition, ShardKey};

/// Why the store could not carry out a request. Nothing of the request was written, except possibly
/// after [`StoreError::Database`]: the storage backend may have failed before it could tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened: it is not Beringia's, is damaged, belongs to another region,
    /// topology or format, or is in use. It was not changed.
    #[error("the database {path} {what}")]
    Unusable {
        /// The path of the database.
        path: String,
        /// The problem, as the rest of a sentence.
        what: String,
    },
    /// No disk space is left, or the database reached its size limit. Reads continue; writes work
    /// again once there is space.
    #[error("no space is left for the database: {0}")]
    DiskFull(String),
    /// The storage backend failed.
    #[error("the database failed: {0}")]
    Database(String),
    /// A part of the database that the request needs cannot be read: its disk does not return it,
    /// or its contents are damaged. Requests that do not need it are carried out.
    #[error("a part of the database cannot be read: {0}")]
    Unreadable(String),
    /// A batch contained a mutation that needs a part of the database that cannot be read. Nothing
    /// of the batch was applied.
    #[error("a write cannot be applied: {what}")]
    Inapplicable {
        /// The table and the origin of the mutation; all of the batch's if it is unknown which
        /// mutation it was.
        among: BTreeSet<(TableId, Origin)>,
        /// Why it cannot be applied, in words.
        what: String,
    },
    /// An item's row, or the log record that it points to, is damaged, or the record is missing, so
    /// the item is unknown. Nothing of the request was written. The store has repaired the item's
    /// range, as a scrub does: the row is gone, and repair from another replica restores the item.
    /// The request can be repeated.
    #[error(
        "the item with the key {key:?} in table {table} is damaged: its row was removed, and the item returns if another replica has it (repeat the request)"
    )]
    Corrupt {
        /// The table of the item.
        table: TableId,
        /// The stored key of the item.
        key: KeyBytes,
    },
    /// The database could not be synced to its disk. What was written since the last sync may be
    /// lost although it can still be read, and the next sync may succeed all the same. The store
    /// commits nothing more until it is opened again.
    #[error("the database cannot be synced to its disk: {0}")]
    SyncFailed(String),
    /// This region has no replica of a table with this id.
    #[error("this region has no table {0}")]
    UnknownTable(TableId),
    /// The table has no index of that name.
    #[error("table {table} has no index {index}")]
    UnknownIndex {
        /// The table whose index was to be read.
        table: TableId,
        /// The name that was asked for.
        index: String,
    },
    /// This region does not have this shard of a stream, or no longer has it.
    #[error("no stream of table {} has a shard that was opened at {} ms", .0.table, .0.opened_ms)]
    UnknownShard(ShardKey),
    /// The requested stream records are older than the retention, and have been trimmed.
    #[error("the stream records at position {} of the log have been trimmed", .0.0)]
    Trimmed(LogPosition),
    /// A change of definitions that would make them inconsistent, such as two tables of one name.
    #[error("the definitions cannot be changed: {0}")]
    Definition(String),
    /// The committer has failed, for this reason. Reads continue; the store commits again once it
    /// was opened again.
    #[error("the region cannot commit: {0}")]
    CannotCommit(String),
    /// The store was closed, or its disk was taken away as in a crash.
    #[error("the store is shut down")]
    Closed,
    /// A batch contained a mutation that this region cannot read, or whose item has another key
    /// than the mutation is written to. Nothing of the batch was applied.
    #[error("a write of {origin} to table {table} cannot be read: {what}")]
    Malformed {
        /// The table that the unreadable write is for.
        table: TableId,
        /// The origin of the unreadable write.
        origin: Origin,
        /// Why it cannot be read, in words.
        what: String,
    },
    /// The wall clock of this region went back: its hybrid time is further ahead of it than the
    /// allowed offset. Peers would hold a write back until then. Reads continue; writes work again
    /// once the wall clock has caught up.
    #[error(
        "this region's clock went back: it is {} ms behind the region's latest writes, more than the allowed {} ms, so no writes are accepted until it has caught up",
        .0.ahead_ms,
        .0.limit_ms
    )]
    ClockBehind(HybridOffset),
    /// A batch contained a write from further in the future than the allowed offset. Nothing of the
    /// batch was applied.
    #[error(
        "the clock of {origin} is {ahead_ms} ms ahead of this region's, more than the allowed {limit_ms} ms: its writes are held back"
    )]
    Quarantined {
        /// The origin whose clock is ahead.
        origin: Origin,
        /// How far the clock is ahead, in ms.
        ahead_ms: u64,
        /// The greatest allowed offset, in ms.
        limit_ms: u64,
    },
}

impl StoreError {
    /// Returns the error for a database with contents that this version of the software never
    /// writes.
    #[must_use]
    pub fn damaged(what: &str) -> Self {
        Self::Unreadable(format!("it is damaged: {what}"))
    }
}
