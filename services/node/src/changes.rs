//! Logs the state changes of a region's replication, and keeps the spans of bootstraps and repairs
//! until a later event ends them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use beringia_item::{Origin, Region, TableId};
use beringia_replication::{
    BootstrapChange, OriginChange, RebootstrapCause, RepairChange, ReplicaChange, SessionChange, StateChange,
    StoreCall, StreamSide,
};
use beringia_storage::{Catalog, RemoteBatch, RemoteKind};
use tracing::{Level, Span, debug, enabled, error, field::display, info, info_span};

/// Logs the state changes of one region's replication.
pub(crate) struct ChangeLog {
    region: Region,
    /// The spans of bootstraps in progress, including interrupted ones.
    bootstraps: BTreeMap<TableId, Span>,
    /// The span of the repair in progress.
    repair: Option<Span>,
}

/// The name of a stream's side in log records.
const fn word(side: StreamSide) -> &'static str {
    match side {
        StreamSide::Receiving => "receiving",
        StreamSide::Sending => "sending",
    }
}

/// The span of a stream. The accepting side learns the peer only later, from its hello.
pub(crate) fn session_span(region: &Region, peer: Option<&Region>, side: StreamSide) -> Span {
    let peer = peer.map(display);
    info_span!(parent: None, "session", %region, peer, side = %word(side))
}

/// The name of a table in log records, or its id if the region does not know the table.
fn name(catalog: &Catalog, table: TableId) -> String {
    catalog.name_of(table).map_or_else(|| table.to_string(), str::to_owned)
}

impl ChangeLog {
    pub(crate) const fn new(region: Region) -> Self {
        Self {
            region,
            bootstraps: BTreeMap::new(),
            repair: None,
        }
    }

    /// The span of a store call: that of the bootstrap or repair that makes it, else the current
    /// one.
    pub(crate) fn span_of(&self, call: &StoreCall) -> Span {
        if !enabled!(Level::INFO) {
            return Span::none();
        }
        let process = match call {
            StoreCall::Apply(batch) if batch.kind != RemoteKind::Stream => self.span_of_rows(batch),
            _ => None,
        };
        process.cloned().unwrap_or_else(Span::current)
    }

    fn span_of_rows(&self, batch: &RemoteBatch) -> Option<&Span> {
        let rows = batch.mutations.iter().map(|mutation| mutation.table);
        let mut tables = rows
            .chain(batch.obsolete.iter().map(|(table, ..)| *table))
            .chain(batch.progress.iter().map(|(table, ..)| *table));
        let bootstrap = tables.next().and_then(|table| self.bootstraps.get(&table));
        // The rows of other tables come from a repair: no table is bootstrapped and repaired at
        // once.
        bootstrap.or(self.repair.as_ref())
    }

    /// Logs one change; `catalog` supplies the names of tables.
    pub(crate) fn log(&mut self, catalog: &Catalog, change: &StateChange) {
        match change {
            StateChange::Stream { peer, side, change } => self.log_stream(peer, *side, change),
            StateChange::Origin { origin, change } => self.log_origin(origin, change),
            StateChange::Bootstrap { table, change } => self.log_bootstrap(*table, &name(catalog, *table), change),
            StateChange::Repair { table, peer, change } => self.log_repair(&name(catalog, *table), peer, change),
            StateChange::Replica { table, change } => self.log_replica(&name(catalog, *table), change),
        }
    }

    fn log_stream(&self, peer: &Region, side: StreamSide, change: &SessionChange) {
        let (region, side) = (&self.region, word(side));
        match change {
            SessionChange::Connected { clock_ahead_ms } => {
                info!(%region, %peer, %side, clock_ahead_ms, "connected");
            }
            SessionChange::Disconnected { reason } => info!(%region, %peer, %side, reason, "disconnected"),
            // At `debug`, since dialling is repeated until it succeeds.
            SessionChange::Failed { reason } => debug!(%region, %peer, %side, reason, "connection failed"),
            SessionChange::Refused { reason } => info!(%region, %peer, %side, reason, "connection refused"),
        }
    }

    fn log_origin(&self, origin: &Origin, change: &OriginChange) {
        let region = &self.region;
        match change {
            OriginChange::Quarantined { ahead_ms, limit_ms } => {
                info!(%region, %origin, ahead_ms, limit_ms, "quarantine began");
            }
            OriginChange::QuarantineEnded => info!(%region, %origin, "quarantine ended"),
            OriginChange::RelayBegan { via } => info!(%region, %origin, %via, "relay began"),
            OriginChange::RelayEnded { via } => info!(%region, %origin, %via, "relay ended"),
        }
    }

    fn log_bootstrap(&mut self, id: TableId, table: &str, change: &BootstrapChange) {
        let region = &self.region;
        if let BootstrapChange::Began {
            source,
            is_resumed: false,
            ..
        } = change
        {
            let span = info_span!(parent: None, "bootstrap", %region, table, %source);
            self.bootstraps.insert(id, span);
        }
        let inside = self.bootstraps.get(&id).cloned().map(Span::entered);
        match change {
            BootstrapChange::Began {
                source,
                in_place,
                is_resumed,
            } => info!(%region, table, %source, in_place, is_resumed, "bootstrap began"),
            BootstrapChange::Interrupted => info!(%region, table, "bootstrap interrupted"),
            BootstrapChange::Restarted { reason } => info!(%region, table, reason, "bootstrap restarted"),
            BootstrapChange::Held {
                origin,
                ahead_ms,
                limit_ms,
            } => info!(%region, table, %origin, ahead_ms, limit_ms, "bootstrap held by a clock"),
            BootstrapChange::Copied { rows } => info!(%region, table, rows, "bootstrap copied all rows"),
            BootstrapChange::Ended => info!(%region, table, "bootstrap ended"),
            BootstrapChange::Cancelled => info!(%region, table, "bootstrap cancelled"),
        }
        drop(inside);
        if matches!(change, BootstrapChange::Ended | BootstrapChange::Cancelled) {
            self.bootstraps.remove(&id);
        }
    }

    fn log_repair(&mut self, table: &str, peer: &Region, change: &RepairChange) {
        let region = &self.region;
        let span = self.repair.take();
        let span = span.unwrap_or_else(|| info_span!(parent: None, "repair", %region, table, %peer));
        let inside = span.clone().entered();
        match change {
            RepairChange::Began { ranges } => info!(%region, table, %peer, ranges, "repair began"),
            RepairChange::Ended { rows } => info!(%region, table, %peer, rows, "repair ended"),
            RepairChange::Interrupted { reason } => info!(%region, table, %peer, reason, "repair interrupted"),
        }
        drop(inside);
        if matches!(change, RepairChange::Began { .. }) {
            self.repair = Some(span);
        }
    }

    fn log_replica(&self, table: &str, change: &ReplicaChange) {
        let region = &self.region;
        match change {
            ReplicaChange::Dropping {
                region: dropped,
                unreachable_ms,
            } => info!(%region, table, %dropped, unreachable_ms, "dropping a replica"),
            ReplicaChange::Dropped { region: dropped } => info!(%region, table, %dropped, "replica dropped"),
            ReplicaChange::Rebootstrapped { cause } => {
                let cause = match cause {
                    RebootstrapCause::Dropped => "other regions dropped it",
                    RebootstrapCause::LostRows => "its rows are gone",
                    RebootstrapCause::OlderCopy => "the database is an older copy",
                };
                info!(%region, table, cause, "re-bootstrap began");
            }
            ReplicaChange::SetAside { origin, reason } => {
                error!(%region, table, %origin, reason, "table set aside: a write cannot be applied");
            }
            ReplicaChange::TakenBack => info!(%region, table, "table taken back"),
            ReplicaChange::Paused => info!(%region, table, "replication paused"),
            ReplicaChange::Resumed => info!(%region, table, "replication resumed"),
        }
    }
}
