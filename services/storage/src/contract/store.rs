//! The `Store` trait: the only door to a region's state.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use beringia_item::{Item, KeyBytes, Mutation, Origin, Region, TableId, Version, VersionVector};
use tokio::sync::Notify;

use super::{
    CommitError, Conflict, Explained, ItemWrite, Outcome, RangePage, RangeRead, SchemaChange, SchemaError, StreamPage,
    StreamRead, Streams, Unshipped,
};
use crate::{
    Acknowledged, Applied, Backlog, Catalog, LogFilter, LogPage, LogPosition, RawRow, RemoteBatch, StoreError,
    TableDigest,
};

/// The only door to a region's state. Cheap to call from any task; no caller may assume that it is local.
///
/// Every method can fail with [`StoreError::Closed`] and [`StoreError::Database`]; what names a table that this region does not
/// hold fails with [`StoreError::UnknownTable`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// This region's name.
    fn region(&self) -> &Region {
        self.origin().region()
    }

    /// The origin of what it commits.
    fn origin(&self) -> &Origin;

    /// The definitions now.
    fn catalog(&self) -> Arc<Catalog>;

    /// Signalled (`notify_waiters`) after every commit that changed the catalog.
    fn catalog_changed(&self) -> &Notify;

    /// Commits a unit: all of it or nothing, durable when this returns. No item may occur twice in a unit.
    async fn commit(&self, unit: Vec<ItemWrite>) -> Result<Vec<Outcome>, CommitError>;

    /// Changes definitions; durable when this returns. The catalog is the one right after the change.
    async fn change_schema(&self, change: Box<dyn SchemaChange>) -> Result<Arc<Catalog>, SchemaError>;

    /// Applies other regions' mutations; durable when this returns. Where it fails nothing is applied, as far
    /// as [`StoreError`] says.
    async fn apply(&self, batch: RemoteBatch) -> Result<Applied, StoreError>;

    /// One live item.
    async fn get(&self, table: TableId, key: &KeyBytes) -> Result<Option<(Version, Item)>, StoreError>;

    /// Several items as of one moment, in the order asked.
    async fn get_many(&self, keys: Vec<(TableId, KeyBytes)>) -> Result<Vec<Option<(Version, Item)>>, StoreError>;

    /// A page of live rows.
    async fn range(&self, read: RangeRead) -> Result<RangePage, StoreError>;

    /// Where the log ended so long ago, to read from; something later where the store does not look back that far. `None` where that is
    /// now, and always from a store that does not look back.
    fn moment(&self, ago: Duration) -> Option<LogPosition> {
        let _ = ago;
        None
    }

    /// [`Store::get_many`] as of an end that the log had, or of a later one.
    async fn get_many_at(
        &self,
        keys: Vec<(TableId, KeyBytes)>,
        at: LogPosition,
    ) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
        let _ = at;
        self.get_many(keys).await
    }

    /// [`Store::range`] as of an end that the log had, or of a later one.
    async fn range_at(&self, read: RangeRead, at: LogPosition) -> Result<RangePage, StoreError> {
        let _ = at;
        self.range(read).await
    }

    /// Signalled (`notify_waiters`) after every commit that appended to the log.
    fn log_appended(&self) -> &Notify;

    /// The position to start reading from so that nothing above these vectors is missed; the inner `Err` names what the log does
    /// not hold (any more, or at all where the table is not of this region).
    async fn log_position(&self, filter: &LogFilter)
    -> Result<Result<LogPosition, Vec<(TableId, Origin)>>, StoreError>;

    /// Records from `from` on that pass the filter, until so many bytes of images or a few thousand records scanned; never
    /// splits a unit, so it may exceed `max_bytes` by one unit.
    async fn read_log(&self, from: LogPosition, filter: &LogFilter, max_bytes: usize) -> Result<LogPage, StoreError>;

    /// The streams of this region's tables, of those that are gone too, for as long as their records are kept.
    async fn streams(&self) -> Result<Streams, StoreError>;

    /// Some records of a stream's shard: every change that this region applied, whoever wrote it, and nothing that changed nothing.
    /// Fails with [`StoreError::UnknownShard`] and [`StoreError::Trimmed`].
    async fn read_stream(&self, read: StreamRead) -> Result<StreamPage, StoreError>;

    /// What of this region's own writes to these tables a peer with these vectors lacks.
    async fn backlog(&self, peer: &BTreeMap<TableId, VersionVector>) -> Result<Backlog, StoreError>;

    /// The applied vector of every table that this region holds (own writes included), and of the catalog.
    fn vectors(&self) -> Arc<BTreeMap<TableId, VersionVector>>;

    /// The digests of a table.
    async fn digest(&self, table: TableId) -> Result<TableDigest, StoreError>;

    /// Recomputes one range from its rows, and mends the stored digest, index entries, and rows without a log record (which go,
    /// so that repair brings them back); true where something was amiss.
    async fn verify_range(&self, table: TableId, range: u16) -> Result<bool, StoreError>;

    /// Rows (tombstones too) of one range after a key.
    async fn raw_rows(
        &self,
        table: TableId,
        range: u16,
        after: Option<KeyBytes>,
        max_rows: usize,
    ) -> Result<Vec<RawRow>, StoreError>;

    /// The rows as mutations, for copy and repair; keys that hold nothing are left out.
    async fn mutations_of(&self, table: TableId, keys: Vec<KeyBytes>) -> Result<Vec<Mutation>, StoreError>;

    /// Conflicts with a greater id, oldest first.
    async fn conflicts(&self, table: Option<TableId>, after: u64, max: usize) -> Result<Vec<Conflict>, StoreError>;

    /// What stands under a key, tombstones too.
    async fn explain(&self, table: TableId, key: &KeyBytes) -> Result<Option<Explained>, StoreError>;

    /// This region's own writes that others never got, because they dropped its replica while it was out of reach or removed it:
    /// those with a greater id, oldest first. They are as this region's rows were when it heard of that, and stay when the table goes.
    async fn unshipped(&self, after: u64, max: usize) -> Result<Vec<Unshipped>, StoreError>;

    /// Whether more of them may come without another table or replica being dropped: they are put aside in the background, a few with each
    /// commit.
    fn puts_aside(&self) -> bool;

    /// Forgets a bounded amount of what nobody needs: log records at or below every peer's acknowledged vector and older than
    /// streams may ask for, tombstones that every peer has acknowledged past. A global table (or the catalog) that is missing, or of
    /// whose replicas one is not listed that was not dropped, keeps everything.
    async fn forget(&self, acknowledged: &Acknowledged) -> Result<(), StoreError>;

    /// Notes for how long each peer has been out of reach, milliseconds, in place of what was noted before; durable when this returns.
    async fn note_away(&self, away_ms: BTreeMap<Region, u64>) -> Result<(), StoreError>;

    /// What was noted last, over restarts.
    async fn away(&self) -> Result<BTreeMap<Region, u64>, StoreError>;

    /// Waits for what is under way, then closes cleanly.
    async fn close(&self);
}
