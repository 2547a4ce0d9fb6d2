//! The status of regions, in the form of the control protocol.

use beringia_item::{Region, TableId};
use beringia_node::{BootstrapStage, LinkState, NodeStatus, PeerStatus, Refused, TableStatus};
use beringia_proto::v1::{
    self, Arrivals, BootstrapReport, HeldUpTable, PeerReport, RefusedReport, RegionReport, SetAsideTable, StorageReport,
};
use beringia_storage::{Catalog, DamagedRange, HoldReason, LogHold, Store};

use super::pauses;
use crate::region::{Health, Hosted};

/// The status of one region.
pub(crate) async fn of(region: &Hosted) -> RegionReport {
    let name = region.name().to_string();
    let failure = match region.health().await {
        Health::Failed(reason) => reason,
        Health::Running | Health::Down => String::new(),
    };
    let (Some(status), Some(store)) = (region.status().await, region.store().await) else {
        return RegionReport {
            name,
            running: false,
            failure,
            ..RegionReport::default()
        };
    };
    let catalog = store.catalog();
    let damage = store.damage();
    let behind = Some(store.hybrid_offset()).filter(|offset| !offset.is_allowed());
    RegionReport {
        name,
        running: true,
        peers: status
            .peers
            .iter()
            .map(|(peer, of_peer)| peer_report(peer, of_peer, &status))
            .collect(),
        bootstraps: bootstraps(&status, &catalog),
        paused: pauses::of(region).await,
        set_aside: set_aside(&status, &catalog),
        draining: region.drains().await,
        refused: region.with_node(|node| refused_report(node.refused())).await,
        clock_behind_ms: behind.map(|offset| offset.ahead_ms),
        clock_limit_ms: behind.map(|offset| offset.limit_ms),
        store_epoch: status.store_epoch,
        tables_missing_own_writes: missing_own(&status),
        failure,
        damaged_records: damage.records,
        damaged: damage
            .ranges
            .iter()
            .map(|damaged| damaged_range(damaged, &catalog))
            .collect(),
        storage: Some(storage_report(&*store, &catalog)),
    }
}

fn storage_report(store: &dyn Store, catalog: &Catalog) -> StorageReport {
    // What is not known is reported as zero.
    let sizes = store.sizes().unwrap_or_default();
    let log = store.log_state();
    StorageReport {
        database_bytes: sizes.database_bytes,
        free_bytes: sizes.free_bytes,
        wal_bytes: sizes.wal_bytes,
        reserve_in_use: sizes.reserve_in_use,
        untrimmed: log.untrimmed,
        held_up: log.holds.iter().map(|hold| held_up(hold, catalog)).collect(),
    }
}

fn held_up(hold: &LogHold, catalog: &Catalog) -> HeldUpTable {
    let (reason, peers) = match &hold.reason {
        None => ("the first trim since the start", Vec::new()),
        Some(HoldReason::Stream) => ("readers of its stream", Vec::new()),
        Some(HoldReason::Peers(peers)) => ("acknowledgements of", peers.iter().map(ToString::to_string).collect()),
        Some(HoldReason::Replicas) => ("a replica that is unreachable, being filled or dropped", Vec::new()),
        Some(HoldReason::Tombstone) => ("writes that may be concurrent with a delete", Vec::new()),
        Some(HoldReason::Unshipped) => ("its unshipped writes to be saved", Vec::new()),
    };
    HeldUpTable {
        table_id: hold.table.map(|id| id.to_string()).unwrap_or_default(),
        table: hold.table.map(|id| name_of(id, catalog)).unwrap_or_default(),
        since_ms: hold.since_ms,
        positions: hold.positions,
        reason: reason.to_owned(),
        peers,
    }
}

fn damaged_range(damaged: &DamagedRange, catalog: &Catalog) -> v1::DamagedRange {
    v1::DamagedRange {
        table_id: damaged.table.to_string(),
        table: name_of(damaged.table, catalog),
        range: damaged.range.into(),
        what: damaged.what.clone(),
    }
}

/// The number of tables in which the region is missing own writes.
fn missing_own(status: &NodeStatus) -> u32 {
    let missing = status.tables.values().filter(|table| table.missing_own);
    u32::try_from(missing.count()).unwrap_or(u32::MAX)
}

const fn refused_report(refused: Refused) -> RefusedReport {
    RefusedReport {
        throttled_reads: refused.throttled_reads,
        throttled_writes: refused.throttled_writes,
        transaction_conflicts: refused.transaction_conflicts,
    }
}

fn peer_report(peer: &Region, of_peer: &PeerStatus, status: &NodeStatus) -> PeerReport {
    let lag = status.lag.get(peer).filter(|lag| lag.count > 0);
    let refusal = [&of_peer.receiving, &of_peer.sending]
        .into_iter()
        .find_map(|state| match state {
            LinkState::Refused(reason) => Some(reason.clone()),
            _ => None,
        });
    PeerReport {
        peer: peer.to_string(),
        sending: state(&of_peer.sending).to_owned(),
        receiving: state(&of_peer.receiving).to_owned(),
        error: refusal.or_else(|| of_peer.last_error.clone()).unwrap_or_default(),
        backlog_mutations: of_peer.backlog.map(|backlog| backlog.mutations),
        backlog_bytes: of_peer.backlog.map(|backlog| backlog.bytes),
        lag_ms: of_peer.lag_ms,
        arrivals: lag.map(|lag| Arrivals {
            count: lag.count,
            p50_ms: lag.p50,
            p99_ms: lag.p99,
            p999_ms: lag.p999,
            max_ms: lag.max,
        }),
        quarantine_ahead_ms: of_peer.quarantined.map(|quarantine| quarantine.ahead_ms),
        quarantine_limit_ms: of_peer.quarantined.map(|quarantine| quarantine.limit_ms),
        relayed_through: of_peer
            .relayed_through
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

fn state(state: &LinkState) -> &'static str {
    match state {
        LinkState::Down => "down",
        LinkState::Connecting => "connecting",
        LinkState::Connected => "connected",
        LinkState::Refused(_) => "refused",
    }
}

fn set_aside(status: &NodeStatus, catalog: &Catalog) -> Vec<SetAsideTable> {
    let reason = |table: &TableStatus| table.set_aside.clone();
    let tables = status.tables.iter();
    let tables = tables.filter_map(|(id, table)| Some((*id, reason(table)?)));
    tables
        .map(|(id, reason)| SetAsideTable {
            table_id: id.to_string(),
            table: name_of(id, catalog),
            reason,
        })
        .collect()
}

/// A table's name; empty if it is not known.
pub(crate) fn name_of(id: TableId, catalog: &Catalog) -> String {
    let table = catalog.by_id.get(&id);
    table.map(|table| table.core.name.clone()).unwrap_or_default()
}

fn bootstraps(status: &NodeStatus, catalog: &Catalog) -> Vec<BootstrapReport> {
    status
        .tables
        .iter()
        .filter_map(|(id, table)| {
            let bootstrap = table.bootstrap.as_ref()?;
            Some(BootstrapReport {
                table_id: id.to_string(),
                table: name_of(*id, catalog),
                source: bootstrap.source.as_ref().map(ToString::to_string).unwrap_or_default(),
                stage: match bootstrap.stage {
                    BootstrapStage::Waiting => "waiting",
                    BootstrapStage::Copying => "copying",
                    BootstrapStage::CatchingUp => "catching up",
                }
                .to_owned(),
                ranges_done: u32::from(bootstrap.ranges_done),
                rows: bootstrap.rows,
            })
        })
        .collect()
}
