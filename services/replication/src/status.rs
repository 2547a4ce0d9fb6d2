//! The status that the state machine reports.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Region, TableId};

use crate::message::TableVectors;

/// A snapshot of the state machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The status of every configured peer.
    pub peers: BTreeMap<Region, PeerStreams>,
    /// The bootstraps that are pending or under way.
    pub bootstraps: BTreeMap<TableId, BootstrapStatus>,
    /// For each table and peer, the ranges that differed at the last comparison.
    pub divergent: BTreeMap<TableId, BTreeMap<Region, Vec<u16>>>,
    /// For each table, the number of rows that repair has restored since the start.
    pub repaired_rows: BTreeMap<TableId, u64>,
    /// Tables whose replication is paused here.
    pub paused: BTreeSet<TableId>,
    /// Tables whose writes are not taken for now, and why: this region cannot apply one of them.
    pub set_aside: BTreeMap<TableId, String>,
    /// Tables in which this region is missing own writes that another region has, since its
    /// database is an older copy.
    pub missing_own: BTreeSet<TableId>,
}

/// The state of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LinkState {
    /// There is no stream. A dialled stream is retried after a pause.
    #[default]
    Down,
    /// The stream is being opened, or one side has not said hello yet.
    Connecting,
    /// The stream is open: both sides have sent their hello.
    Connected,
    /// One side refuses to talk to the other, for this reason.
    Refused(String),
}

/// The quarantine of an origin whose writes are too far in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// How far the waiting write was ahead of this region's clock when it was last tried,
    /// milliseconds.
    pub ahead_ms: u64,
    /// How far ahead a write may be, milliseconds.
    pub limit_ms: u64,
}

/// The status of a peer and of the two streams between it and this region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerStreams {
    /// The stream on which this region receives from the peer.
    pub receiving: LinkState,
    /// The stream on which this region sends to the peer.
    pub sending: LinkState,
    /// The last error of either stream.
    pub last_error: Option<String>,
    /// The vectors that the peer has acknowledged on its current or last stream; `None` before its
    /// first.
    pub acknowledged: Option<TableVectors>,
    /// Set while the peer's writes are too far in the future.
    pub quarantined: Option<Quarantine>,
    /// The region that relays the peer's writes, if any.
    pub relayed_through: Option<Region>,
    /// The peer's wall clock minus this region's at the last hello, milliseconds; includes the
    /// network delay of the hello.
    pub clock_ahead_ms: Option<i64>,
}

/// The progress of the bootstrap of this region's replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapStatus {
    /// The region that the rows are copied from, once chosen.
    pub source: Option<Region>,
    /// The current step of the bootstrap.
    pub stage: BootstrapStage,
    /// How many of the table's ranges have been copied.
    pub ranges_done: u16,
    /// How many rows have been copied, including tombstones.
    pub rows: u64,
    /// Why the last attempt failed, if one did.
    pub last_error: Option<String>,
}

/// The steps of a bootstrap, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootstrapStage {
    /// Waiting for a region to copy from.
    Waiting,
    /// Copying rows from the source.
    Copying,
    /// Receiving from the streams what was written during the copy.
    CatchingUp,
}
