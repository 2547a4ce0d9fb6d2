//! What a commit writes.

use std::collections::{BTreeMap, BTreeSet};

use super::{ItemRow, Keyspace, Record};

/// Counts the commits of a region's state. Numbers of one lease can be compared, others cannot.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitNumber(pub u64);

/// What becomes of an item's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemChange {
    /// There is no row; this one comes.
    Insert(ItemRow),
    /// The row becomes this one.
    Update(ItemRow),
    /// There is a row; it goes.
    Delete,
}

/// What one commit writes, all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteSet {
    /// The commit's condition: how many commits there were when the rows that it rests on were read.
    pub based_on: CommitNumber,
    /// Rows of items, by row key.
    pub items: BTreeMap<Vec<u8>, ItemChange>,
    /// Rows of keyspaces; `None` removes a row.
    pub rows: BTreeMap<(Keyspace, Vec<u8>), Option<Vec<u8>>>,
    /// Records to append, at consecutive positions behind the log's end.
    pub records: Vec<Record>,
    /// Positions of records to remove.
    pub trimmed: BTreeSet<u64>,
}

impl WriteSet {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.rows.is_empty() && self.records.is_empty() && self.trimmed.is_empty()
    }
}
