//! The record of a table that clients create, write and delete in a run, and create again under its
//! name.

use std::collections::{BTreeMap, BTreeSet};

/// A table that was created and deleted several times under one name. The time from a creation to
/// the deletion is a *life* of the table. Each life has an id of its own, the `TableId` of
/// `DescribeTable`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecreatedTable {
    /// The name of the table in all of its lives.
    pub name: String,
    /// The requests of clients, in any order.
    pub requests: Vec<LifeRequest>,
    /// What each region showed after convergence; `None` for no table of this name.
    pub shown: BTreeMap<String, Option<ShownTable>>,
    /// For each region, the time before which it may have lost writes, in microseconds since the
    /// load began: with its disk, or with a replica that was dropped.
    pub lost_before_us: BTreeMap<String, u64>,
}

/// A request of a client to a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeRequest {
    /// The region that was called.
    pub region: String,
    /// When the request was sent, in microseconds since the load began.
    pub sent_us: u64,
    /// When the answer came, or the client gave up.
    pub done_us: u64,
    /// The life that the region showed both before the request and after it, so that the request
    /// concerned that life; `None` if the region showed different lives, or none.
    pub life: Option<String>,
    /// What was asked for, and the answer.
    pub what: LifeOperation,
}

/// An operation on a table in one of its lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeOperation {
    /// Puts an item under a key that no other request has, in no life.
    Put {
        /// The key of the item.
        key: String,
        /// Whether the region acknowledged the put.
        is_acknowledged: bool,
    },
    /// Reads the whole table consistently.
    Scan {
        /// The keys of all items that were read.
        keys: BTreeSet<String>,
        /// Whether the region must have the writes of all regions: it had the only replica, or the
        /// regions had converged.
        is_complete: bool,
    },
}

/// A table as a region shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTable {
    /// The id of the table.
    pub life: String,
    /// The status of each replica, by region, with that of the region itself.
    pub replicas: BTreeMap<String, String>,
}
