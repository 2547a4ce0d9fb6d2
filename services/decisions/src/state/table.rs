//! A table that this region holds: its progress, digests, indexes and size.

use std::sync::Arc;

use beringia_item::{ConflictPolicy, KeyBytes, KeySchema, TableId};
use beringia_storage::{
    StoreError, TableSize,
    backend::{Keyspace, TableNumber, WriteSet},
};

use super::{digests::Digests, index::Index, progress::TableProgress, tip::Tip};
use crate::{
    layout::{Fields, number_key, number_of, put_bytes, row_key},
    unshipped::UnshippedFilter,
};

/// A table that this region holds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TableState {
    /// The permanent identity of the table.
    pub id: TableId,
    /// The table's number in this region.
    pub number: TableNumber,
    /// The number under which the conflict journal is stored: the table's number when the journal
    /// began.
    pub journal: TableNumber,
    /// Whether the replica has been bootstrapped: its rows were complete once.
    pub bootstrapped: bool,
    pub(crate) keys: Arc<KeySchema>,
    /// How this region's writes are recorded.
    pub(crate) policy: ConflictPolicy,
    /// The indexes, except those that are being removed.
    pub indexes: Vec<Index>,
    /// The writes that have been applied to the table.
    pub progress: TableProgress,
    pub(crate) digests: Digests,
    pub(crate) size: Arc<TableSize>,
    /// Whether the table's row has to be written even if nothing else changed.
    pub(crate) changed: bool,
}

impl TableState {
    pub(crate) fn new(id: TableId, number: TableNumber, keys: Arc<KeySchema>) -> Self {
        Self {
            id,
            number,
            journal: number,
            bootstrapped: true,
            keys,
            policy: ConflictPolicy::default(),
            indexes: Vec::new(),
            progress: TableProgress::default(),
            digests: Digests::default(),
            size: Arc::default(),
            changed: true,
        }
    }

    pub(crate) fn row_key(&self, key: &KeyBytes) -> Vec<u8> {
        row_key(self.number, &key.0)
    }

    /// Publishes the sizes of the table and its indexes to catalogs.
    pub fn show_sizes(&self) {
        let (items, bytes) = self.digests.totals();
        self.size.set(items, bytes);
        self.indexes.iter().for_each(Index::show_size);
    }

    /// The row of the table.
    pub(crate) fn row(&self, tip: Tip) -> TableRow {
        TableRow {
            id: self.id,
            journal: self.journal,
            bootstrapped: self.bootstrapped,
            local: LocalReplica::Present,
            tip,
            progress: self.progress.encode(),
            pending: self.digests.pending().to_vec(),
        }
    }

    /// Writes what the group changed. Returns true if the table's row, and so `tip`, was written.
    pub(super) fn flush(&mut self, tip: Tip, writes: &mut WriteSet) -> Result<bool, StoreError> {
        let digested = self.digests.flush(self.number, writes);
        let progressed = std::mem::take(&mut self.progress.changed);
        let written = std::mem::take(&mut self.changed) || progressed || digested;
        if written {
            self.row(tip).write(self.number, writes)?;
        }
        debug_assert!(
            self.indexes.iter().all(|index| index.table == self.number),
            "a table has its own indexes"
        );
        for index in self.indexes.iter_mut().filter(|index| index.size.changed) {
            index.size.changed = false;
            index.write(writes)?;
        }
        Ok(written)
    }
}

/// Whether a table's rows are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalReplica {
    /// The region has a replica, or is filling one.
    Present,
    /// The region has no replica any more; background work removes the rows.
    Removed {
        /// The filter for rows that are unshipped.
        unshipped: Option<UnshippedFilter>,
    },
}

/// A row of [`Keyspace::Tables`]: the state of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// The id of the table, the same in all regions.
    pub id: TableId,
    /// [`TableState::journal`]. For a table that is being removed, the journal to remove with it,
    /// or 0.
    pub journal: TableNumber,
    /// Whether the replica has been bootstrapped, as [`TableState::bootstrapped`].
    pub bootstrapped: bool,
    /// Whether the rows are held or being removed.
    pub local: LocalReplica,
    /// The region's tip when the row was written.
    pub(crate) tip: Tip,
    /// The encoded [`TableProgress`] of the table.
    pub progress: Vec<u8>,
    /// The encoded pending digests of the table.
    pub pending: Vec<u8>,
}

/// The bits of a table's row.
const BOOTSTRAPPED: u8 = 1;
const REMOVED: u8 = 2;
const UNSHIPPED: u8 = 4;

impl TableRow {
    /// Whether the table's rows are held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.local == LocalReplica::Present
    }

    /// Reads a row of [`Keyspace::Tables`].
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the row is damaged.
    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields(row);
        let flags = fields.u8()?;
        let id = TableId(fields.u128()?);
        let journal = fields.u32()?;
        let tip = Tip::decode(&mut fields)?;
        let (progress, pending) = (fields.bytes()?.to_vec(), fields.bytes()?.to_vec());
        let damaged = |error: serde_json::Error| StoreError::damaged(&error.to_string());
        let unshipped = if flags & UNSHIPPED == 0 {
            None
        } else {
            Some(serde_json::from_slice(fields.bytes()?).map_err(damaged)?)
        };
        Ok(Self {
            id,
            journal,
            bootstrapped: flags & BOOTSTRAPPED != 0,
            local: if flags & REMOVED == 0 {
                LocalReplica::Present
            } else {
                LocalReplica::Removed { unshipped }
            },
            tip,
            progress,
            pending,
        })
    }

    pub(crate) fn write(&self, number: TableNumber, writes: &mut WriteSet) -> Result<(), StoreError> {
        let (is_removed, unshipped) = match &self.local {
            LocalReplica::Present => (false, None),
            LocalReplica::Removed { unshipped } => (true, unshipped.as_ref()),
        };
        let mut flags = 0;
        for (is_set, flag) in [
            (self.bootstrapped, BOOTSTRAPPED),
            (is_removed, REMOVED),
            (unshipped.is_some(), UNSHIPPED),
        ] {
            flags |= if is_set { flag } else { 0 };
        }
        let mut row = Vec::with_capacity(64 + self.progress.len() + self.pending.len());
        row.push(flags);
        row.extend_from_slice(&self.id.0.to_be_bytes());
        row.extend_from_slice(&self.journal.to_be_bytes());
        self.tip.encode(&mut row);
        put_bytes(&mut row, &self.progress);
        put_bytes(&mut row, &self.pending);
        if let Some(unshipped) = unshipped {
            let text = serde_json::to_vec(unshipped).map_err(|error| StoreError::damaged(&error.to_string()))?;
            put_bytes(&mut row, &text);
        }
        writes
            .rows
            .insert((Keyspace::Tables, number_key(number.into())), Some(row));
        Ok(())
    }
}

pub(crate) fn table_number(key: &[u8]) -> Result<TableNumber, StoreError> {
    TableNumber::try_from(number_of(key)?).map_err(|_| StoreError::damaged("a table's number is too large"))
}
