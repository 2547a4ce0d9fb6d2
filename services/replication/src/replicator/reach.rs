//! Peers out of reach: since when, and when the others drop their replicas (docs/decisions/0007).

use std::collections::BTreeSet;

use beringia_item::{Region, TableId, VersionVector};
use beringia_storage_types::ReplicaStatus;

use super::Replicator;
use crate::{
    event::{StoreCall, TableView},
    receiver::Receiver,
    world::Away,
};

impl Replicator {
    /// Notes who is in reach, in both directions, and drops the replicas of those who have not been for too long.
    pub(super) fn watch_reach(&mut self) {
        for peer in &self.world.peers {
            let receives = self.dialled.session(peer).is_some();
            if receives && self.accepted.source_of(peer).is_some() {
                self.world.away.remove(peer);
            } else {
                let away = Away {
                    since_ms: self.world.now.elapsed_ms,
                    before_ms: 0,
                };
                self.world.away.entry(peer.clone()).or_insert(away);
            }
        }
        let lost = self.world.lost();
        if lost.is_empty() {
            return;
        }
        let tables = self.world.catalog.iter();
        let due: Vec<(TableId, Region)> = tables
            .flat_map(|(table, view)| lost.iter().map(move |region| (*table, view, region)))
            .filter(|(table, view, region)| self.is_to_drop(*table, view, region, &lost))
            .map(|(table, _, region)| (table, region.clone()))
            .collect();
        for (table, region) in due {
            let has = self.left_have(table, &lost);
            let away_ms = self.world.away.get(&region).map_or(0, |away| away.ms(self.world.now));
            let call = StoreCall::Drop {
                table,
                region,
                has,
                away_ms,
            };
            self.bootstraps.settle_replica(&self.world, &mut self.out, table, call);
        }
    }

    /// What of the table those have who are left. What a replica that is being dropped says of itself does not count: it may be in
    /// reach in one direction again, and would take for shipped what only it has.
    fn left_have(&self, table: TableId, lost: &BTreeSet<Region>) -> VersionVector {
        let is_left = |receiver: &&Receiver| {
            let view = self.world.catalog.get(&table);
            !lost.contains(&receiver.region) && view.is_some_and(|view| view.replicas.contains_key(&receiver.region))
        };
        let mut has = self.world.vector(table);
        let sessions = self
            .dialled
            .receivers
            .values()
            .filter(is_left)
            .filter_map(Receiver::session);
        for theirs in sessions.filter_map(|session| session.announced.vectors.get(&table)) {
            has.merge(theirs);
        }
        has
    }

    /// Whether this region is to drop the replica of one that it lost. All members that it has not lost must be in reach, have lost
    /// that one too, know of the catalog exactly what this region knows, and have of those who are away exactly what this region
    /// has; and they must be a quorum. The first of them by name does it.
    fn is_to_drop(&self, table: TableId, view: &TableView, region: &Region, lost: &BTreeSet<Region>) -> bool {
        let own = &self.world.region;
        if !view.replicas.contains_key(region) || !self.world.serves(table) {
            return false;
        }
        let voters: Vec<&Region> = view.replicas.keys().filter(|member| !lost.contains(*member)).collect();
        let agrees = |voter: &Region| {
            let session = self.dialled.session(voter);
            let has_lost = session.is_some_and(|session| session.announced.lost.contains(region));
            voter == own || (has_lost && self.knows_the_same(voter) && self.has_the_same(table, voter, &voters))
        };
        let is_active = |voter: &&&Region| view.replicas.get(**voter) == Some(&ReplicaStatus::Active);
        let speaks = voters.iter().find(is_active) == Some(&own);
        speaks && view.is_quorum(voters.iter().copied()) && voters.iter().all(|voter| agrees(voter))
    }

    /// Whether the peer has acknowledged the catalog exactly as it is here. So it knows of every drop that this region knows of, and of
    /// no other.
    fn knows_the_same(&self, peer: &Region) -> bool {
        let here = self.world.vector(TableId::CATALOG);
        let theirs = self
            .source_of(peer)
            .and_then(|source| source.acknowledged.get(&TableId::CATALOG));
        theirs.is_some_and(|theirs| theirs.dominates(&here) && here.dominates(theirs))
    }

    /// Whether the peer has applied of the table exactly what this region has, as far as it was written by others than these voters.
    /// What only one of them has would be taken for safe, and would be with nobody if that one is dropped later.
    fn has_the_same(&self, table: TableId, peer: &Region, voters: &[&Region]) -> bool {
        let session = self.dialled.session(peer);
        let Some(theirs) = session.and_then(|session| session.announced.vectors.get(&table)) else {
            return false;
        };
        let here = self.world.vector(table);
        let mut origins = here.iter().chain(theirs.iter()).map(|(origin, _)| origin);
        origins.all(|origin| voters.contains(&origin.region()) || here.get(origin) == theirs.get(origin))
    }
}
