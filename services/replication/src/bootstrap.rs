//! Bootstrap of a replica: copy a source's rows, set the vector, catch up from the streams, become
//! active.

use std::collections::BTreeMap;

use beringia_item::{Origin, RANGES, Region, TableId, VersionVector};
use beringia_storage_types::{RemoteBatch, RemoteKind, ReplicaStatus};

use crate::{
    change::BootstrapChange,
    context::Context,
    difference::Goal,
    event::{StoreCall, TableView},
    message::Question,
    out::{Out, Purpose},
    range_sync::RangeSyncs,
    receiver::Receiver,
    session::{Asked, Session},
    status::{BootstrapStage, BootstrapStatus},
};

/// The pause after a source refused or the store failed, milliseconds.
const PAUSE_MS: u64 = 1000;

#[derive(Debug, Clone)]
enum Stage {
    /// Waiting for a reachable source.
    Waiting { since_ms: u64, not_before_ms: u64 },
    /// Waiting for the source's vector before the copy.
    Starting,
    /// The range sync is in progress.
    Copying,
    /// The store is setting this region's vector; afterwards the streams have to bring it up to
    /// this one.
    Finishing(VersionVector),
    /// The streams bring what is missing up to this vector.
    CatchingUp(VersionVector),
    /// The store is making the replica active. Tried again at `retry_at_ms` if it fails.
    Activating { until: VersionVector, retry_at_ms: u64 },
}

/// The bootstrap of one table.
#[derive(Debug, Clone)]
pub(crate) struct Bootstrap {
    table: TableId,
    /// The replica epoch that it fills; `None` for the catalog.
    replica_epoch: Option<u32>,
    /// The source to try first.
    from: Option<Region>,
    /// Copy in place: the replica is active and stays so, and receives rows that no log holds any
    /// more from other regions' tables.
    in_place: bool,
    /// The current source, and the incarnation of its process.
    source: Option<(Region, u128)>,
    attempt: u64,
    stage: Stage,
    syncs: Option<RangeSyncs>,
    /// While catching up: since when the vector has not advanced, and its value.
    idle: Option<(u64, VersionVector)>,
    /// The source at which the last attempt failed, and the reason. Other sources are tried first.
    failed: Option<(Region, String)>,
}

impl Bootstrap {
    pub(crate) fn new(table: TableId, from: Option<Region>, context: &Context) -> Self {
        let stage = Stage::Waiting {
            since_ms: context.now.elapsed_ms,
            not_before_ms: 0,
        };
        Self {
            table,
            replica_epoch: context.catalog.get(&table).map(|view| view.replica_epoch),
            from,
            in_place: false,
            source: None,
            attempt: 0,
            stage,
            syncs: None,
            idle: None,
            failed: None,
        }
    }

    /// A copy in place, into a replica that is active and stays so. Clients may overwrite a row
    /// that the replica's vector does not cover yet; such a write counts as concurrent with the one
    /// that it replaced, and wins.
    pub(crate) fn in_place(table: TableId, from: Region, context: &Context) -> Self {
        Self {
            in_place: true,
            ..Self::new(table, Some(from), context)
        }
    }

    pub(crate) fn is_in_place(&self) -> bool {
        self.in_place
    }

    /// Whether this region's replica still needs it. Once a replica is re-bootstrapped, nothing
    /// that was copied before is left. A copy in place is for complete replicas only, and for those
    /// it goes on until it is over.
    pub(crate) fn is_wanted(&self, context: &Context, view: &TableView) -> bool {
        self.replica_epoch == Some(view.replica_epoch)
            && match view.replicas.get(&context.region) {
                Some(ReplicaStatus::Creating { .. }) => !self.is_in_place(),
                Some(ReplicaStatus::Active) => !view.bootstrapped || self.is_in_place(),
                _ => false,
            }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }

    /// Whether the store is setting the vector.
    pub(crate) fn is_finishing(&self) -> bool {
        matches!(self.stage, Stage::Finishing(_))
    }

    pub(crate) fn attempt(&self) -> u64 {
        self.attempt
    }

    /// Whether it is reading from a source.
    pub(crate) fn is_copying(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Copying | Stage::Finishing(_))
    }

    /// Whether it takes one of the places of bootstraps that copy at the same time
    /// (`Tuning::bootstraps_max`). One that only waits for rows from the future to be due takes
    /// none.
    pub(crate) fn takes_place(&self) -> bool {
        self.is_copying() && !self.syncs.as_ref().is_some_and(RangeSyncs::is_held)
    }

    /// Whether the vector is set and the table is to be subscribed to.
    pub(crate) fn follows_streams(&self) -> bool {
        matches!(self.stage, Stage::CatchingUp(_) | Stage::Activating { .. })
    }

    /// Whether it is reading from that region.
    pub(crate) fn reads_from(&self, region: &Region) -> bool {
        self.is_copying() && self.source.as_ref().is_some_and(|(source, _)| source == region)
    }

    pub(crate) fn syncs_mut(&mut self) -> Option<&mut RangeSyncs> {
        self.syncs.as_mut()
    }

    pub(crate) fn source(&self) -> Option<&Region> {
        self.source.as_ref().map(|(source, _)| source)
    }

    pub(crate) fn status(&self) -> BootstrapStatus {
        let stage = match self.stage {
            Stage::Waiting { .. } => BootstrapStage::Waiting,
            Stage::Starting | Stage::Copying | Stage::Finishing(_) => BootstrapStage::Copying,
            Stage::CatchingUp(_) | Stage::Activating { .. } => BootstrapStage::CatchingUp,
        };
        let syncs = self.syncs.as_ref();
        BootstrapStatus {
            source: self.source().cloned(),
            stage,
            ranges_done: syncs.map_or(0, RangeSyncs::ranges_done),
            rows: syncs.map_or(0, |syncs| syncs.rows),
            last_error: self
                .failed
                .as_ref()
                .map(|(region, reason)| format!("{region}: {reason}")),
        }
    }

    /// Chooses the source: the current one, else the preferred one, else, once patience runs out,
    /// any region that serves the table.
    pub(crate) fn choose(&self, context: &Context, receivers: &BTreeMap<Region, Receiver>) -> Option<Region> {
        let Stage::Waiting {
            since_ms,
            not_before_ms,
        } = self.stage
        else {
            return None;
        };
        if context.now.elapsed_ms < not_before_ms {
            return None;
        }
        let serves = |region: &&Region| {
            let session = receivers.get(*region).and_then(Receiver::session);
            context.may_copy_from(region, self.table)
                && session.is_some_and(|session| session.announced.vectors.contains_key(&self.table))
        };
        let failed = self.failed.as_ref().map(|(region, _)| region);
        let preferred = self
            .source()
            .or(self.from.as_ref())
            .filter(|region| Some(*region) != failed);
        if let Some(region) = preferred.filter(serves) {
            return Some(region.clone());
        }
        let is_patient = context.now.elapsed_ms < since_ms + context.tuning.bootstrap_patience_ms;
        if preferred.is_some_and(|preferred| context.peers.contains(preferred)) && is_patient {
            return None;
        }
        let mut candidates: Vec<&Region> = receivers.keys().filter(serves).collect();
        candidates.sort_by_key(|region| Some(*region) == failed);
        candidates.first().map(|region| (*region).clone())
    }

    /// Begins at a source, or continues where it stopped if the source is the same process as
    /// before.
    pub(crate) fn begin(
        &mut self,
        context: &Context,
        out: &mut Out,
        session: &mut Session,
        region: &Region,
        attempt: u64,
    ) {
        debug_assert!(self.is_waiting(), "one attempt at a time");
        debug_assert!(self.attempt < attempt, "attempt numbers increase");
        self.attempt = attempt;
        let source = (region.clone(), session.incarnation);
        let same = self.source.as_ref() == Some(&source);
        self.source = Some(source);
        let began = BootstrapChange::Began {
            source: region.clone(),
            in_place: self.in_place,
            is_resumed: same && self.syncs.is_some(),
        };
        out.report_bootstrap(self.table, began);
        if let Some(syncs) = self.syncs.as_mut().filter(|_| same) {
            self.stage = Stage::Copying;
            syncs.resume(context, out, session, attempt);
            self.check_done(context, out);
        } else {
            self.syncs = None;
            self.stage = Stage::Starting;
            session.ask(
                out,
                Asked::BootstrapStart(self.table, attempt),
                self.table,
                Question::Digest { as_of: None },
            );
        }
    }

    /// Starts copying, now that the source's vector is known.
    pub(crate) fn on_start(&mut self, context: &Context, out: &mut Out, session: &mut Session, vector: VersionVector) {
        if matches!(self.stage, Stage::Starting) {
            debug_assert!(self.syncs.is_none(), "a copy that starts over has no range sync yet");
            let goal = Goal::Bootstrap {
                before: vector,
                alone: !self.in_place,
            };
            let mut syncs = RangeSyncs::new(self.attempt, self.table, goal, 0..RANGES);
            syncs.start(context, out, session);
            self.syncs = Some(syncs);
            self.stage = Stage::Copying;
        }
    }

    /// Checks, after a step of the range sync, whether all spans are done, and if so has the store
    /// set the vector. Returns whether it did.
    pub(crate) fn check_done(&mut self, context: &Context, out: &mut Out) -> bool {
        let syncs = self.syncs.as_ref().filter(|syncs| syncs.is_done());
        let Some((before, after)) = syncs.and_then(RangeSyncs::vectors) else {
            return false;
        };
        if !matches!(self.stage, Stage::Copying) {
            return false;
        }
        debug_assert!(self.source.is_some(), "a copy has a source");
        // The entry of this region is included even if it is 0, so that the store sees that the
        // copy ended even if the table was never written.
        let mut progress = vec![(self.table, context.origin.clone(), before.get(&context.origin))];
        let others = before.iter().filter(|(origin, _)| **origin != context.origin);
        progress.extend(others.map(|(origin, sequence)| (self.table, origin.clone(), sequence)));
        let apply = RemoteBatch {
            kind: RemoteKind::Copy,
            from: self.source().cloned(),
            progress,
            replica_epoch: self.replica_epoch,
            ..RemoteBatch::default()
        };
        out.call(Purpose::Finish(self.table, self.attempt), StoreCall::Apply(apply));
        self.stage = Stage::Finishing(after);
        true
    }

    /// Records that the store set the vector.
    pub(crate) fn on_finished(&mut self, out: &mut Out) {
        if let Stage::Finishing(until) = &self.stage {
            let rows = self.syncs.as_ref().map_or(0, |syncs| syncs.rows);
            out.report_bootstrap(self.table, BootstrapChange::Copied { rows });
            self.stage = Stage::CatchingUp(until.clone());
            self.failed = None;
        }
    }

    /// Up to which sequence of the origin the copied rows are complete; `None` before the copy is
    /// done.
    pub(crate) fn copied(&self, origin: &Origin) -> Option<u64> {
        let (before, _) = self.syncs.as_ref()?.vectors()?;
        Some(before.get(origin))
    }

    /// Tries rows again that the store refused as too far ahead, if it is time.
    pub(crate) fn retry(&mut self, context: &Context, out: &mut Out, session: &mut Session) {
        if let Some(syncs) = self.syncs.as_mut().filter(|_| matches!(self.stage, Stage::Copying)) {
            syncs.retry(context, out, session);
        }
    }

    /// Makes the replica active once it has caught up, and has the own writes that connected
    /// replicas have.
    ///
    /// A replica that was dropped, or whose disk was lost, made writes that the source may not have
    /// and another replica does. Clients that write here before they are back get greater
    /// sequences, and then the vectors of all regions cover writes that most of them never got.
    pub(crate) fn tick(&mut self, context: &Context, out: &mut Out, receivers: &BTreeMap<Region, Receiver>) {
        let until = match &self.stage {
            Stage::CatchingUp(until) => until,
            Stage::Activating { until, retry_at_ms } if context.now.elapsed_ms >= *retry_at_ms => until,
            _ => return,
        };
        if context.vector(self.table).dominates(until) && !self.is_missing_own(context, receivers) {
            let until = until.clone();
            let retry_at_ms = context.now.elapsed_ms + context.tuning.refused_retry_ms;
            self.stage = Stage::Activating { until, retry_at_ms };
            let call = StoreCall::SetReplica {
                table: self.table,
                status: ReplicaStatus::Active,
            };
            out.call(Purpose::SetReplica(self.table), call);
        }
    }

    /// Whether a connected replica has own writes of this region to the table that are missing
    /// here. It relays them, or refuses because of its low watermark and is copied.
    fn is_missing_own(&self, context: &Context, receivers: &BTreeMap<Region, Receiver>) -> bool {
        let own = &context.origin;
        let here = context.vector(self.table).get(own);
        let has_more = |session: &Session| {
            let theirs = session.announced.vectors.get(&self.table);
            // The store refuses what comes from a replica that was dropped.
            context.has_replica(session.region(), self.table) && theirs.is_some_and(|theirs| theirs.get(own) > here)
        };
        receivers.values().filter_map(Receiver::session).any(has_more)
    }

    /// Starts over if no region has the awaited writes any more: their origin lost them before any
    /// other region had them, so no stream will bring them.
    pub(crate) fn give_up(&mut self, context: &Context, out: &mut Out, receivers: &BTreeMap<Region, Receiver>) {
        let Stage::CatchingUp(until) = &self.stage else {
            self.idle = None;
            return;
        };
        let here = context.vector(self.table);
        let now_ms = context.now.elapsed_ms;
        match &self.idle {
            Some((_, before)) if *before == here => {}
            _ => self.idle = Some((now_ms, here.clone())),
        }
        let is_patient =
            |(since_ms, _): &(u64, VersionVector)| now_ms < since_ms + context.tuning.bootstrap_patience_ms;
        let sent_by = |session: &Session, origin: &Origin| {
            session
                .announced
                .vectors
                .get(&self.table)
                .is_some_and(|theirs| theirs.get(origin) > here.get(origin))
        };
        let is_lost = |origin: &Origin| {
            let unreachable = receivers
                .get(origin.region())
                .is_some_and(|receiver| receiver.session().is_none());
            !unreachable
                && !receivers
                    .values()
                    .filter_map(Receiver::session)
                    .any(|session| sent_by(session, origin))
        };
        let is_overdue = !self.idle.as_ref().is_none_or(is_patient);
        let mut missing = until.iter().filter(|(origin, sequence)| here.get(origin) < *sequence);
        let has_lost = missing.any(|(origin, _)| is_lost(origin));
        drop(missing);
        if is_overdue && has_lost {
            self.restart(context, out, "it no longer has writes that were copied from it");
        }
    }

    /// Pauses the copy after the stream broke; it continues when the source is back.
    pub(crate) fn interrupt(&mut self, context: &Context, out: &mut Out) {
        if matches!(self.stage, Stage::Starting | Stage::Copying) {
            out.report_bootstrap(self.table, BootstrapChange::Interrupted);
            self.stage = Stage::Waiting {
                since_ms: context.now.elapsed_ms,
                not_before_ms: 0,
            };
        }
    }

    /// Discards the copy and starts over after a pause, at another source if there is one.
    pub(crate) fn restart(&mut self, context: &Context, out: &mut Out, reason: &str) {
        self.failed = self.source().map(|source| (source.clone(), reason.to_owned()));
        self.from = None;
        self.start_over(context, out, reason);
    }

    /// Starts over at `region`: the copy ends below what this region's streams can still bring.
    pub(crate) fn restart_from(&mut self, context: &Context, out: &mut Out, region: Region) {
        self.from = Some(region);
        self.start_over(context, out, "no log holds what follows on what was copied");
    }

    fn start_over(&mut self, context: &Context, out: &mut Out, reason: &str) {
        let reason = reason.to_owned();
        out.report_bootstrap(self.table, BootstrapChange::Restarted { reason });
        let now_ms = context.now.elapsed_ms;
        self.syncs = None;
        self.source = None;
        self.stage = Stage::Waiting {
            since_ms: now_ms,
            not_before_ms: now_ms + PAUSE_MS,
        };
    }

    /// Reports the end of the bootstrap, which is about to be removed: completed or cancelled.
    pub(crate) fn report_end(&self, context: &Context, out: &mut Out) {
        if self.is_over(context) {
            out.report_bootstrap(self.table, BootstrapChange::Ended);
        } else if self.attempt > 0 {
            out.report_bootstrap(self.table, BootstrapChange::Cancelled);
        }
    }

    /// Whether nothing is left to do: the copy in place is complete, or the replica is known to be
    /// active.
    pub(crate) fn is_over(&self, context: &Context) -> bool {
        self.follows_streams() && (self.in_place || context.is_complete(self.table))
    }
}
