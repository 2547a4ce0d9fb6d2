//! What the trim of the log has still to do, and what it waits for.

use std::collections::BTreeSet;

use beringia_item::{Region, TableId};

/// Why the trim may not pass a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldReason {
    /// A stream of the table can be read, and the record is younger than the retention.
    Stream,
    /// These regions have not acknowledged the record.
    Peers(BTreeSet<Region>),
    /// It is not known of every replica what it has applied: one is unreachable, is being created
    /// or was dropped, or this region is filling or repairing its own.
    Replicas,
    /// The record is a delete, with which a write of a replica may be concurrent.
    Tombstone,
    /// The table is gone, and its unshipped writes are not saved yet.
    Unshipped,
}

/// A table that the trim left behind: its records must stay, and those of other tables were
/// passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHold {
    /// The table; `None` if it is gone.
    pub table: Option<TableId>,
    /// Why its first record must stay; `None` after a start, until the trim has looked again.
    pub reason: Option<HoldReason>,
    /// The wall time since which the table is held up, in ms.
    pub since_ms: u64,
    /// The positions of the log from that record to the end, of all tables.
    pub positions: u64,
}

/// The progress of the trim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogState {
    /// The positions that the trim has not reached.
    pub untrimmed: u64,
    /// The tables that it left behind.
    pub holds: Vec<LogHold>,
}
