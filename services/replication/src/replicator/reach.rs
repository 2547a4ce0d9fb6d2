//! Peers out of reach: since when, and when the others drop their replicas (docs/decisions/0007).

use std::collections::BTreeSet;

use beringia_item::{Region, TableId};

use super::Replicator;
use crate::{
    event::{ReplicaState, StoreCall, TableView},
    receiver::{Receiver, Session},
};

impl Replicator {
    /// Notes who is in reach, in both directions, and drops the replicas of those who have not been for too long.
    pub(super) fn watch_reach(&mut self) {
        let now_ms = self.world.now.elapsed_ms;
        for peer in &self.world.peers {
            let receives = self
                .receivers
                .get(peer)
                .is_some_and(|receiver| receiver.session().is_some());
            if receives && self.source_of(peer).is_some() {
                self.world.away.remove(peer);
            } else {
                self.world.away.entry(peer.clone()).or_insert(now_ms);
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
            let mut has = self.world.vector(table);
            for theirs in self.sessions().filter_map(|session| session.theirs.get(&table)) {
                has.merge(theirs);
            }
            let away_ms = now_ms - self.world.away.get(&region).copied().unwrap_or(now_ms);
            let call = StoreCall::Drop {
                table,
                region,
                has,
                away_ms,
            };
            self.settle_replica(table, call);
        }
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.receivers.values().filter_map(Receiver::session)
    }

    /// Whether this region is to drop the replica of one that it lost. All members that it has not lost must be in reach and have
    /// lost that one too; and they must be more than half of the members, or half with the first by name, so that of two sides of a
    /// cut at most one drops the other. The first of them by name does it.
    fn is_to_drop(&self, table: TableId, view: &TableView, region: &Region, lost: &BTreeSet<Region>) -> bool {
        let own = &self.world.region;
        if !view.replicas.contains_key(region) || !self.world.serves(table) {
            return false;
        }
        let voters: Vec<&Region> = view.replicas.keys().filter(|member| !lost.contains(*member)).collect();
        let agrees = |voter: &Region| {
            let session = self.receivers.get(voter).and_then(Receiver::session);
            voter == own || session.is_some_and(|session| session.lost.contains(region))
        };
        let is_first = voters.first() == view.replicas.keys().next().as_ref();
        let has_majority = match (2 * voters.len()).cmp(&view.replicas.len()) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => is_first,
            std::cmp::Ordering::Less => false,
        };
        let is_active = |voter: &&&Region| view.replicas.get(**voter) == Some(&ReplicaState::Active);
        let speaks = voters.iter().find(is_active) == Some(&own);
        speaks && has_majority && voters.iter().all(|voter| agrees(voter))
    }
}
