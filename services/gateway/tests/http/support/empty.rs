//! A store without tables in which every operation fails.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use async_trait::async_trait;
use beringia_clock::HybridOffset;
use beringia_item::{Item, KeyBytes, Mutation, Origin, Region, TableId, Version, VersionVector};
use beringia_storage::{
    Applied, Backlog, Catalog, CommitError, Conflict, Explained, ItemWrite, LogFilter, LogPage, LogPosition, RangePage,
    RangeRead, RawRow, RemoteBatch, SchemaChange, SchemaError, SharedVectors, Store, StoreDamage, StoreError,
    StreamPage, StreamRead, Streams, TableDigest, WriteResult,
};
use tokio::sync::{Notify, Semaphore};

/// An empty store. Creating a table blocks until it is released, and then fails.
pub(crate) struct EmptyStore {
    origin: Origin,
    changed: Notify,
    gate: Semaphore,
    /// Notified when a caller is about to create a table.
    waiting: Notify,
    /// Notified when a caller that waited to create a table is dropped.
    gone: Notify,
}

/// Notifies when it is dropped.
struct Tell<'a>(&'a Notify);

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl EmptyStore {
    pub(crate) fn new(region: &str) -> Arc<Self> {
        Arc::new(Self {
            origin: region.parse().unwrap(),
            changed: Notify::new(),
            gate: Semaphore::new(0),
            waiting: Notify::new(),
            gone: Notify::new(),
        })
    }

    /// Waits until a caller is blocked in creating a table.
    pub(crate) async fn reached(&self) {
        self.waiting.notified().await;
    }

    /// Waits until a blocked caller has been dropped.
    pub(crate) async fn abandoned(&self) {
        self.gone.notified().await;
    }

    /// Releases one caller that is blocked in creating a table.
    pub(crate) fn let_through(&self) {
        self.gate.add_permits(1);
    }
}

type Answered<T> = Result<T, StoreError>;

#[async_trait]
impl Store for EmptyStore {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::default()
    }

    fn catalog_changed(&self) -> &Notify {
        &self.changed
    }

    fn log_appended(&self) -> &Notify {
        &self.changed
    }

    fn vectors(&self) -> SharedVectors {
        SharedVectors::new()
    }

    fn hybrid_offset(&self) -> HybridOffset {
        HybridOffset::default()
    }

    async fn digest_as_of(&self, _table: TableId, _vector: VersionVector) -> Result<TableDigest, StoreError> {
        Err(StoreError::Closed)
    }

    fn damage(&self) -> StoreDamage {
        StoreDamage::default()
    }

    async fn change_schema(&self, _change: Box<dyn SchemaChange>) -> Result<Arc<Catalog>, SchemaError> {
        self.waiting.notify_one();
        let _gone = Tell(&self.gone);
        let _permit = self.gate.acquire().await.unwrap();
        Err(SchemaError::Store(StoreError::Closed))
    }

    async fn commit(&self, _unit: Vec<ItemWrite>) -> Result<Vec<WriteResult>, CommitError> {
        Err(CommitError::Store(StoreError::Closed))
    }

    async fn apply(&self, _batch: RemoteBatch) -> Answered<Applied> {
        Err(StoreError::Closed)
    }

    async fn get(&self, _table: TableId, _key: &KeyBytes) -> Answered<Option<(Version, Item)>> {
        Err(StoreError::Closed)
    }

    async fn get_many(&self, _keys: Vec<(TableId, KeyBytes)>) -> Answered<Vec<Option<(Version, Item)>>> {
        Err(StoreError::Closed)
    }

    async fn range(&self, _read: RangeRead) -> Answered<RangePage> {
        Err(StoreError::Closed)
    }

    async fn log_position(&self, _filter: &LogFilter) -> Answered<Result<LogPosition, Vec<(TableId, Origin)>>> {
        Err(StoreError::Closed)
    }

    async fn read_log(&self, _from: LogPosition, _filter: &LogFilter, _max_bytes: usize) -> Answered<LogPage> {
        Err(StoreError::Closed)
    }

    async fn streams(&self) -> Answered<Streams> {
        Ok(Streams::default())
    }

    async fn read_stream(&self, _read: StreamRead) -> Answered<StreamPage> {
        Err(StoreError::Closed)
    }

    async fn backlog(&self, _peer: &BTreeMap<TableId, VersionVector>) -> Answered<Backlog> {
        Err(StoreError::Closed)
    }

    async fn digest(&self, _table: TableId) -> Answered<TableDigest> {
        Err(StoreError::Closed)
    }

    async fn verify_range(&self, _table: TableId, _range: u16) -> Answered<bool> {
        Err(StoreError::Closed)
    }

    async fn raw_rows(
        &self,
        _table: TableId,
        _ranges: RangeInclusive<u16>,
        _after: Option<KeyBytes>,
        _max_rows: usize,
    ) -> Answered<Vec<RawRow>> {
        Err(StoreError::Closed)
    }

    async fn mutations_of(&self, _table: TableId, _keys: Vec<KeyBytes>) -> Answered<Vec<Mutation>> {
        Err(StoreError::Closed)
    }

    async fn conflicts(&self, _table: Option<TableId>, _after: u64, _max: usize) -> Answered<Vec<Conflict>> {
        Err(StoreError::Closed)
    }

    async fn explain(&self, _table: TableId, _key: &KeyBytes) -> Answered<Option<Explained>> {
        Err(StoreError::Closed)
    }

    async fn unshipped(&self, _after: u64, _max: usize) -> Answered<Vec<beringia_storage::Unshipped>> {
        Ok(Vec::new())
    }

    fn is_saving_unshipped(&self) -> bool {
        false
    }

    async fn collect_garbage(&self, _acknowledged: &beringia_storage::Acknowledged) -> Answered<bool> {
        Err(StoreError::Closed)
    }

    async fn note_unreachable(&self, _unreachable_ms: BTreeMap<Region, u64>) -> Answered<()> {
        Err(StoreError::Closed)
    }

    async fn unreachable(&self) -> Answered<BTreeMap<Region, u64>> {
        Err(StoreError::Closed)
    }

    fn own_sequences(&self) -> beringia_storage::OwnSequences {
        beringia_storage::OwnSequences::default()
    }

    async fn begin_epoch(&self, _known: u64) -> Answered<()> {
        Err(StoreError::Closed)
    }

    async fn close(&self) {}
}
