//! The interface for storage backends, which keep a region's state in SQLite, in memory or in a
//! database server.
//!
//! A backend keeps ordered [keyspaces](Keyspace) of small rows, the rows of items, and one log. It
//! decides nothing: the layer above it (`beringia-decisions`) decides conditions, versions,
//! conflicts, digests and indexes from rows that were read in bulk, and returns one [`WriteSet`].
//!
//! It has three groups of methods. [`StorageBackend`]: read, lease, watch, check, close.
//! [`Snapshot`]: multi-get and ordered scan, of items and of small rows, and the log. [`Writer`]:
//! read, committed, commit (with the log's appends and trims), maintain, release.
//!
//! # The contract
//!
//! - **Snapshots.** Everything that one [`StorageBackend::read`] with [`ReadScope::Snapshot`] sees
//!   is the state after one commit: all of that commit and of those before it, nothing of later
//!   ones. With [`ReadScope::Call`] that holds for each call of [`Snapshot`] separately. A backend
//!   should let reads and commits run concurrently; one that keeps its state in memory may make
//!   them wait.
//! - **Lease.** [`StorageBackend::lease`] makes its caller the only one that may commit. The
//!   [`Writer`] that it returns reads the newest state, each [`Writer::read`] as one snapshot. A
//!   writer that lost its lease commits nothing more.
//! - **Commits.** [`Writer::commit`] is atomic and durable: rows, appended records and trimmed
//!   records together, or nothing. Its condition is one number, [`WriteSet::based_on`]: the number
//!   of commits ([`Writer::committed`]) at the time when the decision's rows were read. If there
//!   have been more since, nothing is written. The number is compared within one lease only; a
//!   backend that can have no other writer may count from its own start. All rows of the decision,
//!   including those that were found absent, are therefore unchanged, even if several reads
//!   returned them.
//! - **Empty write sets** are not committed, so no condition covers them: a writer that lost its
//!   lease without noticing may refuse a command on the basis of stale rows.
//! - **Trimming.** A record in [`WriteSet::trimmed`] is gone with the commit. Trimmed positions
//!   stay empty. Trimming a position that is already empty is not an error.
//! - **Full disk.** A commit that needs more space than there is fails with
//!   [`StoreError::DiskFull`]. The backend keeps back a reserve for write sets that are
//!   [on the reserve](WriteSet::on_reserve), so that deletes and trims succeed on a full disk. Once
//!   the reserve is in use, other commits are refused until it is free again.
//! - **Failures** define the state of the commit: after [`CommitFailure::Stale`],
//!   [`CommitFailure::LeaseLost`] and [`CommitFailure::Failed`] nothing was written; after
//!   [`CommitFailure::Unknown`] it may have been. After each but `Failed` the caller reads its
//!   state again before it decides again. [`CommitFailure::Fatal`] ends the writer: what it reads
//!   may not be durable.
//! - **Watch.** A listener is called after every commit, once it is visible, whichever writer made
//!   it.
//! - **Order.** The caller assigns log positions, without gaps, in commit order.
//! - **Blocking.** All calls may block the thread that makes them. The committer has a thread of
//!   its own, and long reads have a pool of threads. Short reads run on the thread of the calling
//!   task, so a backend whose reads are round trips needs a pool for them, too.

mod record;
mod row;
mod seal;
mod write_set;

use std::{ops::ControlFlow, sync::Arc};

pub use self::{
    record::{LogRecord, MergedRow, MergedRowError, RecordFlags, RecordHead, StoredRecord},
    row::{Detail, IndexNumber, ItemRow, KeyRange, Keyspace, OriginNumber, TableNumber, version},
    seal::{Damaged, Place},
    write_set::{CommitNumber, ItemChange, WriteSet},
};
use crate::StoreError;

/// A visitor's answer to each row: whether to continue the scan.
pub type Visit = Result<ControlFlow<()>, StoreError>;

/// What was read at a place, unless it is damaged.
pub type Checked<T> = Result<T, Damaged>;

/// Receives the requested items: the index of the key, the row, and its record.
pub type ItemVisitor<'v> =
    dyn FnMut(usize, Checked<&ItemRow>, Option<&dyn StoredRecord>) -> Result<(), StoreError> + 'v;

/// Receives the requested rows: the index of the key, and the row.
pub type RowVisitor<'v> = dyn FnMut(usize, Checked<&[u8]>) -> Result<(), StoreError> + 'v;

/// Receives the items of a range: the row key, the row, and its record.
pub type ItemScanner<'v> = dyn FnMut(&[u8], Checked<&ItemRow>, Option<&dyn StoredRecord>) -> Visit + 'v;

/// Receives the rows of a range: the key and the row.
pub type RowScanner<'v> = dyn FnMut(&[u8], Checked<&[u8]>) -> Visit + 'v;

/// The storage of a region's state. See the [contract](self).
pub trait StorageBackend: Send + Sync + 'static {
    /// Runs `work` on a view of committed state.
    ///
    /// # Errors
    /// Those of `work`; [`StoreError::Closed`] after [`StorageBackend::close`] or if the state was
    /// taken away; [`StoreError::Unreadable`] if what it reads is; and [`StoreError::Database`] if
    /// the backend fails otherwise.
    fn read(
        &self,
        scope: ReadScope,
        work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Makes the caller the only one that may commit.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if another holder has the lease and cannot lose it.
    fn lease(&self) -> Result<Box<dyn Writer>, StoreError>;

    /// Calls `listener` after every commit, whichever writer made it. A listener must not block.
    fn watch(&self, listener: Arc<dyn Fn() + Send + Sync>);

    /// The space that the backend takes; zeros for one that does not know.
    ///
    /// # Errors
    /// If it cannot be determined.
    fn sizes(&self) -> Result<StorageSizes, StoreError> {
        Ok(StorageSizes::default())
    }

    /// Checks whether reads are possible. It is called before each read that is served from memory,
    /// so it must cost less than a read.
    ///
    /// # Errors
    /// [`StoreError::Closed`] if reads are not possible.
    fn check(&self) -> Result<(), StoreError>;

    /// How many log records were found damaged, or missing ([`Snapshot::miss_record`]), since the
    /// backend was opened. Each counts once; a backend that finds very many may stop counting.
    fn damaged(&self) -> u64 {
        0
    }

    /// Ends reading and releases the exclusive hold on the state. Reads in progress finish.
    fn close(&self);
}

/// How much of a [`StorageBackend::read`] must see the same commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadScope {
    /// Each call of [`Snapshot`] separately. This is cheaper if there is only one call.
    Call,
    /// All calls together: the whole read sees one snapshot.
    Snapshot,
}

/// A view of committed state. Visitors may make further calls.
pub trait Snapshot {
    /// Reads the rows of the given items that exist. `visit` gets the index of the key in `keys`,
    /// the row, and the record that the row points to, if it exists, is not damaged, and as far as
    /// `detail` asks for it.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn items(&self, keys: &[&[u8]], detail: Detail, visit: &mut ItemVisitor<'_>) -> Result<(), StoreError>;

    /// Reads the rows of items in a range of keys, in order, until `visit` breaks.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn scan_items(&self, range: &KeyRange, detail: Detail, visit: &mut ItemScanner<'_>) -> Result<(), StoreError>;

    /// Reads the rows under the given keys that exist. `visit` gets the index of the key in `keys`,
    /// and the row.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn rows(&self, keys: &[(Keyspace, &[u8])], visit: &mut RowVisitor<'_>) -> Result<(), StoreError>;

    /// Reads the rows of a keyspace in a range of keys, in order, until `visit` breaks.
    ///
    /// # Errors
    /// Those of `visit`, and the backend's.
    fn scan(&self, keyspace: Keyspace, range: &KeyRange, visit: &mut RowScanner<'_>) -> Result<(), StoreError>;

    /// Reads the log records at `first..=last`, in order (with `reverse` from the last to the
    /// first), until `visit` breaks. Damaged records are left out ([`StorageBackend::damaged`]).
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

    /// Notes that there is no readable record at a position that cannot have been trimmed. A
    /// backend whose contents can be damaged counts it ([`StorageBackend::damaged`]).
    fn miss_record(&self, _position: u64) {}
}

impl dyn Snapshot + '_ {
    /// Reads the row under one key of a keyspace.
    ///
    /// # Errors
    /// Those of the storage backend.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut found = None;
        self.rows(&[(keyspace, key)], &mut |_, row| {
            found = Some(row?.to_vec());
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads the record at a position of the log. Returns false if it has been trimmed, or is
    /// damaged.
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

/// When a backend performs maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    /// After a commit; more commands may wait.
    AfterCommit,
    /// While no command waits.
    Idle,
    /// After a period without commands: to release memory that an idle backend does not need.
    Rest,
}

/// The space that a backend takes, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StorageSizes {
    /// The database, without its write-ahead log.
    pub database_bytes: u64,
    /// The part of the database that is free for new rows.
    pub free_bytes: u64,
    /// The write-ahead log, with the part that is used again.
    pub wal_bytes: u64,
    /// Whether the database or its disk is full: only what leads to free space is committed, in
    /// space that was kept back for it.
    pub reserve_in_use: bool,
}

/// The holder of the lease, which alone may commit.
pub trait Writer: Send {
    /// Runs `work` on the newest state.
    ///
    /// # Errors
    /// Those of [`StorageBackend::read`].
    fn read(&mut self, work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// The number of commits, as far as this writer counts them.
    ///
    /// # Errors
    /// Those of the storage backend.
    fn committed(&mut self) -> Result<CommitNumber, StoreError>;

    /// Commits a write set. It is durable when this returns.
    ///
    /// # Errors
    /// [`CommitFailure`]. Only after [`CommitFailure::Unknown`] and [`CommitFailure::Fatal`] may it
    /// have been written.
    fn commit(&mut self, writes: &WriteSet) -> Result<(), CommitFailure>;

    /// Performs some maintenance. Returns true if there is more that can be done while nothing
    /// waits.
    ///
    /// # Errors
    /// If what the backend reads may not be durable. Then its state must be opened again, as after
    /// [`CommitFailure::Fatal`]; other failures are retried the next time.
    fn maintain(&mut self, when: Maintenance) -> Result<bool, StoreError> {
        let _ = when;
        Ok(false)
    }

    /// Releases the lease in good order, so that the next start has nothing to recover.
    fn release(self: Box<Self>);
}

/// Why a write set was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitFailure {
    /// Another committer has the lease. Nothing was written.
    #[error("the lease of this region's state was taken by another committer")]
    LeaseLost,
    /// Another commit happened, or may have happened, since the rows were read. Nothing was
    /// written.
    #[error("the rows behind the commit may have changed")]
    Stale,
    /// The backend failed before it could tell whether the commit is durable.
    #[error("it is unknown whether the commit is durable: {0}")]
    Unknown(StoreError),
    /// It is unknown whether the commit is durable, and whether anything is that could be read now.
    /// The state must be opened again, which makes durable what it finds.
    #[error("nothing more can be committed until the state is opened again: {0}")]
    Fatal(StoreError),
    /// The backend could not commit. Nothing was written.
    #[error(transparent)]
    Failed(#[from] StoreError),
}
