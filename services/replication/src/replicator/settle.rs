//! The consequences of a change: subscriptions, served tables, and replicas that may be removed.

use std::collections::BTreeSet;

use beringia_item::{Origin, TableId};
use beringia_storage_types::ReplicaStatus;

use super::Replicator;
use crate::event::{StoreCall, TableView};

impl Replicator {
    /// Brings subscriptions and cursors in line with the catalog, the bootstraps, the relays and
    /// the quarantine.
    pub(super) fn settle(&mut self) {
        self.world.catching_up = self.bootstraps.catching_up();
        self.world.finishing = self.bootstraps.finishing();
        debug_assert!(self.world.is_consistent(), "{:?}", self.world);
        self.bootstraps.drop_over(&self.world);
        let served = self.world.served();
        if served != self.served {
            let changed: BTreeSet<TableId> = served.symmetric_difference(&self.served).copied().collect();
            self.served = served;
            self.comparisons.keep(&self.world);
            self.accepted.on_served_changed(&self.world, &mut self.out, &changed);
        }
        self.subscribe();
    }

    fn subscribe(&mut self) {
        let world = &self.world;
        for (region, receiver) in &mut self.dialled.receivers {
            let Some(session) = receiver.subscribing_mut() else {
                continue;
            };
            let tables: BTreeSet<TableId> = std::iter::once(TableId::CATALOG)
                .chain(world.catalog.keys().copied())
                .filter(|table| world.streams(*table) && world.has_replica(region, *table))
                .collect();
            let origins: BTreeSet<Origin> = std::iter::once(Origin::of_only_shard(region))
                .chain(self.relays.relayed_by(region).cloned())
                .filter(|origin| !world.is_held(origin))
                .collect();
            session.subscribe(world, &mut self.out, &tables, &origins);
        }
    }

    /// Removes those replicas of this region that are being deleted, once every other replica has
    /// their writes.
    pub(super) fn tick_leaves(&mut self) {
        let leaving = |view: &TableView| view.replicas.get(&self.world.region) == Some(&ReplicaStatus::Deleting);
        let ready: Vec<(TableId, u64)> = self
            .world
            .catalog
            .iter()
            .filter(|(_, view)| leaving(view))
            .map(|(table, view)| (*table, view, self.world.vector(*table).get(&self.world.origin)))
            .filter(|(table, view, sequence)| self.all_others_have(*table, view, *sequence))
            .map(|(table, _, sequence)| (table, sequence))
            .collect();
        for (table, sequence) in ready {
            let call = StoreCall::Leave { table, sequence };
            self.bootstraps.settle_replica(&self.world, &mut self.out, table, call);
        }
    }

    /// Whether every other replica that stays has acknowledged this region's writes to the table up
    /// to `sequence`. What a replica reported before it became unreachable does not count: it may
    /// come back with less.
    fn all_others_have(&self, table: TableId, view: &TableView, sequence: u64) -> bool {
        view.replicas
            .iter()
            .filter(|(region, status)| **region != self.world.region && status.stays())
            .all(|(region, _)| {
                let acknowledged = self
                    .accepted
                    .source_of(region)
                    .and_then(|source| source.acknowledged.get(&table));
                sequence == 0 || acknowledged.is_some_and(|vector| vector.get(&self.world.origin) >= sequence)
            })
    }
}
