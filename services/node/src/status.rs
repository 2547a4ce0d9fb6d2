//! The status that a region reports: per peer, per table, per origin.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId, VersionVector};
use beringia_replication::{BootstrapStatus, LinkState, Quarantine, message::TableVectors};
use beringia_storage::{Backlog, Store};

use crate::driver::Driver;

/// A snapshot of a region's status.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// The region whose status this is.
    pub region: Region,
    /// Its wall clock, milliseconds since the Unix epoch.
    pub clock_ms: u64,
    /// The store epoch of its database.
    pub store_epoch: u64,
    /// The status of every other region.
    pub peers: BTreeMap<Region, PeerStatus>,
    /// The global tables of which it has a replica, and the catalog.
    pub tables: BTreeMap<TableId, TableStatus>,
    /// For each origin of which a write arrived in the last five minutes: the time from the write's
    /// version to its commit here.
    pub lag: BTreeMap<Region, LagQuantiles>,
}

/// The state of a peer as a region knows it.
#[derive(Debug, Clone, Default)]
pub struct PeerStatus {
    /// The stream that brings the peer's writes here; this region dials it.
    pub receiving: LinkState,
    /// The stream that takes this region's writes to the peer; the peer dials it.
    pub sending: LinkState,
    /// The last error of either stream.
    pub last_error: Option<String>,
    /// The vectors that the peer has durably applied, as it last reported.
    pub acknowledged: BTreeMap<TableId, VersionVector>,
    /// This region's own writes that the peer has not acknowledged. `None` until the peer has
    /// reported its vectors.
    pub backlog: Option<Backlog>,
    /// The age of the oldest write in the backlog, milliseconds; 0 if there is none.
    pub lag_ms: u64,
    /// Set while the peer's writes wait because its clock is too far ahead.
    pub quarantined: Option<Quarantine>,
    /// The region that relays the peer's writes while the peer is unreachable.
    pub relayed_through: Option<Region>,
    /// The peer's wall clock minus this region's at the last hello, milliseconds; includes the
    /// network delay of the hello.
    pub clock_ahead_ms: Option<i64>,
    /// Bytes of messages sent to the peer since the start, before compression.
    pub bytes_sent: u64,
    /// Bytes of messages received from the peer since the start, before compression.
    pub bytes_received: u64,
}

/// The backlog of a peer and the traffic with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// This region's own writes that the peer has not acknowledged. `None` until the peer has
    /// reported its vectors.
    pub backlog: Option<Backlog>,
    /// Bytes of messages sent to the peer since the start, before compression; includes
    /// acknowledgements and requests.
    pub bytes_sent: u64,
    /// Bytes of messages received from the peer since the start, before compression.
    pub bytes_received: u64,
}

/// The status of a global table in this region.
#[derive(Debug, Clone, Default)]
pub struct TableStatus {
    /// The version vector of the table in this region, including own writes.
    pub vector: VersionVector,
    /// Set while this region's replica is being bootstrapped.
    pub bootstrap: Option<BootstrapStatus>,
    /// For each peer, the ranges whose digests differed at the last comparison.
    pub divergent: BTreeMap<Region, Vec<u16>>,
    /// How many rows repair has restored since the start.
    pub repaired_rows: u64,
    /// Whether the table's replication is paused in this region.
    pub paused: bool,
    /// Why the region takes no writes to the table for now, if it cannot apply one of them.
    pub set_aside: Option<String>,
    /// Whether the region is missing own writes to the table that another region has, since its
    /// database is an older copy.
    pub missing_own: bool,
}

/// The number of one origin's writes that were applied in the last five minutes (at times up to
/// half a minute less), and the quantiles of their replication lag in milliseconds: 0 (`min`), .5,
/// .9, .95, .99, .999 and 1 (`max`).
#[expect(missing_docs, reason = "the fields' names say it all")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LagQuantiles {
    pub count: u64,
    pub min: u64,
    pub p50: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// Builds the status from the state machine and the store.
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
    let mut bootstraps = replication.bootstraps;
    let mut divergent = replication.divergent;
    let mut repaired = replication.repaired_rows;
    let mut set_aside = replication.set_aside;
    let tables = global_vectors(&**store).into_iter().map(|(table, vector)| {
        let status = TableStatus {
            vector,
            bootstrap: bootstraps.remove(&table),
            divergent: divergent.remove(&table).unwrap_or_default(),
            repaired_rows: repaired.remove(&table).unwrap_or(0),
            paused: replication.paused.contains(&table),
            set_aside: set_aside.remove(&table),
            missing_own: replication.missing_own.contains(&table),
        };
        (table, status)
    });
    NodeStatus {
        region: store.region().clone(),
        clock_ms,
        store_epoch: store.own_sequences().epoch,
        peers,
        tables: tables.collect(),
        lag: driver.calls.lag.quantiles(),
    }
}

/// The backlog and traffic of each peer.
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

/// This region's own writes that no other region has acknowledged, as
/// [`crate::Node::unacknowledged`] returns them.
pub(crate) async fn unacknowledged(driver: &Driver) -> Option<Backlog> {
    let by_table = driver.look(beringia_replication::Replicator::acknowledged_by_any);
    let store = driver.store();
    let (own, here) = (store.origin(), store.vectors());
    let mut acknowledged = TableVectors::new();
    for (table, sequence) in by_table {
        let written = here.get(&table).map_or(0, |vector| vector.get(own));
        let sequence = if written == 0 { Some(0) } else { sequence };
        acknowledged.insert(table, [(own.clone(), sequence?)].into_iter().collect());
    }
    backlog(&**store, Some(&acknowledged)).await
}

/// The backlog of a peer with these acknowledgements. The store is asked only about tables in which
/// the peer is behind.
async fn backlog(store: &dyn Store, acknowledged: Option<&TableVectors>) -> Option<Backlog> {
    let own = store.origin();
    let here = store.vectors();
    let is_behind =
        |table: &TableId, vector: &VersionVector| here.get(table).is_some_and(|local| local.get(own) > vector.get(own));
    let behind: TableVectors = acknowledged?
        .iter()
        .filter(|(table, vector)| is_behind(table, vector))
        .map(|(table, vector)| (*table, vector.clone()))
        .collect();
    if behind.is_empty() {
        return Some(Backlog::default());
    }
    store.backlog(&behind).await.ok()
}

/// The vectors of the global tables of which the region has a replica, and of the catalog, as one
/// consistent snapshot.
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
