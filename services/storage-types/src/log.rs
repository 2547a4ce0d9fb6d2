//! The log as replication reads it.

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_item::{Mutation, Origin, TableId, VersionVector};

/// A place in a region's log. Grows by commit order; the first record is at 1.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition(pub u64);

/// Which records a reader wants: of these origins and tables, above these vectors, never those that came by copy or repair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Whose writes.
    pub origins: Vec<Origin>,
    /// To which tables, above what.
    pub tables: BTreeMap<TableId, VersionVector>,
}

/// What some records say, and where to read on.
#[derive(Debug, Clone, Default)]
pub struct LogPage {
    /// In log order; units whole.
    pub mutations: Vec<Mutation>,
    /// Where to read on.
    pub next: LogPosition,
    /// At the log's end: the vectors of the filter's tables at that point.
    pub end: Option<BTreeMap<TableId, VersionVector>>,
}

/// What still has to go to a peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub mutations: u64,
    /// Bytes of their keys and images.
    pub bytes: u64,
    /// Hybrid time of the oldest; `None` where there is none.
    pub oldest: Option<HybridTime>,
}

impl Backlog {
    /// And this.
    pub fn add(&mut self, more: &Self) {
        self.mutations += more.mutations;
        self.bytes += more.bytes;
        self.oldest = [self.oldest, more.oldest].into_iter().flatten().min();
    }
}
