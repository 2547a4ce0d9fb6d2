//! What all parts of the state machine look at.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId, VersionVector};
use beringia_storage_types::ReplicaStatus;

use crate::{
    event::{Now, TableView},
    message::TableVectors,
    status::Quarantine,
    tuning::Tuning,
};

/// The region as all parts see it; only the replicator changes it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) region: Region,
    /// Of this region's own writes.
    pub(crate) origin: Origin,
    pub(crate) incarnation: u128,
    pub(crate) tuning: Tuning,
    pub(crate) peers: BTreeSet<Region>,
    pub(crate) now: Now,
    pub(crate) catalog: BTreeMap<TableId, TableView>,
    /// This region's vectors as last heard from the store. Entries of other origins are exact, since they advance only by
    /// our own calls; this region's own entry may lag until the next tick.
    pub(crate) local: TableVectors,
    /// Origins whose writes are not asked for, until when, because their clock is too far ahead.
    pub(crate) quarantine: BTreeMap<Origin, Held>,
    /// How far ahead of the wall clock the store lets writes be, milliseconds, as it said when it refused some.
    pub(crate) limit_ms: Option<u64>,
    /// Tables that were copied and wait only for the streams: they are subscribed to but not served.
    pub(crate) catching_up: BTreeSet<TableId>,
    /// Tables whose vector a copy is setting: until it is known where, it says more than the log holds.
    pub(crate) finishing: BTreeSet<TableId>,
    /// Peers that are out of reach, in one direction at least, and for how long.
    pub(crate) away: BTreeMap<Region, Away>,
    /// Tables that are neither sent nor taken, because somebody said so.
    pub(crate) paused: BTreeSet<TableId>,
}

/// An origin in quarantine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) seen: Quarantine,
    /// When its writes are asked for again; it stays in quarantine until the store takes some and none of them has to wait.
    pub(crate) retry_at_ms: u64,
}

/// For how long a peer has been out of reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away {
    /// Since when in this process.
    pub(crate) since_ms: u64,
    /// For how long before this process started, as far as that was noted. The time between the two is not counted.
    pub(crate) before_ms: u64,
}

impl Away {
    /// Milliseconds.
    pub(crate) const fn ms(&self, now: Now) -> u64 {
        self.before_ms
            .saturating_add(now.elapsed_ms.saturating_sub(self.since_ms))
    }
}

impl World {
    /// Whether others may read this table here: log, digests, rows. While it is being filled its vector says nothing yet about
    /// its log. A replica on its way out still serves: others have to get what it wrote.
    pub(crate) fn serves(&self, table: TableId) -> bool {
        self.is_complete(table) && !self.finishing.contains(&table) && !self.paused.contains(&table)
    }

    /// Whether this region's replica is active, or on its way out, and what that says of its rows is true.
    pub(crate) fn is_complete(&self, table: TableId) -> bool {
        let is_complete =
            |view: &TableView| view.joined && view.replicas.get(&self.region).is_some_and(ReplicaStatus::is_whole);
        table == TableId::CATALOG || self.catalog.get(&table).is_some_and(is_complete)
    }

    /// Whether what is known of tables and peers is only of those that there are, of the past, and
    /// of a limit that the store named.
    pub(crate) fn is_consistent(&self) -> bool {
        !self.peers.contains(&self.region)
            && self.away.keys().all(|peer| self.peers.contains(peer))
            && self.away.values().all(|away| away.since_ms <= self.now.elapsed_ms)
            && (self.quarantine.is_empty() || self.limit_ms.is_some())
            && self.paused.iter().all(|table| self.catalog.contains_key(table))
            && self.catching_up.is_disjoint(&self.finishing)
    }

    /// The tables that others may read here.
    pub(crate) fn served(&self) -> BTreeSet<TableId> {
        let tables = self.catalog.keys().copied();
        std::iter::once(TableId::CATALOG)
            .chain(tables)
            .filter(|table| self.serves(*table))
            .collect()
    }

    /// Whether this region takes the table's writes from the streams.
    pub(crate) fn streams(&self, table: TableId) -> bool {
        (self.is_complete(table) || self.catching_up.contains(&table)) && !self.paused.contains(&table)
    }

    /// Whether the peer has a replica of the table, whatever its state, as far as this region knows.
    pub(crate) fn has_replica(&self, peer: &Region, table: TableId) -> bool {
        table == TableId::CATALOG
            || self
                .catalog
                .get(&table)
                .is_some_and(|view| view.replicas.contains_key(peer))
    }

    /// The peers that have been out of reach for longer than is allowed.
    pub(crate) fn lost(&self) -> BTreeSet<Region> {
        let is_lost = |away: &Away| away.ms(self.now) >= self.tuning.unreachable_ms_max;
        let lost = self.away.iter().filter(|(_, away)| is_lost(away));
        lost.map(|(region, _)| region.clone()).collect()
    }

    /// What of the table has been applied here.
    pub(crate) fn vector(&self, table: TableId) -> VersionVector {
        self.local.get(&table).cloned().unwrap_or_default()
    }

    /// Takes in what the store said about its vectors. Of a table that is not complete it says nothing of other origins before a copy
    /// ends: what comes before may be of rows that are gone.
    pub(crate) fn learn(&mut self, vectors: &TableVectors) {
        for (table, vector) in vectors {
            let is_complete = self.catalog.get(table).is_none_or(|view| view.joined);
            let local = self.local.entry(*table).or_default();
            if is_complete {
                local.merge(vector);
            } else {
                local.advance(&self.origin, vector.get(&self.origin));
            }
        }
    }

    /// Takes in the vectors at the end of a copy.
    pub(crate) fn learn_copied(&mut self, vectors: &TableVectors) {
        merge_tables(&mut self.local, vectors);
    }
}

/// Takes the greater of both for every table and origin.
pub(crate) fn merge_tables(into: &mut TableVectors, from: &TableVectors) {
    for (table, vector) in from {
        into.entry(*table).or_default().merge(vector);
    }
}
