//! Routes each answer of the store to the part that made the call.

use beringia_item::{Origin, TableId, VersionVector};
use beringia_storage_types::StoreError;

use super::{Replicator, links::syncs_of};
use crate::{
    change::{BootstrapChange, OriginChange, ReplicaChange, StateChange},
    context::{QuarantinedOrigin, SetAsideTable},
    event::{AcceptId, DialId, StoreAnswer, Ticket},
    message::{Goodbye, TableVectors},
    out::{Purpose, RangeSyncId},
    quarantine::TooFarAhead,
    receiver::Receiver,
    status::Quarantine,
};

/// The time between the first attempts with tables that were set aside together, milliseconds.
const APART_MS: usize = 1000;

type Answered = Result<StoreAnswer, StoreError>;

/// The error for an answer that does not fit its call.
fn unexpected(answer: &StoreAnswer) -> StoreError {
    StoreError::Database(format!("the store gave an unexpected answer: {answer:?}"))
}

impl Replicator {
    pub(super) fn on_answered(&mut self, ticket: Ticket, result: Answered) {
        let Some(purpose) = self.out.purposes.remove(&ticket) else {
            return;
        };
        match purpose {
            Purpose::Stream(link) => self.on_stream_applied(link, ticket, result),
            Purpose::Position(link) | Purpose::Read(link) => self.on_cursor(link, result),
            Purpose::Serve(link, id) => {
                if let Some(source) = self.accepted.source_mut(link) {
                    source.on_served(&self.context, &mut self.out, id, result);
                }
            }
            Purpose::RangeSync(id) => self.on_range_sync(id, result),
            Purpose::Finish(table, attempt) => self.on_finished(table, attempt, result),
            Purpose::Compare(link, table) => self.on_our_digest(link, table, result),
            // If it failed, it is asked for again as long as own writes are missing.
            Purpose::BeginEpoch => self.epoch.on_answer(result.is_ok()),
            Purpose::SetReplica(table) => self.bootstraps.on_replica_set(&self.context, table, result.is_ok()),
        }
    }

    /// Records this region's vectors. Releases from quarantine the origins whose writes the store
    /// accepted, unless later writes of theirs have to wait, and takes back tables that were set
    /// aside.
    fn learn(&mut self, vectors: &TableVectors) {
        let local = &self.context.local;
        let advanced = |origin: &Origin| {
            vectors
                .iter()
                .any(|(table, vector)| vector.get(origin) > local.get(table).map_or(0, |before| before.get(origin)))
        };
        let now_ms = self.context.now.elapsed_ms;
        let is_over = |origin: &Origin, held: &mut QuarantinedOrigin| held.retry_at_ms <= now_ms && advanced(origin);
        for (origin, _) in self.context.quarantine.extract_if(.., is_over) {
            let change = OriginChange::QuarantineEnded;
            self.out.report(StateChange::Origin { origin, change });
        }
        let local = &self.context.local;
        let accepts = |table: &TableId, aside: &mut SetAsideTable| {
            let sequence = |vector: Option<&VersionVector>| vector.map_or(0, |vector| vector.get(&aside.origin));
            aside.retry_at_ms <= now_ms && sequence(vectors.get(table)) > sequence(local.get(table))
        };
        for (table, _) in self.context.set_aside.extract_if(.., accepts) {
            let change = ReplicaChange::TakenBack;
            self.out.report(StateChange::Replica { table, change });
        }
        self.context.learn(vectors);
    }

    fn on_stream_applied(&mut self, link: DialId, ticket: Ticket, result: Answered) {
        let failure = match result {
            Ok(StoreAnswer::Applied { vectors, .. }) => {
                self.learn(&vectors);
                if let Some(session) = self.dialled.session_on(link) {
                    let waiting = session.on_applied(&self.context, &mut self.out, ticket);
                    self.hold(waiting);
                }
                return;
            }
            Ok(other) => unexpected(&other),
            Err(failure) => failure,
        };
        let Some(session) = self.dialled.session_on(link) else {
            return;
        };
        self.dirty = true;
        match failure {
            StoreError::Quarantined {
                origin,
                ahead_ms,
                limit_ms,
            } => {
                self.context.limit_ms = Some(limit_ms);
                let waiting = session.without_what_waits(&self.context, &mut self.out, ticket);
                if waiting.is_none() {
                    session.restart(&mut self.out, ticket);
                }
                let seen = Quarantine { ahead_ms, limit_ms };
                self.hold(waiting.unwrap_or_else(|| [(origin, seen)].into()));
            }
            StoreError::Malformed { table, origin, what } => {
                session.restart(&mut self.out, ticket);
                let reason = format!("a write of {origin} cannot be read: {what}");
                self.set_aside(table, origin, reason, 0);
            }
            StoreError::Inapplicable { among, what } => {
                session.restart(&mut self.out, ticket);
                let one = if among.len() > 1 {
                    "one of several writes"
                } else {
                    "a write"
                };
                // Where it is unknown which one, they are tried again one after the other.
                for ((table, origin), later_ms) in among.into_iter().zip((0..).step_by(APART_MS)) {
                    let reason = format!("{one} of {origin} cannot be applied: {what}");
                    self.set_aside(table, origin, reason, later_ms);
                }
            }
            failure => {
                let region = session.region().clone();
                let reason = format!("{} cannot apply the received batches: {failure}", self.context.region);
                self.hang_up(&region, Goodbye::for_now(reason));
            }
        }
    }

    /// Leaves a table with a write that cannot be applied out of the subscriptions for a while. Its
    /// sources keep the write, since it is not acknowledged; other tables go on. It is tried again
    /// by `later_ms` later than usual.
    fn set_aside(&mut self, table: TableId, origin: Origin, reason: String, later_ms: u64) {
        let aside = SetAsideTable {
            retry_at_ms: self.context.now.elapsed_ms + self.context.tuning.set_aside_retry_ms + later_ms,
            origin,
            reason,
        };
        let before = self.context.set_aside.get(&table);
        if before.is_none_or(|before| before.reason != aside.reason) {
            let change = ReplicaChange::SetAside {
                origin: aside.origin.clone(),
                reason: aside.reason.clone(),
            };
            self.out.report(StateChange::Replica { table, change });
        }
        self.context.set_aside.insert(table, aside);
    }

    /// Leaves these origins out of the subscriptions for a while.
    pub(super) fn hold(&mut self, waiting: TooFarAhead) {
        for (origin, seen) in waiting {
            if !self.context.quarantine.contains_key(&origin) {
                let Quarantine { ahead_ms, limit_ms } = seen;
                let change = OriginChange::Quarantined { ahead_ms, limit_ms };
                let origin = origin.clone();
                self.out.report(StateChange::Origin { origin, change });
            }
            self.context.hold(origin, seen);
            self.dirty = true;
        }
    }

    fn on_cursor(&mut self, link: AcceptId, result: Answered) {
        let Some(source) = self.accepted.source_mut(link) else {
            return;
        };
        let goodbye = match result {
            Ok(StoreAnswer::Position(position)) => {
                return source.on_position(&self.context, &mut self.out, position);
            }
            Ok(StoreAnswer::Log(page)) => return source.on_log(&self.context, &mut self.out, page),
            Ok(other) => source.on_failure(&unexpected(&other)),
            Err(failure) => source.on_failure(&failure),
        };
        self.accepted.turn_away(&mut self.out, link, goodbye);
    }

    fn on_range_sync(&mut self, id: RangeSyncId, result: Answered) {
        let Some((syncs, source)) = syncs_of(&mut self.bootstraps, &mut self.comparisons, id) else {
            return;
        };
        let Some(session) = self.dialled.session_mut(&source) else {
            return;
        };
        match result {
            Ok(StoreAnswer::Keys(ours)) => syncs.on_local(&self.context, &mut self.out, session, id, &ours),
            Ok(StoreAnswer::Applied { newer, vectors }) => {
                self.context.learn(&vectors);
                syncs.on_applied(&self.context, &mut self.out, session, id, newer);
            }
            Ok(_) => return self.break_range_sync(id, "the store gave an unexpected answer"),
            // A repair ends: the next comparison begins another, and other tables have their turn.
            Err(StoreError::Quarantined {
                origin,
                ahead_ms,
                limit_ms,
            }) if syncs.is_bootstrap() => {
                self.context.limit_ms = Some(limit_ms);
                let seen = Quarantine { ahead_ms, limit_ms };
                if syncs.on_refused(&self.context, &mut self.out, session, id, seen) {
                    let change = BootstrapChange::Held {
                        origin,
                        ahead_ms,
                        limit_ms,
                    };
                    let table = syncs.table;
                    self.out.report_bootstrap(table, change);
                }
            }
            Err(failure) => return self.break_range_sync(id, &failure.to_string()),
        }
        self.after_range_sync(id);
    }

    fn on_finished(&mut self, table: TableId, attempt: u64, result: Answered) {
        match result {
            Ok(StoreAnswer::Applied { vectors, .. }) => {
                self.context.learn_copied(&vectors);
                let mut copied = None;
                if let Some(bootstrap) = self.bootstraps.bootstrap_mut(table, attempt) {
                    bootstrap.on_finished(&mut self.out);
                    copied = bootstrap.copied(&self.context.origin);
                }
                if let Some(sequence) = copied {
                    self.on_own_writes_copied(table, sequence);
                }
                for session in self
                    .dialled
                    .receivers
                    .values_mut()
                    .filter_map(Receiver::subscribing_mut)
                {
                    session.retry(table);
                }
                self.dirty = true;
            }
            Ok(_) => self.restart_bootstrap(table, attempt, "the store gave an unexpected answer"),
            Err(failure) => self.restart_bootstrap(table, attempt, &failure.to_string()),
        }
        self.bootstraps
            .begin_waiting(&self.context, &mut self.out, &mut self.dialled);
    }

    fn on_our_digest(&mut self, link: DialId, table: TableId, result: Answered) {
        let Some(peer) = self.dialled.peer_of(link).cloned() else {
            return;
        };
        let Ok(StoreAnswer::Digest(ours)) = result else {
            return self.comparisons.on_failed(&self.context, &peer);
        };
        let Some(differing) = self.comparisons.on_ours(&self.context, &peer, &ours) else {
            return;
        };
        debug_assert_eq!(differing.0, table, "one comparison at a time per peer");
        let attempt = self.bootstraps.next_attempt();
        if let Some(session) = self.dialled.session_mut(&peer) {
            self.comparisons
                .repair(&self.context, &mut self.out, (&peer, session), differing, attempt);
        }
    }
}
