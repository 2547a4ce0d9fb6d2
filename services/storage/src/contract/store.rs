//! The `Store` trait, the only way to a region's state.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use async_trait::async_trait;
use beringia_clock::HybridOffset;
use beringia_item::{Item, KeyBytes, Mutation, Origin, Region, TableId, Version, VersionVector};
use tokio::sync::Notify;

use super::{
    CommitError, Conflict, Explained, ItemWrite, LogState, PruneFilter, Pruned, RangePage, RangeRead, SchemaChange,
    SchemaError, StoreDamage, StreamPage, StreamRead, Streams, Unshipped, WriteResult,
};
use crate::{
    Acknowledged, Applied, Backlog, Catalog, LogFilter, LogPage, LogPosition, OwnSequences, RawRow, RemoteBatch,
    SharedVectors, StoreError, TableDigest, backend::StorageSizes,
};

/// The only way to a region's state. Cheap to call from any task. No caller may assume that the
/// store is local.
///
/// Every method can fail with [`StoreError::Closed`], [`StoreError::Database`] and
/// [`StoreError::Unreadable`], and one that commits with [`StoreError::CannotCommit`]. A method
/// that names a table without a replica in this region fails with [`StoreError::UnknownTable`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The name of this region.
    fn region(&self) -> &Region {
        self.origin().region()
    }

    /// The origin of this region's own writes.
    fn origin(&self) -> &Origin;

    /// The current definitions of all tables.
    fn catalog(&self) -> Arc<Catalog>;

    /// Notified (`notify_waiters`) after every commit that changed the catalog.
    fn catalog_changed(&self) -> &Notify;

    /// Commits a transaction, atomically. It is durable when this returns. No item may occur twice
    /// in it.
    async fn commit(&self, transaction: Vec<ItemWrite>) -> Result<Vec<WriteResult>, CommitError>;

    /// Changes definitions. The change is durable when this returns. The returned catalog is the
    /// one right after the change.
    async fn change_schema(&self, change: Box<dyn SchemaChange>) -> Result<Arc<Catalog>, SchemaError>;

    /// Applies other regions' mutations. They are durable when this returns. If it fails nothing is
    /// applied, except as [`StoreError`] says.
    async fn apply(&self, batch: RemoteBatch) -> Result<Applied, StoreError>;

    /// Reads an item and its version; `None` where there is none, or a tombstone.
    async fn get(&self, table: TableId, key: &KeyBytes) -> Result<Option<(Version, Item)>, StoreError>;

    /// Reads several items from one snapshot, in the order of the keys.
    async fn get_many(&self, keys: Vec<(TableId, KeyBytes)>) -> Result<Vec<Option<(Version, Item)>>, StoreError>;

    /// Reads a page of live rows.
    async fn range(&self, read: RangeRead) -> Result<RangePage, StoreError>;

    /// The as-of position of the log end at `ago` before now, or a later one if the store does not
    /// look back that far. `None` if that is the current end, and always from a store that does not
    /// look back.
    fn as_of(&self, ago: Duration) -> Option<LogPosition> {
        let _ = ago;
        None
    }

    /// [`Store::get_many`] as of a past end of the log, or of a later one.
    async fn get_many_at(
        &self,
        keys: Vec<(TableId, KeyBytes)>,
        at: LogPosition,
    ) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
        let _ = at;
        self.get_many(keys).await
    }

    /// [`Store::range`] as of a past end of the log, or of a later one.
    async fn range_at(&self, read: RangeRead, at: LogPosition) -> Result<RangePage, StoreError> {
        let _ = at;
        self.range(read).await
    }

    /// Notified (`notify_waiters`) after every commit that appended to the log.
    fn log_appended(&self) -> &Notify;

    /// The position from which to read so that nothing above these vectors is missed. The inner
    /// `Err` names what the log does not contain: it has been trimmed, or the table has no replica
    /// in this region.
    async fn log_position(&self, filter: &LogFilter)
    -> Result<Result<LogPosition, Vec<(TableId, Origin)>>, StoreError>;

    /// Reads records that pass the filter, starting at `from`, until `max_bytes` of images or a few
    /// thousand scanned records. Never splits a transaction, so the page may exceed `max_bytes` by
    /// one transaction.
    async fn read_log(&self, from: LogPosition, filter: &LogFilter, max_bytes: usize) -> Result<LogPage, StoreError>;

    /// The streams of this region's tables, including deleted tables, as long as their records are
    /// kept.
    async fn streams(&self) -> Result<Streams, StoreError>;

    /// Reads records of a stream's shard: every change that this region applied, whichever region
    /// wrote it, without writes that changed nothing. Fails with [`StoreError::UnknownShard`] and
    /// [`StoreError::Trimmed`].
    async fn read_stream(&self, read: StreamRead) -> Result<StreamPage, StoreError>;

    /// This region's own writes to these tables that a peer with these vectors is missing.
    async fn backlog(&self, peer: &BTreeMap<TableId, VersionVector>) -> Result<Backlog, StoreError>;

    /// The applied vector (own writes included) of every table that this region holds, and of the
    /// catalog.
    fn vectors(&self) -> SharedVectors;

    /// How far the region's hybrid time is ahead of its wall clock. Beyond the limit every write of
    /// this region fails with [`StoreError::ClockBehind`].
    fn hybrid_offset(&self) -> HybridOffset;

    /// The damage to the database that was found since the store was opened.
    fn damage(&self) -> StoreDamage;

    /// The digests of a table: the stored sums of its 256 ranges.
    async fn digest(&self, table: TableId) -> Result<TableDigest, StoreError>;

    /// The digests of a table as they were, or would be, with the greatest vector that both
    /// `vector` and the table's own vector cover. Two replicas whose digests differ at a vector
    /// that both have applied have diverged, whatever else they have applied since.
    async fn digest_as_of(&self, table: TableId, vector: VersionVector) -> Result<TableDigest, StoreError>;

    /// Recomputes one range from its rows and repairs the stored digest, the index entries, and
    /// rows without a log record (which are removed, so that repair from a peer restores them).
    /// Returns true if anything was wrong.
    async fn verify_range(&self, table: TableId, range: u16) -> Result<bool, StoreError>;

    /// Reads the rows (tombstones too) of consecutive ranges after a key, by range and key, at most
    /// `max_rows`.
    async fn raw_rows(
        &self,
        table: TableId,
        ranges: RangeInclusive<u16>,
        after: Option<KeyBytes>,
        max_rows: usize,
    ) -> Result<Vec<RawRow>, StoreError>;

    /// The rows as mutations, for copy and repair. Keys without a row are left out.
    async fn mutations_of(&self, table: TableId, keys: Vec<KeyBytes>) -> Result<Vec<Mutation>, StoreError>;

    /// Conflicts with a greater id than `after`, oldest first.
    async fn conflicts(&self, table: Option<TableId>, after: u64, max: usize) -> Result<Vec<Conflict>, StoreError>;

    /// The row under a key, tombstones too, with what explains it.
    async fn explain(&self, table: TableId, key: &KeyBytes) -> Result<Option<Explained>, StoreError>;

    /// The unshipped writes of this region with a greater id than `after`, oldest first. The other
    /// regions dropped its replica while it was unreachable, or removed it, before they had these
    /// writes. They are as this region's rows were when it learned of that, and outlive the table.
    async fn unshipped(&self, after: u64, max: usize) -> Result<Vec<Unshipped>, StoreError>;

    /// Removes conflicts and unshipped writes, a few with each commit, or counts them. The store
    /// also removes those by itself that are older than its retention
    /// ([`Store::collect_garbage`]). If it fails, those that were removed before stay removed.
    async fn prune_conflicts(&self, filter: &PruneFilter) -> Result<Pruned, StoreError> {
        let _ = filter;
        Ok(Pruned::default())
    }

    /// Whether more unshipped writes may appear although no other table or replica is dropped: the
    /// store saves them in the background, a few with each commit.
    fn is_saving_unshipped(&self) -> bool;

    /// Trims the log and collects tombstones, a few with each commit: log records at or below every
    /// peer's acknowledged vector, those of readable streams only if they are older than the
    /// retention, and tombstones that every peer has acknowledged past and about which all agree. A
    /// global table (or the catalog) keeps everything if it is missing from `acknowledged`, or if
    /// one of its replicas that was not dropped is. Also removes conflicts and unshipped writes
    /// that are older than their retention. Returns whether there may be more to do, for which
    /// newer acknowledgements are better.
    async fn collect_garbage(&self, acknowledged: &Acknowledged) -> Result<bool, StoreError>;

    /// The progress of the trim, and the tables that it left behind.
    fn log_state(&self) -> LogState {
        LogState::default()
    }

    /// The space that the region's state takes; zeros where that is not known.
    ///
    /// # Errors
    /// If it cannot be determined.
    fn sizes(&self) -> Result<StorageSizes, StoreError> {
        Ok(StorageSizes::default())
    }

    /// Records for how long each peer has been unreachable, in milliseconds, in place of what was
    /// recorded before. Durable when this returns.
    async fn note_unreachable(&self, unreachable_ms: BTreeMap<Region, u64>) -> Result<(), StoreError>;

    /// Returns what was recorded last, also after a restart.
    async fn unreachable(&self) -> Result<BTreeMap<Region, u64>, StoreError>;

    /// What the database knows about the region's own sequences, and its store epoch.
    fn own_sequences(&self) -> OwnSequences;

    /// Begins a store epoch: another region has the own write of this region with the sequence
    /// `known`, which this database never made, so the database is an older copy. Later writes get
    /// greater sequences. Does nothing if the database made the write itself, or an epoch has begun
    /// since. Durable when this returns.
    async fn begin_epoch(&self, known: u64) -> Result<(), StoreError>;

    /// Why the store cannot commit until it is opened again: its committer has failed. `None` if it
    /// has not.
    fn failed(&self) -> Option<String> {
        None
    }

    /// Waits until the committer fails, and returns the reason. Waits for ever if the store is
    /// closed before that.
    async fn failure(&self) -> String {
        std::future::pending().await
    }

    /// Waits for work in progress, then closes cleanly.
    async fn close(&self);
}
