//! The consequences of a change: subscriptions, served tables, and replicas that may be removed.

use std::collections::BTreeSet;

use beringia_item::{Origin, TableId};
use beringia_storage_types::ReplicaStatus;

use super::Replicator;
use crate::event::{StoreCall, TableView};

impl Replicator {
    /// Brings subscriptions and cursors in line with the catalog, the bootstraps, the relays and
    /// the quarantine.
    pub(super) fn update_subscriptions(&mut self) {
        self.context.catching_up = self.bootstraps.catching_up();
        self.context.finishing = self.bootstraps.finishing();
        debug_assert!(self.context.is_consistent(), "{:?}", self.context);
        self.bootstraps.drop_over(&self.context, &mut self.out);
        if !self.context.served().eq(self.served.iter().copied()) {
            let served: BTreeSet<TableId> = self.context.served().collect();
            let changed: BTreeSet<TableId> = served.symmetric_difference(&self.served).copied().collect();
            self.served = served;
            self.comparisons.keep(&self.context, &mut self.out);
            self.accepted.on_served_changed(&self.context, &mut self.out, &changed);
        }
        self.subscribe();
    }

    fn subscribe(&mut self) {
        let context = &self.context;
        for (region, receiver) in &mut self.dialled.receivers {
            let Some(session) = receiver.subscribing_mut() else {
                continue;
            };
            let streamed = |table: &TableId| context.streams(*table) && context.has_replica(region, *table);
            let tables = context.tables().filter(streamed);
            let origins: BTreeSet<Origin> = std::iter::once(Origin::of_only_shard(region))
                .chain(self.relays.relayed_by(region).cloned())
                .filter(|origin| !context.is_held(origin))
                .collect();
            session.subscribe(context, &mut self.out, tables, &origins);
        }
    }

    /// Removes those replicas of this region that are being deleted, once every other replica has
    /// their writes, and those that can never be filled.
    pub(super) fn tick_leaves(&mut self) {
        let leaving = |view: &TableView| {
            view.replicas.get(&self.context.region) == Some(&ReplicaStatus::Deleting) || self.is_left_alone(view)
        };
        let ready: Vec<(TableId, u64)> = self
            .context
            .catalog
            .iter()
            .filter(|(_, view)| leaving(view))
            .map(|(table, view)| (*table, view, self.context.vector(*table).get(&self.context.origin)))
            .filter(|(table, view, sequence)| self.all_others_have(*table, view, *sequence))
            .map(|(table, _, sequence)| (table, sequence))
            .collect();
        for (table, sequence) in ready {
            let call = StoreCall::Leave { table, sequence };
            self.bootstraps
                .update_replica(&self.context, &mut self.out, table, call);
        }
    }

    /// Whether this region's replica is to be filled from another one, and no region has the table
    /// any more: the others dropped the replica and deleted theirs, and did not know yet that it
    /// was back. All regions must agree on the catalog.
    fn is_left_alone(&self, view: &TableView) -> bool {
        let own = &self.context.region;
        let is_new = |status: &ReplicaStatus| matches!(status, ReplicaStatus::Creating { from } if from != own);
        let is_alone = view.replicas.len() == 1 && view.dropped.is_subset(&view.removed);
        is_alone
            && !view.bootstrapped
            && view.replicas.get(own).is_some_and(is_new)
            && self.context.peers.iter().all(|peer| self.knows_the_same(peer))
    }

    /// Whether every other replica that stays has acknowledged this region's writes to the table up
    /// to `sequence`, and one of them is complete: until then it may have to be copied from here.
    /// Reports from before a replica became unreachable do not count: it may come back with less.
    fn all_others_have(&self, table: TableId, view: &TableView, sequence: u64) -> bool {
        let staying = || {
            let others = view.replicas.iter();
            others.filter(|(region, status)| **region != self.context.region && status.stays())
        };
        let is_one_active = staying().next().is_none() || staying().any(|(region, _)| view.is_active(region));
        is_one_active
            && staying().all(|(region, _)| {
                let acknowledged = self
                    .accepted
                    .source_of(region)
                    .and_then(|source| source.acknowledged.get(&table));
                sequence == 0 || acknowledged.is_some_and(|vector| vector.get(&self.context.origin) >= sequence)
            })
    }
}
