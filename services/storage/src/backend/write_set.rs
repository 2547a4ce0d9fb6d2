//! The write set of a commit.

use std::collections::{BTreeMap, BTreeSet};

use super::{ItemRow, Keyspace, LogRecord};

/// A count of the commits of a region's state. Only numbers of the same lease can be compared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitNumber(pub u64);

/// The change of an item's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemChange {
    /// Inserts this row; there is none yet.
    Insert(ItemRow),
    /// Replaces the existing row with this one.
    Update(ItemRow),
    /// Deletes the existing row without leaving a tombstone.
    Delete,
}

/// Everything that one commit writes, atomically.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteSet {
    /// The condition of the commit: the number of commits at the time when the rows of the decision
    /// were read.
    pub based_on: CommitNumber,
    /// The changes of items' rows, by row key.
    pub items: BTreeMap<Vec<u8>, ItemChange>,
    /// Rows of keyspaces to write; `None` removes a row.
    pub rows: BTreeMap<(Keyspace, Vec<u8>), Option<Vec<u8>>>,
    /// Records to append, at consecutive positions after the end of the log.
    pub records: Vec<LogRecord>,
    /// Positions of records to remove from the log.
    pub trimmed: BTreeSet<u64>,
    /// Whether the commit may use the space that the backend keeps back for commits that lead to
    /// free space.
    pub on_reserve: bool,
}

impl WriteSet {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.rows.is_empty() && self.records.is_empty() && self.trimmed.is_empty()
    }
}
