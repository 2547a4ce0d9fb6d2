//! The state that all parts of the state machine read.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId, VersionVector};
use beringia_storage_types::{OwnSequences, ReplicaStatus, SharedVectors, changed_vectors};

use crate::{
    event::{Now, TableView},
    message::TableVectors,
    status::Quarantine,
    tuning::Tuning,
};

/// How long a region that an operator has given up must be unreachable to count as lost, in ms: a
/// region that starts reaches no other at first.
const GIVEN_UP_AFTER_MS: u64 = 10_000;

/// The state that all parts read; only the replicator changes it.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) region: Region,
    /// The origin of this region's own writes.
    pub(crate) origin: Origin,
    pub(crate) incarnation: u128,
    pub(crate) tuning: Tuning,
    pub(crate) peers: BTreeSet<Region>,
    pub(crate) now: Now,
    pub(crate) catalog: BTreeMap<TableId, TableView>,
    /// This region's vectors as last reported by the store. Entries of other origins are exact,
    /// since they advance only by our own calls; this region's own entry may lag until the next
    /// tick.
    pub(crate) local: SharedVectors,
    /// The vectors of the last tick. Those that are still the same need not be learned again.
    pub(crate) learned: SharedVectors,
    /// Origins whose writes are not requested for now because their clock is too far ahead.
    pub(crate) quarantine: BTreeMap<Origin, QuarantinedOrigin>,
    /// How far ahead of the wall clock the store accepts writes, milliseconds; known once the store
    /// has refused one.
    pub(crate) limit_ms: Option<u64>,
    /// Tables that have been copied and wait for the streams to catch up: they are subscribed to
    /// but not served.
    pub(crate) catching_up: BTreeSet<TableId>,
    /// Tables whose vector a copy is setting. Until the store reports the result, that vector
    /// covers more than the log holds.
    pub(crate) finishing: BTreeSet<TableId>,
    /// What this region's database knew about its own sequences when it was opened, and the copies
    /// since.
    pub(crate) own: OwnSequences,
    /// For each table, the greatest own sequence that this region's vector has covered since the
    /// start. The vector itself falls back when the replica is dropped.
    pub(crate) own_reached: BTreeMap<TableId, u64>,
    /// Tables in which this region is missing own writes that a peer has. They are neither served
    /// nor trimmed until a copy brings those writes.
    pub(crate) missing_own: BTreeMap<TableId, MissingOwn>,
    /// Peers that are unreachable in at least one direction, and for how long.
    pub(crate) unreachable: BTreeMap<Region, Unreachable>,
    /// Tables whose replication an operator or a fault injection experiment has paused.
    pub(crate) paused: BTreeSet<TableId>,
    /// Tables that are not subscribed to for now because this region cannot apply one of their
    /// writes.
    pub(crate) set_aside: BTreeMap<TableId, SetAsideTable>,
}

/// Own writes to a table that this region is missing, since its database is an older copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingOwn {
    /// The sequence up to which a peer has them.
    pub(crate) sequence: u64,
    /// The peer that reported that sequence; the table is copied from it.
    pub(crate) holder: Region,
}

/// A table with a write that this region cannot apply: it cannot read the write, or the part of its
/// database that the write needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAsideTable {
    /// The origin of the write.
    pub(crate) origin: Origin,
    /// Why it cannot be applied, with the origin.
    pub(crate) reason: String,
    /// When the table is subscribed to again, on the monotonic clock. The table stays set aside
    /// until the store accepts writes of that origin to it.
    pub(crate) retry_at_ms: u64,
}

/// An origin whose writes wait, since its clock is too far ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuarantinedOrigin {
    pub(crate) seen: Quarantine,
    /// When the origin's writes are requested again, on the monotonic clock. The origin stays in
    /// quarantine until the store accepts some of its writes and none of them has to wait.
    pub(crate) retry_at_ms: u64,
}

/// How long a peer has been unreachable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreachable {
    /// When it became unreachable in this process, on the monotonic clock.
    pub(crate) since_ms: u64,
    /// How long it had been unreachable before this process started, as far as that was recorded.
    /// The downtime between the two processes is not counted.
    pub(crate) before_ms: u64,
}

impl Unreachable {
    /// The total time unreachable, milliseconds.
    pub(crate) const fn ms(&self, now: Now) -> u64 {
        self.before_ms
            .saturating_add(now.elapsed_ms.saturating_sub(self.since_ms))
    }
}

impl Context {
    /// Whether other regions may read this table here: log, digests and rows. While the replica is
    /// being filled, its vector does not describe its log yet. A replica that is being deleted
    /// still serves, because others have to get what it wrote.
    pub(crate) fn serves(&self, table: TableId) -> bool {
        self.is_complete(table)
            && !self.finishing.contains(&table)
            && !self.paused.contains(&table)
            && !self.missing_own.contains_key(&table)
    }

    /// Whether this region's replica is bootstrapped and active or being deleted, so that its
    /// vector describes its rows.
    pub(crate) fn is_complete(&self, table: TableId) -> bool {
        let is_complete = |view: &TableView| {
            view.bootstrapped && view.replicas.get(&self.region).is_some_and(ReplicaStatus::is_whole)
        };
        table == TableId::CATALOG || self.catalog.get(&table).is_some_and(is_complete)
    }

    /// Checks the invariants of this state: it refers only to known peers and tables and to times
    /// in the past, and origins are in quarantine only once the store has named its limit.
    pub(crate) fn is_consistent(&self) -> bool {
        !self.peers.contains(&self.region)
            && self.unreachable.keys().all(|peer| self.peers.contains(peer))
            && self
                .unreachable
                .values()
                .all(|unreachable| unreachable.since_ms <= self.now.elapsed_ms)
            && (self.quarantine.is_empty() || self.limit_ms.is_some())
            && self.paused.iter().all(|table| self.catalog.contains_key(table))
            && self.catching_up.is_disjoint(&self.finishing)
    }

    /// The catalog, and the tables in it, in order.
    pub(crate) fn tables(&self) -> impl Iterator<Item = TableId> + Clone {
        std::iter::once(TableId::CATALOG).chain(self.catalog.keys().copied())
    }

    /// The tables that others may read here, in order.
    pub(crate) fn served(&self) -> impl Iterator<Item = TableId> {
        self.tables().filter(|table| self.serves(*table))
    }

    /// Whether this region takes the table's writes from the streams.
    pub(crate) fn streams(&self, table: TableId) -> bool {
        let waits = |aside: &SetAsideTable| aside.retry_at_ms > self.now.elapsed_ms;
        (self.is_complete(table) || self.catching_up.contains(&table))
            && !self.paused.contains(&table)
            && !self.set_aside.get(&table).is_some_and(waits)
    }

    /// The tables that are set aside, each with the reason.
    pub(crate) fn set_aside(&self) -> BTreeMap<TableId, String> {
        let tables = self.set_aside.iter();
        tables.map(|(table, aside)| (*table, aside.reason.clone())).collect()
    }

    /// Whether the peer has a replica of the table, in any status, according to this region.
    pub(crate) fn has_replica(&self, peer: &Region, table: TableId) -> bool {
        table == TableId::CATALOG
            || self
                .catalog
                .get(&table)
                .is_some_and(|view| view.replicas.contains_key(peer))
    }

    /// Whether the region has an active replica of the table; every region has one of the catalog.
    pub(crate) fn is_active(&self, region: &Region, table: TableId) -> bool {
        table == TableId::CATALOG || self.catalog.get(&table).is_some_and(|view| view.is_active(region))
    }

    /// Whether this region's replica may be copied from that region's: it is active, or it is being
    /// deleted and there is no active one, so that only it has what clients wrote.
    pub(crate) fn may_copy_from(&self, region: &Region, table: TableId) -> bool {
        let is_last = |view: &TableView| {
            let mut others = view.replicas.keys().filter(|other| **other != self.region);
            view.replicas.get(region) == Some(&ReplicaStatus::Deleting) && !others.any(|other| view.is_active(other))
        };
        self.is_active(region, table) || self.catalog.get(&table).is_some_and(is_last)
    }

    /// The peers that have been unreachable for longer than the limit allows, or that an operator
    /// has given up.
    pub(crate) fn lost(&self) -> BTreeSet<Region> {
        let limit_ms = |region: &Region| {
            if self.tuning.given_up.contains(region) {
                self.tuning.unreachable_ms_max.min(GIVEN_UP_AFTER_MS)
            } else {
                self.tuning.unreachable_ms_max
            }
        };
        let is_lost = |(region, unreachable): &(&Region, &Unreachable)| unreachable.ms(self.now) >= limit_ms(region);
        let lost = self.unreachable.iter().filter(is_lost);
        lost.map(|(region, _)| region.clone()).collect()
    }

    /// The vector of what has been applied to the table here.
    pub(crate) fn vector(&self, table: TableId) -> VersionVector {
        self.local.get(&table).cloned().unwrap_or_default()
    }

    /// Records vectors that the store reported. For a table that is not bootstrapped, entries of
    /// other origins are ignored until a copy ends, because they may describe rows that are gone.
    pub(crate) fn learn(&mut self, vectors: &TableVectors) {
        for (table, vector) in vectors {
            self.learn_one(*table, vector);
        }
    }

    /// Records the vectors of the store, as [`Self::learn`] does. The store has tables that are not
    /// replicated, too.
    pub(crate) fn learn_all(&mut self, vectors: &SharedVectors) {
        let before = std::mem::replace(&mut self.learned, vectors.clone());
        for (table, vector) in changed_vectors(&before, vectors) {
            if table == TableId::CATALOG || self.catalog.contains_key(&table) {
                self.learn_one(table, vector);
            }
        }
    }

    fn learn_one(&mut self, table: TableId, vector: &VersionVector) {
        let is_complete = self.catalog.get(&table).is_none_or(|view| view.bootstrapped);
        let reached = self.own_reached.entry(table).or_default();
        *reached = (*reached).max(vector.get(&self.origin));
        let local = self.local.entry(table).or_default();
        if is_complete {
            local.merge(vector);
        } else {
            local.advance(&self.origin, vector.get(&self.origin));
        }
    }

    /// Records the vectors at the end of a copy.
    pub(crate) fn learn_copied(&mut self, vectors: &TableVectors) {
        for (table, vector) in vectors {
            self.local.entry(*table).or_default().merge(vector);
        }
    }
}

/// Merges `from` into `into`, keeping the greater sequence for every table and origin.
pub(crate) fn merge_tables(into: &mut TableVectors, from: &TableVectors) {
    for (table, vector) in from {
        into.entry(*table).or_default().merge(vector);
    }
}
