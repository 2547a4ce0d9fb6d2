//! What a region says about itself: per peer, per table, per origin.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId, VersionVector};
use beringia_replication::{JoinStatus, LinkState, Quarantine, message::TableVectors};
use beringia_storage::{Backlog, Store};

use crate::driver::Driver;

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
    /// Per origin of which something arrived in the last five minutes: from the time of a write's version to its commit here.
    pub lag: BTreeMap<Region, LagQuantiles>,
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

/// What flows from this region to a peer at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// What of this region's own writes the peer has not acknowledged. None until the peer has said what it holds.
    pub backlog: Option<Backlog>,
    /// Bytes of messages sent to the peer since the start, before compression; acknowledgements and questions too.
    pub bytes_sent: u64,
    /// Bytes of messages received from the peer since the start, before compression.
    pub bytes_received: u64,
}

/// A global table in this region.
#[derive(Debug, Clone, Default)]
pub struct TableStatus {
    /// What of the table has been applied here, own writes included.
    pub vector: VersionVector,
    /// Set while this region's replica is being filled.
    pub join: Option<JoinStatus>,
    /// Ranges whose digests differed from the peer's at the last comparison with equal vectors.
    pub divergent: BTreeMap<Region, Vec<u16>>,
    /// Rows that repair has restored since the start.
    pub repaired_rows: u64,
    /// Whether its replication is paused in this region.
    pub paused: bool,
}

/// Lag of one origin's writes, milliseconds, over those applied in the last five minutes (half a minute less at times).
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

/// Looks at the state machine and asks the store.
pub(crate) async fn of(driver: &Driver) -> NodeStatus {
    let replication = driver.look(beringia_replication::Replicator::status);
    let store = driver.store();
    let clock_ms = driver.wall_ms();
    let mut peers = BTreeMap::new();
    for (region, peer) in replication.peers {
        let backlog = backlog(&**store, peer.acknowledged.as_ref()).await;
        let oldest = backlog.and_then(|backlog| backlog.oldest);
        let (bytes_sent, bytes_received) = driver.meter.of(&region);
        let status = PeerStatus {
            receiving: peer.receiving,
            sending: peer.sending,
            last_error: peer.last_error,
            acknowledged: peer.acknowledged.unwrap_or_default(),
            backlog,
            lag_ms: oldest.map_or(0, |oldest| clock_ms.saturating_sub(oldest.millis())),
            quarantined: peer.quarantined,
            relayed_through: peer.relayed_through,
            clock_ahead_ms: peer.clock_ahead_ms,
            bytes_sent,
            bytes_received,
        };
        peers.insert(region, status);
    }
    let mut joins = replication.joins;
    let mut divergent = replication.divergent;
    let mut repaired = replication.repaired_rows;
    let tables = global_vectors(&**store).into_iter().map(|(table, vector)| {
        let status = TableStatus {
            vector,
            join: joins.remove(&table),
            divergent: divergent.remove(&table).unwrap_or_default(),
            repaired_rows: repaired.remove(&table).unwrap_or(0),
            paused: replication.paused.contains(&table),
        };
        (table, status)
    });
    NodeStatus {
        region: store.region().clone(),
        clock_ms,
        peers,
        tables: tables.collect(),
        lag: driver.calls.lag.quantiles(),
    }
}

/// What flows to each peer.
pub(crate) async fn flows(driver: &Driver) -> BTreeMap<Region, Flow> {
    let acknowledged = driver.look(beringia_replication::Replicator::acknowledged_by_peer);
    let mut flows = BTreeMap::new();
    for (region, acknowledged) in acknowledged {
        let (bytes_sent, bytes_received) = driver.meter.of(&region);
        let flow = Flow {
            backlog: backlog(&**driver.store(), acknowledged.as_ref()).await,
            bytes_sent,
            bytes_received,
        };
        flows.insert(region, flow);
    }
    flows
}

/// What a peer that acknowledged that lacks of this region's writes. The store is asked only for the tables where it lacks something.
async fn backlog(store: &dyn Store, acknowledged: Option<&TableVectors>) -> Option<Backlog> {
    let own = store.origin();
    let here = store.vectors();
    let lacks =
        |table: &TableId, vector: &VersionVector| here.get(table).is_some_and(|local| local.get(own) > vector.get(own));
    let lacking: TableVectors = acknowledged?
        .iter()
        .filter(|(table, vector)| lacks(table, vector))
        .map(|(table, vector)| (*table, vector.clone()))
        .collect();
    if lacking.is_empty() {
        return Some(Backlog::default());
    }
    store.backlog(&lacking).await.ok()
}

/// The vectors of the global tables that the region holds, and of the catalog, all of one moment.
pub(crate) fn global_vectors(store: &dyn Store) -> BTreeMap<TableId, VersionVector> {
    let catalog = store.catalog();
    let is_global = |table: &TableId| {
        catalog
            .by_id
            .get(table)
            .is_some_and(|table| table.held && table.is_global())
    };
    let vectors = store.vectors();
    let of_others = vectors
        .iter()
        .filter(|(table, _)| **table == TableId::CATALOG || is_global(table));
    of_others.map(|(table, vector)| (*table, vector.clone())).collect()
}
