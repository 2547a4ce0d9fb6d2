//! Tracks since when peers are unreachable, and has the remaining regions drop their replicas
//! (docs/decisions/0007).

use std::collections::BTreeSet;

use beringia_item::{Region, TableId, VersionVector};

use super::Replicator;
use crate::{
    change::ReplicaChange,
    context::Unreachable,
    event::{StoreCall, TableView},
    receiver::Receiver,
};

impl Replicator {
    /// Records which peers are reachable in both directions, and drops the replicas of those that
    /// have not been for too long.
    pub(super) fn watch_peers(&mut self) {
        for peer in &self.context.peers {
            let receives = self.dialled.session(peer).is_some();
            if receives && self.accepted.source_of(peer).is_some() {
                self.context.unreachable.remove(peer);
            } else {
                let unreachable = Unreachable {
                    since_ms: self.context.now.elapsed_ms,
                    before_ms: 0,
                };
                self.context.unreachable.entry(peer.clone()).or_insert(unreachable);
            }
        }
        let lost = self.context.lost();
        if lost.is_empty() {
            return;
        }
        let tables = self.context.catalog.iter();
        let due: Vec<(TableId, Region)> = tables
            .flat_map(|(table, view)| lost.iter().map(move |region| (*table, view, region)))
            .filter(|(table, view, region)| self.is_to_drop(*table, view, region, &lost))
            .map(|(table, _, region)| (table, region.clone()))
            .collect();
        for (table, region) in due {
            let has = self.left_have(table, &lost);
            let unreachable_ms = self
                .context
                .unreachable
                .get(&region)
                .map_or(0, |unreachable| unreachable.ms(self.context.now));
            let call = StoreCall::Drop {
                table,
                region: region.clone(),
                has,
                unreachable_ms,
            };
            if self
                .bootstraps
                .update_replica(&self.context, &mut self.out, table, call)
            {
                let change = ReplicaChange::Dropping { region, unreachable_ms };
                self.out.report_replica(table, change);
            }
        }
    }

    /// The vector of what the remaining replicas have of the table. What a replica that is being
    /// dropped reports does not count: it may be reachable again in one direction, and its writes
    /// that only it has would count as shipped.
    fn left_have(&self, table: TableId, lost: &BTreeSet<Region>) -> VersionVector {
        let is_left = |receiver: &&Receiver| {
            let view = self.context.catalog.get(&table);
            !lost.contains(&receiver.region) && view.is_some_and(|view| view.replicas.contains_key(&receiver.region))
        };
        let mut has = self.context.vector(table);
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

    /// Whether this region is to drop the replica of a region that it lost. All members that it has
    /// not lost must be reachable, must have lost that region too, must have exactly this region's
    /// catalog, and must have exactly what this region has of the writes of absent regions; and
    /// they must be a quorum. The active one with the smallest name drops the replica.
    fn is_to_drop(&self, table: TableId, view: &TableView, region: &Region, lost: &BTreeSet<Region>) -> bool {
        let own = &self.context.region;
        if !view.replicas.contains_key(region) || !self.context.serves(table) {
            return false;
        }
        let voters: Vec<&Region> = view.replicas.keys().filter(|member| !lost.contains(*member)).collect();
        let agrees = |voter: &Region| {
            let session = self.dialled.session(voter);
            let has_lost = session.is_some_and(|session| session.announced.lost.contains(region));
            voter == own || (has_lost && self.knows_the_same(voter) && self.has_the_same(table, voter, &voters))
        };
        let is_active = |voter: &&&Region| view.is_active(voter);
        let is_quorum = view.is_quorum(voters.iter().copied(), &self.context.tuning.given_up);
        let speaks = voters.iter().find(is_active) == Some(&own);
        speaks && is_quorum && voters.iter().all(|voter| agrees(voter))
    }

    /// Whether the peer has acknowledged exactly this region's catalog, and so knows of the same
    /// drops.
    pub(super) fn knows_the_same(&self, peer: &Region) -> bool {
        let here = self.context.vector(TableId::CATALOG);
        let theirs = self
            .source_of(peer)
            .and_then(|source| source.acknowledged.get(&TableId::CATALOG));
        theirs.is_some_and(|theirs| theirs.dominates(&here) && here.dominates(theirs))
    }

    /// Whether the peer has applied exactly the same writes to the table as this region, apart from
    /// those of the voters. A write that only one voter has would otherwise count as safe, and
    /// would be lost if that voter is dropped later.
    fn has_the_same(&self, table: TableId, peer: &Region, voters: &[&Region]) -> bool {
        let session = self.dialled.session(peer);
        let Some(theirs) = session.and_then(|session| session.announced.vectors.get(&table)) else {
            return false;
        };
        let here = self.context.vector(table);
        let mut origins = here.iter().chain(theirs.iter()).map(|(origin, _)| origin);
        origins.all(|origin| voters.contains(&origin.region()) || here.get(origin) == theirs.get(origin))
    }
}
