//! What follows from a change: who is subscribed to what, what is served, what is joined.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};
use beringia_storage_types::ReplicaStatus;

use super::{Forgetful, Replicator, Stuck};
use crate::{
    event::{StoreCall, TableView},
    join::Join,
    receiver::Receiver,
};

impl Replicator {
    /// Brings subscriptions and cursors in line with the catalog, the joins, the relays and the quarantine.
    pub(super) fn settle(&mut self) {
        self.world.catching_up = self
            .joins
            .iter()
            .filter(|(_, join)| join.follows_streams())
            .map(|(table, _)| *table)
            .collect();
        self.world.finishing = self
            .joins
            .iter()
            .filter(|(_, join)| join.is_finishing())
            .map(|(table, _)| *table)
            .collect();
        self.joins.retain(|_, join| !join.is_over(&self.world));
        let served = self.world.served();
        if served != self.served {
            let changed: BTreeSet<TableId> = served.symmetric_difference(&self.served).copied().collect();
            self.served = served;
            self.comparisons.keep(&self.world);
            for source in self.sources.values_mut() {
                source.withdraw(&self.world, &mut self.out);
                if source.concerns(&changed) {
                    source.reopen(&self.world, &mut self.out);
                }
            }
        }
        self.subscribe();
    }

    fn subscribe(&mut self) {
        let world = &self.world;
        for (region, receiver) in &mut self.receivers {
            let Some(session) = receiver.subscribing_mut() else {
                continue;
            };
            let tables: BTreeSet<TableId> = std::iter::once(TableId::CATALOG)
                .chain(world.catalog.keys().copied())
                .filter(|table| world.streams(*table) && world.has_replica(region, *table))
                .collect();
            let relayed = self
                .relays
                .iter()
                .filter(|(_, via)| *via == region)
                .map(|(origin, _)| origin);
            let origins: BTreeSet<Origin> = std::iter::once(Origin::from(region))
                .chain(relayed.cloned())
                .filter(|origin| !world.is_held(origin))
                .collect();
            session.subscribe(world, &mut self.out, &tables, &origins);
        }
    }

    /// Which replicas of this region need to be filled, after a change of the catalog.
    pub(super) fn want_joins(&mut self) {
        let world = &self.world;
        self.joins.retain(|table, join| {
            *table == TableId::CATALOG || world.catalog.get(table).is_some_and(|view| join.is_of(view))
        });
        self.stuck
            .retain(|table, _| *table == TableId::CATALOG || world.catalog.contains_key(table));
        self.setting.retain(|table, _| world.catalog.contains_key(table));
        let mut lost = Vec::new();
        for (table, view) in &world.catalog {
            match view.replicas.get(&world.region) {
                Some(ReplicaStatus::Creating { from }) => {
                    let from = Some(from.clone()).filter(|from| *from != world.region);
                    let new = || Join::new(*table, from, world);
                    if self.joins.get(table).is_none_or(Join::is_in_place) {
                        self.joins.insert(*table, new());
                    }
                }
                Some(ReplicaStatus::Active) if !view.joined => lost.push(*table),
                Some(ReplicaStatus::Active) if self.joins.get(table).is_some_and(Join::is_in_place) => {}
                _ => drop(self.joins.remove(table)),
            }
        }
        for table in lost {
            self.rejoin(table);
        }
        for (table, join) in &mut self.joins {
            let dropped = self.world.catalog.get(table).map(|view| &view.dropped);
            // The store refused what else came from there.
            if join
                .source()
                .is_some_and(|source| dropped.is_some_and(|dropped| dropped.contains(source)))
            {
                join.restart(&self.world, "its replica was dropped");
            }
        }
    }

    /// The catalog says that this region's replica is complete, and it is not (its disk was lost): says so to all, then fills it.
    fn rejoin(&mut self, table: TableId) {
        let Some(view) = self.world.catalog.get(&table) else {
            return;
        };
        let others = || view.replicas.iter().filter(|(region, _)| **region != self.world.region);
        let active = others()
            .find(|(_, status)| **status == ReplicaStatus::Active)
            .map(|(region, _)| region);
        let any = others().map(|(region, _)| region).next();
        // With nobody left to copy from, the replica stays `Creating` and its join waits: an operator has to decide.
        let from = active.or(any).unwrap_or(&self.world.region).clone();
        self.set_replica(table, ReplicaStatus::Creating { from });
    }

    /// Notices what no log in reach holds any more, and has it copied from the tables of those who have it.
    pub(super) fn watch_floors(&mut self) {
        let now_ms = self.world.now.elapsed_ms;
        let out_of_logs = self.out_of_logs();
        for (table, (origin, _)) in &out_of_logs {
            let here = self.world.vector(*table).get(origin);
            self.stuck.entry(*table).or_insert_with(|| Stuck {
                since_ms: now_ms,
                origin: origin.clone(),
                here,
            });
        }
        // A relay that is being tried, or the origin that is being asked again, does not make it better; only progress does.
        let world = &self.world;
        self.stuck
            .retain(|table, stuck| world.vector(*table).get(&stuck.origin) == stuck.here);
        self.joins
            .retain(|table, join| !(join.is_in_place() && join.is_waiting()) || self.stuck.contains_key(table));
        let patience_ms = self.world.tuning.join_patience_ms;
        for (table, (_, holder)) in out_of_logs {
            let is_overdue = |stuck: &Stuck| now_ms >= stuck.since_ms + patience_ms;
            if self.stuck.get(&table).is_some_and(is_overdue) {
                self.copy_from(table, holder);
            }
        }
    }

    /// Tables with writes of an origin that are missing here and that all who have them refuse to send, because their logs begin
    /// above them; with one of those. An origin that is out of reach may still have them in its log.
    fn out_of_logs(&self) -> BTreeMap<TableId, (Origin, Region)> {
        let sessions = self.receivers.values().filter_map(Receiver::session);
        let refused: BTreeSet<&(TableId, Origin)> = sessions.flat_map(|session| &session.refused).collect();
        let mut found = BTreeMap::new();
        for part in refused {
            let (table, origin) = part;
            let here = self.world.vector(*table).get(origin);
            let has_more = |receiver: &Receiver| {
                let theirs = receiver.session().and_then(|session| session.theirs.get(table));
                theirs.is_some_and(|vector| vector.get(origin) > here)
            };
            let is_refused =
                |receiver: &&Receiver| receiver.session().is_some_and(|session| session.refused.contains(part));
            let out_of_reach = self
                .receivers
                .get(origin.region())
                .is_some_and(|receiver| receiver.session().is_none());
            let holders: Vec<&Receiver> = self.receivers.values().filter(|receiver| has_more(receiver)).collect();
            if let Some(holder) = holders.first()
                && !out_of_reach
                && holders.iter().all(is_refused)
            {
                found
                    .entry(*table)
                    .or_insert_with(|| (origin.clone(), holder.region.clone()));
            }
        }
        found
    }

    fn copy_from(&mut self, table: TableId, holder: Region) {
        match self.joins.get_mut(&table) {
            Some(join) if join.follows_streams() => join.restart_from(&self.world, holder),
            Some(_) => {}
            None => {
                self.joins.insert(table, Join::in_place(table, holder, &self.world));
            }
        }
    }

    /// Notices origins in reach that lost writes of theirs which others have: those are to relay them.
    pub(super) fn watch_origins(&mut self) {
        let now_ms = self.world.now.elapsed_ms;
        if now_ms < self.watch_at_ms {
            return;
        }
        self.watch_at_ms = now_ms + self.world.tuning.announce_ms;
        let mut suspects = BTreeMap::new();
        for (region, receiver) in &self.receivers {
            let Some(session) = receiver.session() else { continue };
            let origin = &Origin::from(region);
            let others = self.receivers.values().filter(|other| other.region != *region);
            for other in others.filter_map(Receiver::session) {
                if let Some(table) = session.lacks(&self.world, origin, other) {
                    let here = self.world.vector(table).get(origin);
                    let since_ms = match self.forgetful.get(origin) {
                        Some(known) if (known.table, known.here) == (table, here) => known.since_ms,
                        _ => now_ms,
                    };
                    let forgetful = Forgetful { since_ms, table, here };
                    suspects.entry(origin.clone()).or_insert(forgetful);
                }
            }
        }
        self.forgetful = suspects;
    }

    /// Origins that have been lacking writes of their own for so long that it is not the announcements' delay.
    pub(super) fn forgetful(&self) -> BTreeSet<Origin> {
        let since_ms = self
            .world
            .now
            .elapsed_ms
            .saturating_sub(4 * self.world.tuning.announce_ms);
        let is_sure = |(_, forgetful): &(&Origin, &Forgetful)| forgetful.since_ms <= since_ms;
        self.forgetful
            .iter()
            .filter(is_sure)
            .map(|(origin, _)| origin.clone())
            .collect()
    }

    pub(super) fn tick_joins(&mut self) {
        let lost: Vec<TableId> = self
            .world
            .catalog
            .iter()
            .filter(|(_, view)| !view.joined && view.replicas.get(&self.world.region) == Some(&ReplicaStatus::Active))
            .map(|(table, _)| *table)
            .collect();
        for table in lost {
            self.rejoin(table);
        }
        let mut copying = self.joins.values().filter(|join| join.is_copying()).count();
        let tables: Vec<TableId> = self.joins.keys().copied().collect();
        for table in tables {
            let Some(join) = self
                .joins
                .get_mut(&table)
                .filter(|_| !self.world.paused.contains(&table))
            else {
                continue;
            };
            join.tick(&self.world, &mut self.out);
            join.give_up(&self.world, &self.receivers);
            if copying >= self.world.tuning.joins_max {
                continue;
            }
            let Some(region) = join.choose(&self.world, &self.receivers) else {
                continue;
            };
            let Some(session) = self.receivers.get_mut(&region).and_then(Receiver::session_mut) else {
                continue;
            };
            self.next_attempt += 1;
            join.begin(&self.world, &mut self.out, session, &region, self.next_attempt);
            copying += 1;
        }
    }

    /// Drops the replicas of this region that are on their way out, once every other replica has what they wrote.
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
            self.settle_replica(table, StoreCall::Leave { table, sequence });
        }
    }

    /// Whether every other replica that stays has acknowledged this region's writes to the table up to `sequence`. What one said
    /// before it went out of reach does not count: it may come back with less.
    fn all_others_have(&self, table: TableId, view: &TableView, sequence: u64) -> bool {
        view.replicas
            .iter()
            .filter(|(region, status)| **region != self.world.region && status.stays())
            .all(|(region, _)| {
                let acknowledged = self
                    .source_of(region)
                    .and_then(|source| source.acknowledged.get(&table));
                sequence == 0 || acknowledged.is_some_and(|vector| vector.get(&self.world.origin) >= sequence)
            })
    }

    /// The copy is void and begins again.
    pub(super) fn restart_join(&mut self, table: TableId, attempt: u64, reason: &str) {
        let join = self.joins.get_mut(&table);
        if let Some(join) = join.filter(|join| join.attempt() == attempt && join.is_copying()) {
            join.restart(&self.world, reason);
            self.dirty = true;
        }
    }
}
