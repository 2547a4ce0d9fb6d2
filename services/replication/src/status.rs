//! What the state machine says about itself.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Region, TableId};

use crate::message::TableVectors;

/// The state machine at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// All configured peers.
    pub peers: BTreeMap<Region, PeerStatus>,
    /// The joins that are wanted or under way.
    pub joins: BTreeMap<TableId, JoinStatus>,
    /// Per table and peer, the ranges that differed at the last comparison with equal vectors.
    pub divergent: BTreeMap<TableId, BTreeMap<Region, Vec<u16>>>,
    /// Rows that repair brought back since the start, per table.
    pub repaired_rows: BTreeMap<TableId, u64>,
    /// Tables whose replication is paused here.
    pub paused: BTreeSet<TableId>,
}

/// Where a stream stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LinkState {
    /// There is none; a dialled one is tried again after a pause.
    #[default]
    Down,
    /// It is being opened, or has not said hello yet.
    Connecting,
    /// Both sides said hello.
    Connected,
    /// One side will not talk to the other, for this reason.
    Refused(String),
}

/// An origin whose writes are too far in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// How far ahead of this region's clock the write that waits was when it was last tried, milliseconds.
    pub ahead_ms: u64,
    /// How far is allowed, milliseconds.
    pub limit_ms: u64,
}

/// A peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// The stream that brings its writes.
    pub receiving: LinkState,
    /// The stream that takes this region's writes there.
    pub sending: LinkState,
    /// The last thing that went wrong with either.
    pub last_error: Option<String>,
    /// What the peer has acknowledged on its present or last stream; `None` before its first.
    pub acknowledged: Option<TableVectors>,
    /// Set while its writes are too far in the future.
    pub quarantined: Option<Quarantine>,
    /// Who relays its writes.
    pub relayed_through: Option<Region>,
    /// Its wall clock minus this region's at the last hello, milliseconds; includes the message's way.
    pub clock_ahead_ms: Option<i64>,
}

/// Where a join stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinStatus {
    /// From whom it copies.
    pub source: Option<Region>,
    /// What it does.
    pub stage: JoinStage,
    /// Ranges copied.
    pub ranges_done: u16,
    /// Rows copied, tombstones too.
    pub rows: u64,
    /// Why the last attempt failed, where one did.
    pub last_error: Option<String>,
}

/// The steps of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinStage {
    /// Looking for a region to copy from.
    Waiting,
    /// Copying rows.
    Copying,
    /// Taking from the streams what was written meanwhile.
    CatchingUp,
}
