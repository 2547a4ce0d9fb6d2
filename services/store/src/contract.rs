//! The `Store` trait and what goes in and out of it.

use std::{collections::BTreeMap, fmt, ops::Bound, sync::Arc};

use async_trait::async_trait;
use beringia_clock::HybridTime;
use beringia_item::{Cause, Item, KeyBytes, Mutation, Region, TableId, Version, VersionVector};
use tokio::sync::Notify;

use crate::{Catalog, Edit};

/// A place in a region's log. Grows by commit order; the first record is at 1.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition(pub u64);

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the database {path} {what}")]
    Unusable { path: String, what: String },
    #[error("no space is left on the disk of the database: {0}")]
    DiskFull(String),
    #[error("the database failed: {0}")]
    Database(String),
    #[error("no table {0}")]
    UnknownTable(TableId),
    #[error("the store is shut down")]
    Closed,
    #[error("the clock of {origin} is {ahead_ms} ms ahead of this region's, more than the allowed {limit_ms} ms: its writes are held back")]
    Quarantined { origin: Region, ahead_ms: u64, limit_ms: u64 },
}

/// Why a change will not happen; nothing of its unit is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The condition is false.
    #[error("The conditional request failed")]
    ConditionFailed,
    /// The change cannot be applied to the current item; DynamoDB's message.
    #[error("{0}")]
    Invalid(String),
}

/// What a write does to the current item.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect { Put(Item), Delete, /// Nothing is written and no version is spent.
    Keep }

/// A write to one item, decided by the committer at its turn. It runs in the node, so a store that is elsewhere reads the
/// current item, decides here, and commits under optimistic concurrency.
pub trait Change: Send {
    /// Whether `decide` looks at the current item, or the caller wants it back. Where false, `decide` gets `None` and the
    /// outcome's `before` is `None`.
    fn needs_current(&self) -> bool;
    /// What happens to the item.
    fn decide(&mut self, current: Option<&Item>) -> Result<Effect, Refusal>;
}

/// One write of a unit.
pub struct ItemWrite { pub table: TableId, pub key: KeyBytes, pub cause: Cause, pub change: Box<dyn Change> }

/// What became of one write.
#[derive(Debug, Clone, Default)]
pub struct Outcome { pub before: Option<Item>, pub after: Option<Item>, /// None where nothing was written.
    pub version: Option<Version> }

/// Why a unit was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// For each write of the unit, in order: why it was refused and what the item was, or None where it would have gone through.
    #[error("refused")]
    Refused(Vec<Option<(Refusal, Option<Item>)>>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A change of definitions, decided by the committer at its turn from the catalog as it is then. `Err` carries the caller's own
/// reason, handed back unchanged.
pub type SchemaChange = Box<dyn FnOnce(&Catalog) -> Result<Vec<Edit>, Box<dyn std::error::Error + Send + Sync>> + Send>;
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error(transparent)]
    Refused(Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which rows to read, in key order.
#[derive(Debug, Clone)]
pub struct RangeRead {
    pub table: TableId,
    /// The index's name; None for the table itself.
    pub index: Option<String>,
    /// Bounds over stored keys (with the hash in front; in an index the base key behind).
    pub from: Bound<Vec<u8>>,
    pub to: Bound<Vec<u8>>,
    pub reverse: bool,
    /// Stop after so many rows.
    pub max_rows: usize,
    /// Stop when the rows' sizes (as DynamoDB counts items) reach this; the row that reaches it is included.
    pub max_bytes: usize,
}
#[derive(Debug, Clone)]
pub struct Row { /// In an index: the index's stored key.
    pub key: KeyBytes, pub version: Version, pub item: Item }
#[derive(Debug, Clone, Default)]
pub struct RangePage { pub rows: Vec<Row>, /// Whether a limit ended the read (there may be more rows).
    pub limited: bool }

/// Mutations of other regions, to be applied in one commit, units whole.
#[derive(Debug, Clone, Default)]
pub struct RemoteBatch {
    pub mutations: Vec<Mutation>,
    /// After the mutations: everything up to this sequence of this origin in this table has been applied.
    pub progress: Vec<(TableId, Region, u64)>,
    pub kind: RemoteKind,
}
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoteKind {
    /// In the origin's order: a mutation at or below the table's vector is skipped, a later one advances it.
    #[default]
    Stream,
    /// Rows of a copy or repair: applied by version alone; the vector is moved by `progress` only, and the log no longer holds
    /// everything that the vector covers, so `log_floor` rises with it.
    Copy,
}
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied { pub newer: usize, pub stale: usize, pub skipped: usize, pub conflicts: usize }

/// A log record as replication reads it.
#[derive(Debug, Clone)]
pub struct LogRecord { pub position: LogPosition, pub mutation: Mutation }
/// Which records a reader wants: of these origins and tables, above these vectors, never those of kind Copy.
#[derive(Debug, Clone, Default)]
pub struct LogFilter { pub origins: Vec<Region>, pub tables: BTreeMap<TableId, VersionVector> }
#[derive(Debug, Clone, Default)]
pub struct LogPage {
    pub records: Vec<LogRecord>,
    /// Where to read on.
    pub next: LogPosition,
    /// Whether the log's end was reached; then `vectors` are the tables' vectors at that point.
    pub at_end: bool,
    pub vectors: BTreeMap<TableId, VersionVector>,
}
/// What still has to go to a peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog { pub mutations: u64, pub bytes: u64, /// Hybrid time of the oldest, None where there is none.
    pub oldest: Option<HybridTime> }

/// The digest of one range of a table: the sum (mod 2^128) of the hashes of (key, version) of its live items, and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RangeDigest { pub sum: u128, pub items: u64 }
/// All ranges of a table (RANGES of them), with the vector at the same moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDigest { pub vector: VersionVector, pub ranges: Vec<RangeDigest> }

/// A row as a copy or a repair sees it: tombstones too.
#[derive(Debug, Clone)]
pub struct RawRow { pub key: KeyBytes, pub version: Version, pub live: bool }

/// Two concurrent writes to an item and which won, as one region saw them.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// Grows by one per conflict in this region.
    pub id: u64,
    pub table: TableId,
    pub key: KeyBytes,
    pub winner: ConflictSide,
    pub loser: ConflictSide,
    /// What decided: "later time", "greater region" (equal times), "greater sequence".
    pub rule: ConflictRule,
    /// Wall time of this region when it saw the conflict, ms since the epoch.
    pub seen_ms: u64,
}
#[derive(Debug, Clone)]
pub struct ConflictSide { pub version: Version, /// None for a delete.
    pub image: Option<Item> }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictRule { LaterTime, GreaterRegion, GreaterSequence }
impl fmt::Display for ConflictRule { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { todo!() } }

/// What is stored under a key, with everything that explains it.
#[derive(Debug, Clone)]
pub struct Explained { pub version: Version, pub vector: VersionVector, pub item: Option<Item>, pub conflicts: Vec<Conflict> }

/// The only door to a region's state. Cheap to call from any task; no caller may assume that it is local.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// This region's name.
    fn region(&self) -> &Region;
    /// The definitions now.
    fn catalog(&self) -> Arc<Catalog>;
    /// Signalled (notify_waiters) after every commit that changed definitions.
    fn catalog_changed(&self) -> &Notify;
    /// Commits a unit: all of it or nothing, durable when this returns.
    async fn commit(&self, unit: Vec<ItemWrite>) -> Result<Vec<Outcome>, CommitError>;
    /// Changes definitions; durable when this returns.
    async fn change_schema(&self, change: SchemaChange) -> Result<Arc<Catalog>, SchemaError>;
    /// Applies other regions' mutations; durable when this returns.
    async fn apply(&self, batch: RemoteBatch) -> Result<Applied, StoreError>;

    /// One live item.
    async fn get(&self, table: TableId, key: &KeyBytes) -> Result<Option<(Version, Item)>, StoreError>;
    /// Several items as of one moment, in the order asked.
    async fn get_many(&self, keys: Vec<(TableId, KeyBytes)>) -> Result<Vec<Option<(Version, Item)>>, StoreError>;
    /// A page of live rows.
    async fn range(&self, read: RangeRead) -> Result<RangePage, StoreError>;

    /// Signalled (notify_waiters) after every commit that appended to the log.
    fn log_appended(&self) -> &Notify;
    /// The position to start reading from so that nothing above these vectors is missed; Err names what the log no longer holds.
    async fn log_position(&self, filter: &LogFilter) -> Result<Result<LogPosition, Vec<(TableId, Region)>>, StoreError>;
    /// Records from `from` on that pass the filter, until so many bytes of images or records scanned; never splits a unit.
    async fn read_log(&self, from: LogPosition, filter: &LogFilter, max_bytes: usize) -> Result<LogPage, StoreError>;
    /// What of this region's own writes a peer with these vectors lacks.
    async fn backlog(&self, peer: &BTreeMap<TableId, VersionVector>) -> Result<Backlog, StoreError>;
    /// The applied vector of every table that this region holds (own writes included), and of the catalog.
    fn vectors(&self) -> BTreeMap<TableId, VersionVector>;

    /// The digests of a table.
    async fn digest(&self, table: TableId) -> Result<TableDigest, StoreError>;
    /// Recomputes one range from its rows and mends the stored digest and index entries where they differ; true where they did.
    async fn verify_range(&self, table: TableId, range: u16) -> Result<bool, StoreError>;
    /// Rows (tombstones too) of one range after a key.
    async fn raw_rows(&self, table: TableId, range: u16, after: Option<KeyBytes>, max_rows: usize) -> Result<Vec<RawRow>, StoreError>;
    /// The rows as mutations, for copy and repair; keys that hold nothing are left out.
    async fn mutations_of(&self, table: TableId, keys: Vec<KeyBytes>) -> Result<Vec<Mutation>, StoreError>;

    /// Conflicts with a greater id, oldest first.
    async fn conflicts(&self, table: Option<TableId>, after: u64, max: usize) -> Result<Vec<Conflict>, StoreError>;
    /// What stands under a key, tombstones too.
    async fn explain(&self, table: TableId, key: &KeyBytes) -> Result<Option<Explained>, StoreError>;

    /// Forgets what nobody needs: log records below every peer's acknowledged vector, tombstones that every peer has acknowledged
    /// past. `acknowledged` is, per table, per peer, the vector that this peer last acknowledged; a table that is missing or whose
    /// replicas are not all listed keeps everything.
    async fn forget(&self, acknowledged: &BTreeMap<TableId, BTreeMap<Region, VersionVector>>) -> Result<(), StoreError>;

    /// Waits for what is under way, then closes cleanly.
    async fn close(&self);
}
