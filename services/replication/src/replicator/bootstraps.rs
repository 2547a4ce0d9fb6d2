//! Filling this region's replicas: which need it, from whom, and what their status becomes.

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

/// The replicas of this region that are filled, need it, or change their status.
#[derive(Debug, Default)]
pub(super) struct Bootstraps {
    joins: BTreeMap<TableId, Join>,
    /// Since when no log in reach holds what is missing of a table here.
    stuck: BTreeMap<TableId, Stuck>,
    /// Replicas whose state is being set, and when it may be tried again.
    setting: BTreeMap<TableId, u64>,
    /// The last attempt of a join or a repair, numbered over both.
    attempt: u64,
}

#[derive(Debug)]
struct Stuck {
    since_ms: u64,
    origin: Origin,
    /// What of the origin was here at that time.
    here: u64,
}

impl Bootstraps {
    /// A number for the next attempt of a join or a repair.
    pub(super) fn next_attempt(&mut self) -> u64 {
        self.attempt += 1;
        self.attempt
    }

    /// Asks the store to set the status of this region's replica, unless that is under way.
    fn set_replica(&mut self, world: &World, out: &mut Out, table: TableId, status: ReplicaStatus) {
        self.settle_replica(world, out, table, StoreCall::SetReplica { table, status });
    }

    /// Asks the store for something about this region's replica of a table, unless something is
    /// under way.
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

    /// The store answered what it was asked about the replica.
    pub(super) fn on_replica_set(&mut self, world: &World, table: TableId, is_done: bool) {
        if is_done {
            // A catalog event says what came of it.
            self.setting.remove(&table);
        } else {
            let retry_at_ms = world.now.elapsed_ms + world.tuning.retry_ms_max;
            self.setting.insert(table, retry_at_ms);
        }
    }

    /// Drops joins that have nothing left to do.
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

    /// Whether the table is being filled, or is to be.
    pub(super) fn contains(&self, table: TableId) -> bool {
        self.joins.contains_key(&table)
    }

    pub(super) fn status(&self) -> BTreeMap<TableId, JoinStatus> {
        self.joins.iter().map(|(table, join)| (*table, join.status())).collect()
    }

    /// The join of a table, where this is still its attempt.
    pub(super) fn join_mut(&mut self, table: TableId, attempt: u64) -> Option<&mut Join> {
        self.joins.get_mut(&table).filter(|join| join.attempt() == attempt)
    }

    /// The join whose walk this is.
    pub(super) fn join_of(&mut self, id: WalkId) -> Option<(TableId, &mut Join)> {
        let mut joins = self.joins.iter_mut();
        let (table, join) = joins.find(|(_, join)| join.attempt() == id.attempt)?;
        Some((*table, join))
    }

    /// The walks that the id names, and whom they read from.
    pub(super) fn walks_of(&mut self, id: WalkId) -> Option<(&mut Walks, Region)> {
        let mut joins = self.joins.values_mut();
        let join = joins.find(|join| join.attempt() == id.attempt && join.is_copying())?;
        let source = join.source()?.clone();
        Some((join.walks_mut()?, source))
    }

    /// The stream to the region is gone.
    pub(super) fn on_down(&mut self, world: &World, region: &Region) {
        for join in self.joins.values_mut().filter(|join| join.reads_from(region)) {
            join.interrupt(world);
        }
    }

    /// The replication of the table is paused.
    pub(super) fn pause(&mut self, world: &World, table: TableId) {
        if let Some(join) = self.joins.get_mut(&table) {
            join.interrupt(world);
        }
        self.stuck.remove(&table);
    }

    /// Which replicas of this region need to be filled, after a change of the catalog.
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
            // The store refused what else came from there.
            if join
                .source()
                .is_some_and(|source| dropped.is_some_and(|dropped| dropped.contains(source)))
            {
                join.restart(world, "its replica was dropped");
            }
        }
    }

    /// Where the catalog says that this region's replica is complete, and it is not (its disk was
    /// lost): says so to all, so that it is filled.
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
        // With nobody left to copy from, the replica stays `Creating` and its join waits: an
        // operator has to decide.
        let from = active.or(any).unwrap_or(&world.region).clone();
        self.set_replica(world, out, table, ReplicaStatus::Creating { from });
    }

    /// Notices what no log in reach holds any more, and has it copied from the tables of those who
    /// have it.
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
        // A relay that is being tried, or the origin that is being asked again, does not make it
        // better; only progress does.
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

    /// Begins joins, as many as may run at once, and goes on with the others.
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

    /// Whether no more joins copy at once than may, and all their attempts were numbered here.
    fn is_consistent(&self, world: &World) -> bool {
        let copying = self.joins.values().filter(|join| join.is_copying());
        copying.count() <= world.tuning.joins_max && self.joins.values().all(|join| join.attempt() <= self.attempt)
    }

    /// The copy is void and begins again. Whether it does.
    pub(super) fn restart(&mut self, world: &World, table: TableId, attempt: u64, reason: &str) -> bool {
        let join = self.join_mut(table, attempt).filter(|join| join.is_copying());
        let is_begun = join.is_some();
        if let Some(join) = join {
            join.restart(world, reason);
        }
        is_begun
    }
}
