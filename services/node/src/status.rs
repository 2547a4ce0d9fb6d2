//! What a region says about itself: per peer, per table, per origin.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId, VersionVector};
use beringia_store::Backlog;

/// A region at one moment.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// Its name.
    pub region: Region,
    /// Its wall clock, milliseconds since the Unix epoch.
    pub clock_ms: u64,
    /// All other regions.
    pub peers: BTreeMap<Region, PeerStatus>,
    /// The global tables that it holds, and the catalog.
    pub tables: BTreeMap<TableId, TableStatus>,
    /// Per origin: from the time of a write's version to its commit here.
    pub lag: BTreeMap<Region, LagQuantiles>,
}

/// Where a stream stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LinkState {
    /// There is none; it is dialled again after a pause.
    #[default]
    Down,
    /// It is being dialled, or has not said hello yet.
    Connecting,
    /// Both sides said hello.
    Connected,
    /// One side will not talk to the other, for this reason. It is tried again, rarely.
    Refused(String),
}

/// An origin whose clock is too far ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// How far ahead of this region's clock the first write that waits is, milliseconds.
    pub ahead_ms: u64,
    /// How much is allowed, milliseconds.
    pub limit_ms: u64,
}

/// What a region knows of another.
#[derive(Debug, Clone, Default)]
pub struct PeerStatus {
    /// The stream that brings the peer's writes here; this region dials it.
    pub receiving: LinkState,
    /// The stream that takes this region's writes to the peer; the peer dials it.
    pub sending: LinkState,
    /// The last thing that went wrong with either.
    pub last_error: Option<String>,
    /// What the peer has durably applied, as it last said.
    pub acknowledged: BTreeMap<TableId, VersionVector>,
    /// What of this region's own writes the peer has not acknowledged. None until the peer has said what it holds.
    pub backlog: Option<Backlog>,
    /// Age of the oldest write in the backlog, milliseconds; 0 where there is none.
    pub lag_ms: u64,
    /// Set while the peer's writes wait because its clock is too far ahead.
    pub quarantined: Option<Quarantine>,
    /// Through whom the peer's writes come while it is out of reach.
    pub relayed_through: Option<Region>,
    /// The peer's wall clock minus this region's at the last hello, milliseconds; includes the way of the message.
    pub clock_ahead_ms: Option<i64>,
    /// Bytes of messages sent to the peer since the start, before compression.
    pub bytes_sent: u64,
    /// Bytes of messages received from the peer since the start, before compression.
    pub bytes_received: u64,
}

/// Where the filling of a new replica stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinProgress {
    /// From whom; None while no region that could serve is in reach.
    pub source: Option<Region>,
    /// What it does now.
    pub stage: JoinStage,
    /// Ranges copied, of [`beringia_item::RANGES`].
    pub ranges_done: u16,
    /// Rows copied, tombstones too.
    pub rows: u64,
}

/// The steps of filling a new replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinStage {
    /// Looking for a region to copy from.
    Waiting,
    /// Copying rows, range by range.
    Copying,
    /// Taking from the streams what was written meanwhile.
    CatchingUp,
}

/// A global table in this region.
#[derive(Debug, Clone, Default)]
pub struct TableStatus {
    /// What of the table has been applied here, own writes included.
    pub vector: VersionVector,
    /// Set while this region's replica is being filled.
    pub join: Option<JoinProgress>,
    /// Ranges whose digests differed from the peer's at the last comparison with equal vectors.
    pub divergent: BTreeMap<Region, Vec<u16>>,
    /// Rows that repair has restored since the start.
    pub repaired_rows: u64,
}

/// Lag of one origin's writes, milliseconds, over those applied since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LagQuantiles {
    /// How many writes were measured.
    pub count: u64,
    /// The least.
    pub min: u64,
    /// Median.
    pub p50: u64,
    /// Ninth decile.
    pub p90: u64,
    /// 95 of 100 are below.
    pub p95: u64,
    /// 99 of 100 are below.
    pub p99: u64,
    /// 999 of 1000 are below.
    pub p999: u64,
    /// The greatest.
    pub max: u64,
}
