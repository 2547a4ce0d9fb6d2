//! Bootstraps of this region's replicas: which replicas need one, from which source, and the status
//! that follows.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};
use beringia_storage_types::ReplicaStatus;

use super::dialled::Dialled;
use crate::{
    event::{StoreCall, TableView},
    join::Join,
    out::{Out, Purpose, WalkId},
    status::JoinStatus,
    sync::Walks,
    world::World,
};

/// The replicas of this region that are being bootstrapped, need it, or change their status.
#[derive(Debug, Default)]
pub(super) struct Bootstraps {
    joins: BTreeMap<TableId, Join>,
    /// Per table, since when no reachable log has held a write that is missing here.
    stuck: BTreeMap<TableId, Stuck>,
    /// Replicas whose status is being set, and when setting it may be retried.
    setting: BTreeMap<TableId, u64>,
    /// The number of the last attempt, over bootstraps and repairs together.
    attempt: u64,
}

#[derive(Debug)]
struct Stuck {
    since_ms: u64,
    origin: Origin,
    /// This region's sequence of the origin when the gap was noticed.
    here: u64,
}

impl Bootstraps {
    /// A number for the next attempt of a bootstrap or a repair.
    pub(super) fn next_attempt(&mut self) -> u64 {
        self.attempt += 1;
        self.attempt
    }

    /// Asks the store to set the status of this region's replica, unless a change of it is in
    /// progress.
    fn set_replica(&mut self, world: &World, out: &mut Out, table: TableId, status: ReplicaStatus) {
        self.settle_replica(world, out, table, StoreCall::SetReplica { table, status });
    }

    /// Makes a store call about this region's replica of a table, unless one is in progress.
    pub(super) fn settle_replica(&mut self, world: &World, out: &mut Out, table: TableId, call: StoreCall) {
        let now_ms = world.now.elapsed_ms;
        if self
            .setting
            .get(&table)
            .is_some_and(|retry_at_ms| now_ms < *retry_at_ms)
        {
            return;
        }
        self.setting.insert(table, now_ms + world.tuning.refused_retry_ms);
        out.call(Purpose::SetReplica(table), call);
    }

    /// Handles the store's answer to a call about the replica.
    pub(super) fn on_replica_set(&mut self, world: &World, table: TableId, is_done: bool) {
        if is_done {
            // A catalog event reports the result.
            self.setting.remove(&table);
        } else {
            let retry_at_ms = world.now.elapsed_ms + world.tuning.retry_ms_max;
            self.setting.insert(table, retry_at_ms);
        }
    }

    /// Removes bootstraps that have nothing left to do.
    pub(super) fn drop_over(&mut self, world: &World) {
        self.joins.retain(|_, join| !join.is_over(world));
    }

    /// Tables that were copied and wait only for the streams.
    pub(super) fn catching_up(&self) -> BTreeSet<TableId> {
        self.tables_where(Join::follows_streams)
    }

    /// Tables whose vector a copy is setting.
    pub(super) fn finishing(&self) -> BTreeSet<TableId> {
        self.tables_where(Join::is_finishing)
    }

    fn tables_where(&self, holds: impl Fn(&Join) -> bool) -> BTreeSet<TableId> {
        let joins = self.joins.iter().filter(|(_, join)| holds(join));
        joins.map(|(table, _)| *table).collect()
    }

    /// Whether the table is being bootstrapped or needs it.
    pub(super) fn contains(&self, table: TableId) -> bool {
        self.joins.contains_key(&table)
    }

    pub(super) fn status(&self) -> BTreeMap<TableId, JoinStatus> {
        self.joins.iter().map(|(table, join)| (*table, join.status())).collect()
    }

    /// The bootstrap of a table, if this is still its attempt.
    pub(super) fn join_mut(&mut self, table: TableId, attempt: u64) -> Option<&mut Join> {
        self.joins.get_mut(&table).filter(|join| join.attempt() == attempt)
    }

    /// The bootstrap that the range sync belongs to.
    pub(super) fn join_of(&mut self, id: WalkId) -> Option<(TableId, &mut Join)> {
        let mut joins = self.joins.iter_mut();
        let (table, join) = joins.find(|(_, join)| join.attempt() == id.attempt)?;
        Some((*table, join))
    }

    /// The range sync that the id names, and the region that it reads from.
    pub(super) fn walks_of(&mut self, id: WalkId) -> Option<(&mut Walks, Region)> {
        let mut joins = self.joins.values_mut();
        let join = joins.find(|join| join.attempt() == id.attempt && join.is_copying())?;
        let source = join.source()?.clone();
        Some((join.walks_mut()?, source))
    }

    /// Interrupts the bootstraps that read from the region, whose stream has ended.
    pub(super) fn on_down(&mut self, world: &World, region: &Region) {
        for join in self.joins.values_mut().filter(|join| join.reads_from(region)) {
            join.interrupt(world);
        }
    }

    /// Interrupts the bootstrap of a table whose replication was paused.
    pub(super) fn pause(&mut self, world: &World, table: TableId) {
        if let Some(join) = self.joins.get_mut(&table) {
            join.interrupt(world);
        }
        self.stuck.remove(&table);
    }

    /// Determines, after a change of the catalog, which replicas of this region need to be
    /// bootstrapped.
    pub(super) fn want_joins(&mut self, world: &World, out: &mut Out) {
        self.joins.retain(|table, join| {
            *table == TableId::CATALOG || world.catalog.get(table).is_some_and(|view| join.is_of(view))
        });
        self.stuck
            .retain(|table, _| *table == TableId::CATALOG || world.catalog.contains_key(table));
        self.setting.retain(|table, _| world.catalog.contains_key(table));
        for (table, view) in &world.catalog {
            match view.replicas.get(&world.region) {
                Some(ReplicaStatus::Creating { from }) => {
                    let from = Some(from.clone()).filter(|from| *from != world.region);
                    let new = || Join::new(*table, from, world);
                    if self.joins.get(table).is_none_or(Join::is_in_place) {
                        self.joins.insert(*table, new());
                    }
                }
                Some(ReplicaStatus::Active) if !view.joined || self.joins.get(table).is_some_and(Join::is_in_place) => {
                }
                _ => drop(self.joins.remove(table)),
            }
        }
        self.rejoin_lost(world, out);
        for (table, join) in &mut self.joins {
            let dropped = world.catalog.get(table).map(|view| &view.dropped);
            // The store refused what else came from that region.
            if join
                .source()
                .is_some_and(|source| dropped.is_some_and(|dropped| dropped.contains(source)))
            {
                join.restart(world, "its replica was dropped");
            }
        }
    }

    /// Re-bootstraps replicas that the catalog calls active although they are not complete (this
    /// region lost its disk): sets their status to `Creating`, which every region sees.
    fn rejoin_lost(&mut self, world: &World, out: &mut Out) {
        for (table, view) in &world.catalog {
            if !view.joined && view.replicas.get(&world.region) == Some(&ReplicaStatus::Active) {
                self.rejoin(world, out, *table, view);
            }
        }
    }

    fn rejoin(&mut self, world: &World, out: &mut Out, table: TableId, view: &TableView) {
        let others = || view.replicas.iter().filter(|(region, _)| **region != world.region);
        let active = others()
            .find(|(_, status)| **status == ReplicaStatus::Active)
            .map(|(region, _)| region);
        let any = others().map(|(region, _)| region).next();
        // Without another replica to copy from, this one stays `Creating` and its bootstrap waits:
        // an operator has to decide.
        let from = active.or(any).unwrap_or(&world.region).clone();
        self.set_replica(world, out, table, ReplicaStatus::Creating { from });
    }

    /// Notices writes that no reachable log holds any more, and has them copied from the table of a
    /// region that has them.
    pub(super) fn watch_floors(&mut self, world: &World, dialled: &Dialled) {
        let now_ms = world.now.elapsed_ms;
        let out_of_logs = dialled.out_of_logs(world);
        for (table, (origin, _)) in &out_of_logs {
            let here = world.vector(*table).get(origin);
            self.stuck.entry(*table).or_insert_with(|| Stuck {
                since_ms: now_ms,
                origin: origin.clone(),
                here,
            });
        }
        // Trying a relay, or asking the origin again, does not end this state; only progress does.
        self.stuck
            .retain(|table, stuck| world.vector(*table).get(&stuck.origin) == stuck.here);
        self.joins
            .retain(|table, join| !(join.is_in_place() && join.is_waiting()) || self.stuck.contains_key(table));
        let patience_ms = world.tuning.join_patience_ms;
        for (table, (_, holder)) in out_of_logs {
            let is_overdue = |stuck: &Stuck| now_ms >= stuck.since_ms + patience_ms;
            if self.stuck.get(&table).is_some_and(is_overdue) {
                self.copy_from(world, table, holder);
            }
        }
    }

    fn copy_from(&mut self, world: &World, table: TableId, holder: Region) {
        match self.joins.get_mut(&table) {
            Some(join) if join.follows_streams() => join.restart_from(world, holder),
            Some(_) => {}
            None => {
                self.joins.insert(table, Join::in_place(table, holder, world));
            }
        }
    }

    /// Starts as many bootstraps as may copy at the same time, and advances the others.
    pub(super) fn tick(&mut self, world: &World, out: &mut Out, dialled: &mut Dialled) {
        self.rejoin_lost(world, out);
        let mut copying = self.joins.values().filter(|join| join.is_copying()).count();
        for (table, join) in &mut self.joins {
            if world.paused.contains(table) {
                continue;
            }
            join.tick(world, out);
            join.give_up(world, &dialled.receivers);
            if copying >= world.tuning.joins_max {
                continue;
            }
            let Some(region) = join.choose(world, &dialled.receivers) else {
                continue;
            };
            let Some(session) = dialled.session_mut(&region) else {
                continue;
            };
            self.attempt += 1;
            join.begin(world, out, session, &region, self.attempt);
            copying += 1;
        }
        debug_assert!(self.is_consistent(world), "{self:?}");
    }

    /// Checks that no more bootstraps copy than may, and that all their attempts were numbered
    /// here.
    fn is_consistent(&self, world: &World) -> bool {
        let copying = self.joins.values().filter(|join| join.is_copying());
        copying.count() <= world.tuning.joins_max && self.joins.values().all(|join| join.attempt() <= self.attempt)
    }

    /// Discards a copy and starts it over. Returns whether there was one.
    pub(super) fn restart(&mut self, world: &World, table: TableId, attempt: u64, reason: &str) -> bool {
        let join = self.join_mut(table, attempt).filter(|join| join.is_copying());
        let is_begun = join.is_some();
        if let Some(join) = join {
            join.restart(world, reason);
        }
        is_begun
    }
}
