//! Draining a region: clients' writes are refused, and for each peer and table it is reported
//! whether the last write has arrived.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use beringia_engine::Engine;
use beringia_item::{Region, TableId, VersionVector};
use beringia_replication::ReplicaProgress;
use beringia_storage::{Backlog, Catalog, ReplicaStatus};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use crate::driver::Driver;

/// The progress of a drain. Only this region's own writes count; other regions send theirs to each
/// other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// When the drain began, by this region's wall clock: milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Requests that began before the drain and have not ended; at least 1 if the store cannot
    /// confirm that all writes are committed. While this is not 0, the last write of a table may
    /// still change.
    pub writes_under_way: usize,
    /// One for every replica in another region of every global table of this region, and one for
    /// every peer's catalog; by table, then region.
    pub watermarks: Vec<DrainWatermark>,
}

/// How far a peer has acknowledged this region's own writes to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainWatermark {
    /// The table that the writes are to.
    pub table: TableId,
    /// The region of the replica.
    pub peer: Region,
    /// The sequence of this region's last write to the table; 0 if it never wrote.
    pub last: u64,
    /// The sequence up to which the peer has reported that it durably has all writes; 0 if it has
    /// reported nothing on a currently open stream.
    pub acknowledged: u64,
    /// When it first reported that, by this region's wall clock: milliseconds since the Unix epoch.
    pub acknowledged_ms: Option<u64>,
    /// This region's own writes to the table above `acknowledged`. An upper bound of what the peer
    /// is missing, since it may have more than it has reported.
    pub missing: Backlog,
    /// Why the peer is not known to have the last write; `None` if it is known to have it.
    pub obstacle: Option<Obstacle>,
}

/// The reason why a peer is not known to have the last write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The write is on its way.
    Behind,
    /// No stream is open between the two regions, so nothing is known of the peer, not even what a
    /// relay may have brought there.
    Unreachable,
    /// The peer's replica is being bootstrapped.
    Filling,
    /// The table's replication is paused in this region.
    Paused,
}

impl Drain {
    /// Whether every peer is known to have the last write of every table, so that the region can be
    /// taken out of service without losing a write.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.writes_under_way == 0 && self.watermarks.iter().all(|watermark| watermark.obstacle.is_none())
    }

    /// The peers that are known to have the last write of every table; none while writes are in
    /// progress.
    #[must_use]
    pub fn complete_peers(&self) -> BTreeSet<&Region> {
        if self.writes_under_way > 0 {
            return BTreeSet::new();
        }
        let behind: BTreeSet<&Region> = self
            .watermarks
            .iter()
            .filter(|watermark| watermark.obstacle.is_some())
            .map(|watermark| &watermark.peer)
            .collect();
        let all = self.watermarks.iter().map(|watermark| &watermark.peer);
        all.filter(|peer| !behind.contains(peer)).collect()
    }
}

/// Reports a region's drain independently of its node. It outlives the node; once that is killed,
/// it proves nothing any more.
#[derive(Clone)]
pub struct DrainWatch {
    pub(crate) request: Arc<DrainRequest>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) driver: Arc<Driver>,
}

impl fmt::Debug for DrainWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainWatch").finish_non_exhaustive()
    }
}

impl DrainWatch {
    /// The progress of the drain; `None` if the region accepts writes.
    pub fn state(&self) -> BoxFuture<'_, Option<Drain>> {
        Box::pin(self.request.state(&self.engine, &self.driver))
    }
}

/// The wall clock in milliseconds when the current drain was requested, if there is one.
#[derive(Debug, Default)]
pub(crate) struct DrainRequest(Mutex<Option<u64>>);

impl DrainRequest {
    pub(crate) fn begin(&self, engine: &Engine, now_ms: u64) {
        let mut since_ms = self.0.lock();
        since_ms.get_or_insert(now_ms);
        engine.stop_writes();
    }

    pub(crate) fn end(&self, engine: &Engine) {
        let mut since_ms = self.0.lock();
        *since_ms = None;
        engine.allow_writes();
    }

    pub(crate) async fn state(&self, engine: &Engine, driver: &Driver) -> Option<Drain> {
        let since_ms = (*self.0.lock())?;
        let under_way = engine.writes_under_way();
        // A request whose client disconnected has ended, but its write may still be in the
        // committer's queue. This empty change is queued behind it.
        let queued = driver
            .store()
            .change_schema(Box::new(|_: &Catalog| Ok(Vec::new())))
            .await;
        Some(Drain {
            since_ms,
            writes_under_way: under_way.max(usize::from(queued.is_err())),
            watermarks: watermarks(driver).await,
        })
    }
}

async fn watermarks(driver: &Driver) -> Vec<DrainWatermark> {
    let (replica_progress, paused) =
        driver.look(|replicator| (replicator.replica_progress(), replicator.paused().clone()));
    let store = driver.store();
    // Read after the progress: a peer cannot have acknowledged a write that these vectors do not
    // cover.
    let vectors = store.vectors();
    let mut watermarks = Vec::new();
    for (table, replicas) in replica_progress {
        let last = vectors.get(&table).map_or(0, |vector| vector.get(store.origin()));
        for (peer, progress) in replicas {
            let mut watermark = watermark(table, peer, last, &progress, paused.contains(&table));
            if watermark.obstacle.is_some() {
                let has: VersionVector = [(store.origin().clone(), watermark.acknowledged)].into_iter().collect();
                let missing = store.backlog(&BTreeMap::from([(table, has)])).await;
                watermark.missing = missing.unwrap_or_default();
            }
            watermarks.push(watermark);
        }
    }
    watermarks
}

fn watermark(table: TableId, peer: Region, last: u64, progress: &ReplicaProgress, is_paused: bool) -> DrainWatermark {
    let known = progress.watermark;
    let acknowledged = known.map_or(0, |known| known.sequence);
    let obstacle = if acknowledged >= last {
        None
    } else if !progress.is_reachable {
        Some(Obstacle::Unreachable)
    } else if is_paused {
        Some(Obstacle::Paused)
    } else if matches!(progress.status, ReplicaStatus::Creating { .. }) {
        Some(Obstacle::Filling)
    } else {
        Some(Obstacle::Behind)
    };
    DrainWatermark {
        table,
        peer,
        last,
        acknowledged,
        acknowledged_ms: known.map(|known| known.reported_ms),
        missing: Backlog::default(),
        obstacle,
    }
}
