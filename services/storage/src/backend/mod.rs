//! The interface for storage backends: what keeps a region's state, be it SQLite, memory or a
//! database server.
//!
//! A backend keeps ordered [keyspaces](Keyspace) of small rows, the rows of items, and one log. It
//! decides nothing: conditions, versions, conflicts, digests and indexes are decided above it
//! (`beringia-decisions`) from rows that were read in bulk, and come back as one [`WriteSet`].
//!
//! It has three groups of methods. [`StorageBackend`]: read, lease, watch, check, close. [`Snapshot`]:
//! multi-get and ordered scan, of items and of small rows, and the log. [`Writer`]: read, committed,
//! commit (with the log's appends and trims), maintain, release.
//!
//! # The contract
//!
//! - **Snapshots.** Everything that one [`StorageBackend::read`] with [`Scope::Snapshot`] sees is the
//!   state after one commit: all of that commit and of those before it, nothing of later ones. With
//!   [`Scope::Call`] that holds for each call of [`Snapshot`] by itself. A backend should let reads and
//!   commits go on beside each other; one that keeps its state in memory may make them wait.
//! - **Lease.** [`StorageBackend::lease`] makes its caller the only one that may commit. The
//!   [`Writer`] that it returns reads the newest state, each [`Writer::read`] as one snapshot. A writer
//!   that lost its lease commits nothing more.
//! - **Commits.** [`Writer::commit`] is atomic and durable: rows, appended records and trimmed records
//!   together, or nothing. Its condition is one number, [`WriteSet::based_on`]: how many commits there
//!   were ([`Writer::committed`]) when the rows were read that the decision rests on. Where there are
//!   more by now, nothing is written. The number is compared within one lease only; a backend that can
//!   have no other writer may count from its own start. So all of these rows, those that were found
//!   absent included, are still as they were, also where several reads brought them.
//! - **What writes nothing** is not committed, so no condition covers it: a writer that lost its lease
//!   without hearing of it may refuse a command by what it read.
//! - **Trimming.** A record in [`WriteSet::trimmed`] is gone with the commit. Positions that are
//!   trimmed stay empty; a position that is not there is skipped and no error.
//! - **Failures** say what is known: after [`CommitFailure::Stale`], [`CommitFailure::LeaseLost`] and
//!   [`CommitFailure::Failed`] nothing was written, after [`CommitFailure::Unknown`] it may have been.
//!   After each but `Failed` the caller reads its state again before it decides anew.
//! - **Watch.** A listener hears of every commit after it is visible, whoever made it.
//! - **Order.** Positions of the log are given by the caller, without gaps, in commit order.
//! - **Blocking.** All calls may block the thread that makes them. The committer has a thread of its
//!   own, long reads have a pool of threads. Short reads run on the thread of the task that asks, so a
//!   backend for which a read is a round trip must be given a pool for them, too.

mod record;
mod row;
mod write_set;

use std::{ops::ControlFlow, sync::Arc};

pub use self::{
    record::{MergedRow, MergedRowError, Record, RecordFlags, RecordHead, StoredRecord},
    row::{Detail, IndexNumber, ItemRow, KeyRange, Keyspace, OriginNumber, TableNumber, version},
    write_set::{CommitNumber, ItemChange, WriteSet},
};
use crate::StoreError;

/// What a visitor answers to each row: whether it wants the next one.
pub type Visit = Result<ControlFlow<()>, StoreError>;

/// Is shown the items that were asked for: the place of the key, the row, and its record.
pub type ItemVisitor<'v> = dyn FnMut(usize, &ItemRow, Option<&dyn StoredRecord>) -> Result<(), StoreError> + 'v;

/// Is shown the rows that were asked for: the place of the key, and the row.
pub type RowVisitor<'v> = dyn FnMut(usize, &[u8]) -> Result<(), StoreError> + 'v;

/// Is shown the items of a range: the row key, the row, and its record.
pub type ItemScanner<'v> = dyn FnMut(&[u8], &ItemRow, Option<&dyn StoredRecord>) -> Visit + 'v;

/// What keeps a region's state. See the [contract](self).
pub trait StorageBackend: Send + Sync + 'static {
    /// Runs `work` on a view of what was committed.
    ///
    /// # Errors
    /// Those of `work`, [`StoreError::Closed`] after [`StorageBackend::close`] or where the state was
    /// taken away, and [`StoreError::Database`] where the backend fails.
    fn read(
        &self,
        scope: Scope,
        work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Makes the caller the one that may commit.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where somebody else holds the lease and cannot lose it.
    fn lease(&self) -> Result<Box<dyn Writer>, StoreError>;

    /// Calls `listener` after every commit, whoever made it. A listener must not block.
    fn watch(&self, listener: Arc<dyn Fn() + Send + Sync>);

    /// Whether reads are possible. It is asked before each read that is served from memory, so it must
    /// cost less than a read.
    ///
    /// # Errors
    /// [`StoreError::Closed`] where they are not.
    fn check(&self) -> Result<(), StoreError>;

    /// Ends reading and gives up what keeps others away from the state. Reads under way finish.
    fn close(&self);
}

/// How much of a [`StorageBackend::read`] must be of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every call of [`Snapshot`] by itself. Cheaper where there is only one.
    Call,
    /// All calls together.
    Snapshot,
}

/// A view of what was committed. Visitors may make further calls.
pub trait Snapshot {
    /// The rows of these items that exist: `visit` gets the place of the key in `keys`, the row, and
    /// the record that the row points to, as far as `detail` asks for it and it exists.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn items(&self, keys: &[&[u8]], detail: Detail, visit: &mut ItemVisitor<'_>) -> Result<(), StoreError>;

    /// The rows of items in a range of keys, in order, until `visit` breaks.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn scan_items(&self, range: &KeyRange, detail: Detail, visit: &mut ItemScanner<'_>) -> Result<(), StoreError>;

    /// The rows under these keys that exist: `visit` gets the place of the key in `keys`, and the row.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn rows(&self, keys: &[(Keyspace, &[u8])], visit: &mut RowVisitor<'_>) -> Result<(), StoreError>;

    /// The rows of a keyspace in a range of keys, in order, until `visit` breaks.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn scan(
        &self,
        keyspace: Keyspace,
        range: &KeyRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StoreError>;

    /// The records of the log at `first..=last`, in order (with `reverse` from the last to the first),
    /// until `visit` breaks.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn log(
        &self,
        first: u64,
        last: u64,
        reverse: bool,
        visit: &mut dyn FnMut(&dyn StoredRecord) -> Visit,
    ) -> Result<(), StoreError>;
}

impl dyn Snapshot + '_ {
    /// The row under one key of a keyspace.
    ///
    /// # Errors
    /// The backend's.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut found = None;
        self.rows(&[(keyspace, key)], &mut |_, row| {
            found = Some(row.to_vec());
            Ok(())
        })?;
        Ok(found)
    }

    /// The record at a position of the log, where it is still there; false where it is not.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    pub fn record(
        &self,
        position: u64,
        visit: &mut dyn FnMut(&dyn StoredRecord) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let mut is_there = false;
        self.log(position, position, false, &mut |record| {
            is_there = true;
            visit(record).map(ControlFlow::Continue)
        })?;
        Ok(is_there)
    }
}

/// The one that may commit.
pub trait Writer: Send {
    /// Runs `work` on the newest state.
    ///
    /// # Errors
    /// Those of [`StorageBackend::read`].
    fn read(&mut self, work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// How many commits there were, as far as this writer counts them.
    ///
    /// # Errors
    /// The backend's.
    fn committed(&mut self) -> Result<CommitNumber, StoreError>;

    /// Commits a write set: durable when this returns.
    ///
    /// # Errors
    /// [`CommitFailure`]; only after [`CommitFailure::Unknown`] may it have been written.
    fn commit(&mut self, writes: &WriteSet) -> Result<(), CommitFailure>;

    /// Keeps the backend in shape after a commit. Called with `idle` when nothing has happened for a
    /// while, to release memory that an idle backend does not need.
    fn maintain(&mut self, idle: bool) {
        let _ = idle;
    }

    /// Gives the lease back; nothing is left to do at the next start.
    fn release(self: Box<Self>);
}

/// Why a write set was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitFailure {
    /// Somebody else has the lease. Nothing was written.
    #[error("the lease of this region's state was taken by another committer")]
    LeaseLost,
    /// Something was committed since the rows were read, or could have been. Nothing was written.
    #[error("the rows that the commit rests on may have changed")]
    Stale,
    /// The backend failed before it could tell whether the commit is durable.
    #[error("whether the commit is durable is not known: {0}")]
    Unknown(StoreError),
    /// The backend could not. Nothing was written.
    #[error(transparent)]
    Failed(#[from] StoreError),
}
