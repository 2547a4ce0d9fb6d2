//! Queries on the state machine: its status, and what its peers no longer need.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId, VersionVector};
use beringia_storage_types::{Acknowledged, ReplicaStatus};

use super::Replicator;
use crate::{
    context::Context,
    message::TableVectors,
    receiver::Receiver,
    source::Source,
    status::{LinkState, PeerStreams, Status},
};

impl Replicator {
    /// The current status of peers, bootstraps and comparisons.
    #[must_use]
    pub fn status(&self) -> Status {
        let peers = self
            .dialled
            .receivers
            .iter()
            .map(|(region, receiver)| (region.clone(), self.peer_status(receiver)))
            .collect();
        Status {
            peers,
            bootstraps: self.bootstraps.status(),
            divergent: self.comparisons.divergent.clone(),
            repaired_rows: self.comparisons.repaired_rows.clone(),
            paused: self.context.paused.clone(),
            set_aside: self.context.set_aside(),
            missing_own: self.context.missing_own.keys().copied().collect(),
        }
    }

    /// The vectors that each peer has acknowledged on its current or last stream; `None` before its
    /// first.
    #[must_use]
    pub fn acknowledged_by_peer(&self) -> BTreeMap<Region, Option<TableVectors>> {
        let peers = self.context.peers.iter();
        peers
            .map(|peer| (peer.clone(), self.accepted.acknowledged(peer)))
            .collect()
    }

    /// For each global table with other replicas that stay: the greatest sequence of this region's
    /// own writes that one of them has acknowledged, on its current or last stream. `None` for a
    /// table of which no other replica has acknowledged anything.
    #[must_use]
    pub fn acknowledged_by_any(&self) -> BTreeMap<TableId, Option<u64>> {
        let acknowledged = self.acknowledged_by_peer();
        let own = &self.context.origin;
        let mut tables = BTreeMap::new();
        for (table, view) in &self.context.catalog {
            let stays =
                |(region, status): &(&Region, &ReplicaStatus)| **region != self.context.region && status.stays();
            let others: Vec<&Region> = view.replicas.iter().filter(stays).map(|(region, _)| region).collect();
            let reported = others.iter().filter_map(|region| acknowledged.get(*region)?.as_ref());
            let sequences = reported.map(|vectors| vectors.get(table).map_or(0, |vector| vector.get(own)));
            if !others.is_empty() {
                tables.insert(*table, sequences.max());
            }
        }
        tables
    }

    fn peer_status(&self, receiver: &Receiver) -> PeerStreams {
        let region = &receiver.region;
        let receiving = match (receiver.session(), &receiver.refused) {
            (Some(_), _) => LinkState::Connected,
            (None, Some(reason)) => LinkState::Refused(reason.clone()),
            (None, None) if receiver.is_connecting() => LinkState::Connecting,
            (None, None) => LinkState::Down,
        };
        let origin = &Origin::of_only_shard(region);
        PeerStreams {
            receiving,
            sending: self.accepted.state(region),
            last_error: receiver.last_error.clone().or_else(|| self.accepted.last_error(region)),
            acknowledged: self.accepted.acknowledged(region),
            quarantined: self.context.quarantine.get(origin).map(|held| held.seen),
            relayed_through: self.relays.relay_of(origin).cloned(),
            clock_ahead_ms: receiver.clock_ahead_ms.or_else(|| self.accepted.clock_ahead_ms(region)),
        }
    }

    /// The peers that are unreachable in at least one direction, and for how long, milliseconds.
    /// The driver records them and passes them to the next process
    /// ([`super::Config::unreachable_ms`]).
    #[must_use]
    pub fn unreachable(&self) -> BTreeMap<Region, u64> {
        let unreachable = self.context.unreachable.iter();
        unreachable
            .map(|(region, unreachable)| (region.clone(), unreachable.ms(self.context.now)))
            .collect()
    }

    /// What every other replica of a table has durably applied, and as of which vectors its digests
    /// agree, for the tables of which that is known for all replicas. It decides what may be
    /// trimmed from the log and which tombstones may be collected. A table is left out while
    ///
    /// - a replica is unreachable: it may come back with less than it acknowledged before;
    /// - a replica is being bootstrapped, here or elsewhere: it may copy rows from before a delete;
    /// - this region is missing own writes to the table, since its database is an older copy;
    /// - this region repairs the table: a row on its way here may be from before a delete;
    /// - a peer has catalog changes that this region is missing: they may name one more
    ///   replica;
    /// - a replica was dropped, and another may still take its writes or has some of them that are
    ///   not here, or the remaining replicas do not form a quorum.
    #[must_use]
    pub fn acknowledged(&self) -> Acknowledged {
        let known = |table: &TableId| Some((*table, self.acknowledged_of(*table)?));
        let is_anyone_lost = !self.context.lost().is_empty();
        Acknowledged {
            vectors: self.served.iter().filter_map(known).collect(),
            keeps_tombstones: is_anyone_lost.then_some(TableId::CATALOG).into_iter().collect(),
            agreed: self.comparisons.agreed().clone(),
        }
    }

    fn acknowledged_of(&self, table: TableId) -> Option<BTreeMap<Region, VersionVector>> {
        let is_repairing = self
            .comparisons
            .repair
            .as_ref()
            .is_some_and(|repair| repair.syncs.table == table);
        if self.bootstraps.contains(table) || is_repairing || self.context.missing_own.contains_key(&table) {
            return None;
        }
        let mut dropped = &BTreeSet::new();
        let lost = self.context.lost();
        let replicas: Vec<&Region> = if table == TableId::CATALOG {
            self.context.peers.iter().filter(|peer| !lost.contains(*peer)).collect()
        } else {
            let view = self.context.catalog.get(&table)?;
            dropped = &view.dropped;
            if view.replicas.values().any(|status| *status != ReplicaStatus::Active) {
                return None;
            }
            if !dropped.is_empty() && !view.is_quorum(view.replicas.keys(), &self.context.tuning.given_up) {
                return None;
            }
            view.replicas
                .keys()
                .filter(|region| **region != self.context.region)
                .collect()
        };
        let catalog = self.context.vector(TableId::CATALOG);
        let mut vectors = BTreeMap::new();
        for replica in replicas {
            let source = self.accepted.source_of(replica)?;
            if !catalog.dominates(source.acknowledged.get(&TableId::CATALOG)?) {
                return None;
            }
            let acknowledged = source.acknowledged.get(&table)?;
            // A replica that knows of the drop takes no more of the dropped region's writes.
            let here = self.context.vector(table);
            let has_more = |region: &Region| {
                let mut acknowledged = acknowledged.of_region(region);
                acknowledged.any(|(origin, sequence)| sequence > here.get(origin))
            };
            if !dropped.is_empty()
                && (!source.acknowledged.get(&TableId::CATALOG)?.dominates(&catalog) || dropped.iter().any(has_more))
            {
                return None;
            }
            vectors.insert(replica.clone(), acknowledged.clone());
        }
        // A region may read the log without being a replica here (yet); its part of the log must
        // not be trimmed.
        for source in self.accepted.sources() {
            if let (Some(peer), Some(vector)) = (&source.peer, source.acknowledged.get(&table)) {
                vectors.entry(peer.clone()).or_insert_with(|| vector.clone());
            }
        }
        Some(vectors)
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn receiver(&self, peer: &Region) -> Option<&Receiver> {
        self.dialled.receivers.get(peer)
    }

    /// The open stream on which a peer has subscribed.
    pub(crate) fn source_of(&self, peer: &Region) -> Option<&Source> {
        self.accepted.source_of(peer)
    }
}
