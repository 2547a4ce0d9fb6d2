//! Bootstraps of this region's replicas: which replicas need one, from which source, and the status
//! that follows.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};
use beringia_storage_types::ReplicaStatus;

use super::dialled::Dialled;
use crate::{
    bootstrap::Bootstrap,
    change::{RebootstrapCause, ReplicaChange},
    context::Context,
    event::{StoreCall, TableView},
    out::{Out, Purpose, RangeSyncId},
    range_sync::RangeSyncs,
    status::BootstrapStatus,
};

/// The replicas of this region that are being bootstrapped, need it, or change their status.
#[derive(Debug, Clone, Default)]
pub(super) struct Bootstraps {
    by_table: BTreeMap<TableId, Bootstrap>,
    /// Per table, since when no reachable log has held a write that is missing here.
    stuck: BTreeMap<TableId, Stuck>,
    /// Replicas whose status is being set, and when setting it may be retried.
    setting: BTreeMap<TableId, u64>,
    /// The number of the last attempt, over bootstraps and repairs together.
    attempt: u64,
}

#[derive(Debug, Clone)]
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

    /// Asks the store to set the status of this region's replica, unless such a change is in
    /// progress. Returns whether it asked.
    fn set_replica(&mut self, context: &Context, out: &mut Out, table: TableId, status: ReplicaStatus) -> bool {
        self.update_replica(context, out, table, StoreCall::SetReplica { table, status })
    }

    /// Makes a store call about this region's replica of a table, unless one is in progress.
    /// Returns whether it made the call.
    pub(super) fn update_replica(&mut self, context: &Context, out: &mut Out, table: TableId, call: StoreCall) -> bool {
        let now_ms = context.now.elapsed_ms;
        if self
            .setting
            .get(&table)
            .is_some_and(|retry_at_ms| now_ms < *retry_at_ms)
        {
            return false;
        }
        self.setting.insert(table, now_ms + context.tuning.refused_retry_ms);
        out.call(Purpose::SetReplica(table), call);
        true
    }

    /// Handles the store's answer to a call about the replica.
    pub(super) fn on_replica_set(&mut self, context: &Context, table: TableId, is_done: bool) {
        if is_done {
            // A catalog event reports the result.
            self.setting.remove(&table);
        } else {
            let retry_at_ms = context.now.elapsed_ms + context.tuning.retry_ms_max;
            self.setting.insert(table, retry_at_ms);
        }
    }

    /// Removes bootstraps that have nothing left to do.
    pub(super) fn drop_over(&mut self, context: &Context, out: &mut Out) {
        self.drop_where(context, out, |_, bootstrap| bootstrap.is_over(context));
    }

    fn drop_where(&mut self, context: &Context, out: &mut Out, goes: impl Fn(&TableId, &Bootstrap) -> bool) {
        for (_, bootstrap) in self.by_table.extract_if(.., |table, bootstrap| goes(table, bootstrap)) {
            bootstrap.report_end(context, out);
        }
    }

    /// Tables that were copied and wait only for the streams.
    pub(super) fn catching_up(&self) -> BTreeSet<TableId> {
        self.tables_where(Bootstrap::follows_streams)
    }

    /// Tables whose vector a copy is setting.
    pub(super) fn finishing(&self) -> BTreeSet<TableId> {
        self.tables_where(Bootstrap::is_finishing)
    }

    fn tables_where(&self, holds: impl Fn(&Bootstrap) -> bool) -> BTreeSet<TableId> {
        let bootstraps = self.by_table.iter().filter(|(_, bootstrap)| holds(bootstrap));
        bootstraps.map(|(table, _)| *table).collect()
    }

    /// Whether the table is being bootstrapped or needs it.
    pub(super) fn contains(&self, table: TableId) -> bool {
        self.by_table.contains_key(&table)
    }

    pub(super) fn status(&self) -> BTreeMap<TableId, BootstrapStatus> {
        self.by_table
            .iter()
            .map(|(table, bootstrap)| (*table, bootstrap.status()))
            .collect()
    }

    /// The bootstrap of a table, if this is still its attempt.
    pub(super) fn bootstrap_mut(&mut self, table: TableId, attempt: u64) -> Option<&mut Bootstrap> {
        self.by_table
            .get_mut(&table)
            .filter(|bootstrap| bootstrap.attempt() == attempt)
    }

    /// The bootstrap that the range sync belongs to.
    pub(super) fn bootstrap_of(&mut self, id: RangeSyncId) -> Option<(TableId, &mut Bootstrap)> {
        let mut bootstraps = self.by_table.iter_mut();
        let (table, bootstrap) = bootstraps.find(|(_, bootstrap)| bootstrap.attempt() == id.attempt)?;
        Some((*table, bootstrap))
    }

    /// The range sync that the id names, and the region that it reads from.
    pub(super) fn syncs_of(&mut self, id: RangeSyncId) -> Option<(&mut RangeSyncs, Region)> {
        let mut bootstraps = self.by_table.values_mut();
        let bootstrap = bootstraps.find(|bootstrap| bootstrap.attempt() == id.attempt && bootstrap.is_copying())?;
        let source = bootstrap.source()?.clone();
        Some((bootstrap.syncs_mut()?, source))
    }

    /// Interrupts the bootstraps that read from the region, whose stream has ended.
    pub(super) fn on_down(&mut self, context: &Context, out: &mut Out, region: &Region) {
        for bootstrap in self
            .by_table
            .values_mut()
            .filter(|bootstrap| bootstrap.reads_from(region))
        {
            bootstrap.interrupt(context, out);
        }
    }

    /// Interrupts the bootstrap of a table whose replication was paused.
    pub(super) fn pause(&mut self, context: &Context, out: &mut Out, table: TableId) {
        if let Some(bootstrap) = self.by_table.get_mut(&table) {
            bootstrap.interrupt(context, out);
        }
        self.stuck.remove(&table);
    }

    /// Determines, after a change of the catalog, which replicas of this region need to be
    /// bootstrapped.
    pub(super) fn want_bootstraps(&mut self, context: &Context, out: &mut Out) {
        self.drop_where(context, out, |table, bootstrap| {
            let view = context.catalog.get(table);
            *table != TableId::CATALOG && view.is_none_or(|view| !bootstrap.is_wanted(context, view))
        });
        self.stuck
            .retain(|table, _| *table == TableId::CATALOG || context.catalog.contains_key(table));
        self.setting.retain(|table, _| context.catalog.contains_key(table));
        for (table, view) in &context.catalog {
            if let Some(ReplicaStatus::Creating { from }) = view.replicas.get(&context.region) {
                let from = Some(from.clone()).filter(|from| *from != context.region);
                let bootstraps = self.by_table.entry(*table);
                bootstraps.or_insert_with(|| Bootstrap::new(*table, from, context));
            }
        }
        self.rebootstrap_lost(context, out);
        for (table, bootstrap) in &mut self.by_table {
            let dropped = context.catalog.get(table).map(|view| &view.dropped);
            // The store refused what else came from that region.
            if bootstrap
                .source()
                .is_some_and(|source| dropped.is_some_and(|dropped| dropped.contains(source)))
            {
                bootstrap.restart(context, out, "its replica was dropped");
            }
        }
    }

    /// Re-bootstraps replicas that the catalog calls active although they are not complete (this
    /// region lost its disk): sets their status to `Creating`, which every region sees.
    fn rebootstrap_lost(&mut self, context: &Context, out: &mut Out) {
        for (table, view) in &context.catalog {
            if !view.bootstrapped && view.is_active(&context.region) {
                self.rebootstrap(context, out, *table, view);
            }
        }
    }

    fn rebootstrap(&mut self, context: &Context, out: &mut Out, table: TableId, view: &TableView) {
        let others = || view.replicas.iter().filter(|(region, _)| **region != context.region);
        let active = others()
            .find(|(_, status)| **status == ReplicaStatus::Active)
            .map(|(region, _)| region);
        let any = others().map(|(region, _)| region).next();
        // Without another replica to copy from, this one stays `Creating` and its bootstrap waits:
        // an operator has to decide.
        let from = active.or(any).unwrap_or(&context.region).clone();
        if self.set_replica(context, out, table, ReplicaStatus::Creating { from }) {
            let cause = RebootstrapCause::LostRows;
            out.report_replica(table, ReplicaChange::Rebootstrapped { cause });
        }
    }

    /// Notices writes that no reachable log holds any more, and has them copied from the table of a
    /// region that has them.
    pub(super) fn watch_low_watermarks(&mut self, context: &Context, out: &mut Out, dialled: &Dialled) {
        let now_ms = context.now.elapsed_ms;
        let out_of_logs = dialled.out_of_logs(context);
        for (table, (origin, _)) in &out_of_logs {
            let here = context.vector(*table).get(origin);
            self.stuck.entry(*table).or_insert_with(|| Stuck {
                since_ms: now_ms,
                origin: origin.clone(),
                here,
            });
        }
        // Trying a relay, or asking the origin again, does not end this state; only progress does.
        self.stuck
            .retain(|table, stuck| context.vector(*table).get(&stuck.origin) == stuck.here);
        let stuck = std::mem::take(&mut self.stuck);
        self.drop_where(context, out, |table, bootstrap| {
            let is_wanted = stuck.contains_key(table) || context.missing_own.contains_key(table);
            bootstrap.is_in_place() && bootstrap.is_waiting() && !is_wanted
        });
        self.stuck = stuck;
        let patience_ms = context.tuning.bootstrap_patience_ms;
        for (table, (_, holder)) in out_of_logs {
            // A region with an empty disk has nothing of the catalog that a log could continue.
            let is_new = table == TableId::CATALOG
                && context
                    .vector(table)
                    .iter()
                    .all(|(origin, _)| *origin == context.origin);
            let is_overdue = |stuck: &Stuck| is_new || now_ms >= stuck.since_ms + patience_ms;
            if self.stuck.get(&table).is_some_and(is_overdue) {
                self.copy_from(context, out, table, holder);
            }
        }
    }

    /// Has tables copied in which this region is missing own writes: the catalog in place, and then
    /// the others as new replicas, so that no client writes before they are complete.
    pub(super) fn fetch_own_writes(&mut self, context: &Context, out: &mut Out) {
        if let Some(missing) = context.missing_own.get(&TableId::CATALOG) {
            return self.copy_from(context, out, TableId::CATALOG, missing.holder.clone());
        }
        for (table, missing) in &context.missing_own {
            let from = missing.holder.clone();
            if context.is_active(&context.region, *table)
                && self.set_replica(context, out, *table, ReplicaStatus::Creating { from })
            {
                let cause = RebootstrapCause::OlderCopy;
                out.report_replica(*table, ReplicaChange::Rebootstrapped { cause });
            }
        }
    }

    fn copy_from(&mut self, context: &Context, out: &mut Out, table: TableId, holder: Region) {
        match self.by_table.get_mut(&table) {
            Some(bootstrap) if bootstrap.follows_streams() => bootstrap.restart_from(context, out, holder),
            Some(_) => {}
            None => {
                self.by_table.insert(table, Bootstrap::in_place(table, holder, context));
            }
        }
    }

    /// Advances the bootstraps that copy nothing or wait for rows to be due, and begins others.
    pub(super) fn tick(&mut self, context: &Context, out: &mut Out, dialled: &mut Dialled) {
        self.rebootstrap_lost(context, out);
        for (table, bootstrap) in &mut self.by_table {
            if !context.paused.contains(table) {
                if bootstrap.is_copying()
                    && let Some(source) = bootstrap.source().cloned()
                    && let Some(session) = dialled.session_mut(&source)
                {
                    bootstrap.retry(context, out, session);
                }
                bootstrap.tick(context, out, &dialled.receivers);
                bootstrap.give_up(context, out, &dialled.receivers);
            }
        }
        self.begin_waiting(context, out, dialled);
    }

    /// Begins as many bootstraps as may copy at the same time. Called at each end of a copy, too:
    /// with one tick for each, thousands of small tables would take minutes.
    pub(super) fn begin_waiting(&mut self, context: &Context, out: &mut Out, dialled: &mut Dialled) {
        let copying = self.by_table.values().filter(|bootstrap| bootstrap.takes_place());
        let mut free = context.tuning.bootstraps_max.saturating_sub(copying.count());
        for (table, bootstrap) in &mut self.by_table {
            if free == 0 {
                break;
            }
            if context.paused.contains(table) {
                continue;
            }
            let Some(region) = bootstrap.choose(context, &dialled.receivers) else {
                continue;
            };
            let Some(session) = dialled.session_mut(&region) else {
                continue;
            };
            self.attempt += 1;
            bootstrap.begin(context, out, session, &region, self.attempt);
            free -= 1;
        }
        debug_assert!(self.is_consistent(), "{self:?}");
    }

    /// Checks that all attempts of bootstraps were numbered here.
    fn is_consistent(&self) -> bool {
        let mut bootstraps = self.by_table.values();
        bootstraps.all(|bootstrap| bootstrap.attempt() <= self.attempt)
    }

    /// Discards a copy and starts it over. Returns whether there was one.
    pub(super) fn restart(
        &mut self,
        context: &Context,
        out: &mut Out,
        table: TableId,
        attempt: u64,
        reason: &str,
    ) -> bool {
        let bootstrap = self
            .bootstrap_mut(table, attempt)
            .filter(|bootstrap| bootstrap.is_copying());
        let is_begun = bootstrap.is_some();
        if let Some(bootstrap) = bootstrap {
            bootstrap.restart(context, out, reason);
        }
        is_begun
    }
}
