//! The log as replication reads it.

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_item::{Mutation, Origin, TableId, VersionVector};

use crate::vectors::SharedVectors;

/// A position in a region's log. Positions follow commit order; the first record is at 1.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition(pub u64);

/// Which records a reader wants: those of these origins and tables, above these vectors. Records
/// that came by copy or repair are never included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// The origins whose writes are wanted.
    pub origins: Vec<Origin>,
    /// The wanted tables, each with the vector above which writes are wanted.
    pub tables: BTreeMap<TableId, VersionVector>,
}

/// A page of mutations from the log.
#[derive(Debug, Clone, Default)]
pub struct LogPage {
    /// The mutations in log order. Transactions are complete.
    pub mutations: Vec<Mutation>,
    /// The position from which to read the next page.
    pub next: LogPosition,
    /// At the end of the log: the store's vectors at that point, of all tables. `None` before the
    /// end.
    pub end: Option<SharedVectors>,
}

/// The writes that a peer is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many mutations the peer is missing.
    pub mutations: u64,
    /// The size of their keys, images and metadata, in bytes.
    pub bytes: u64,
    /// The hybrid time of the oldest mutation; `None` if there is none.
    pub oldest: Option<HybridTime>,
    /// The sequence of the oldest mutation; `None` if there is none.
    pub first_sequence: Option<u64>,
}

impl Backlog {
    /// Adds another backlog to this one.
    pub fn add(&mut self, more: &Self) {
        self.mutations += more.mutations;
        self.bytes += more.bytes;
        // Later writes of an origin have later times, in whichever table they are.
        self.oldest = [self.oldest, more.oldest].into_iter().flatten().min();
        self.first_sequence = [self.first_sequence, more.first_sequence].into_iter().flatten().min();
    }
}
