//! Range sync: list a peer's keys and this region's, fetch what is missing or older here, apply it.
//! A bootstrap and a repair are the same procedure with a different [`Goal`].
//!
//! This is the repairing half of anti-entropy (Demers et al. 1987), in its pulling form: a region
//! asks for what it is missing, and changes only itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use beringia_item::{KeyBytes, Mutation, RANGES, RowFingerprint, TableId, VersionVector, range_of};
use beringia_storage_types::{RemoteBatch, RemoteKind};

use crate::{
    context::Context,
    difference::{Difference, Goal, Orphans},
    event::StoreCall,
    message::{KeyPage, Question, RangeSpan, RowPage},
    out::{Out, Purpose, RangeSyncId},
    session::{Asked, Session},
    status::Quarantine,
};

/// The largest number of neighbouring ranges in one span: a small table is synced in a few
/// requests, a large one by many spans in parallel.
const SPAN_RANGES: u16 = 64;

/// The reason why an attempt ends before it is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// Rows to drop (`RemoteBatch::obsolete`).
type Obsolete = Vec<(TableId, KeyBytes, RowFingerprint)>;

#[derive(Debug, Clone)]
enum Step {
    /// Waiting for a page of the source's keys.
    Keys,
    /// Waiting for this region's keys of the same interval; holds the source's page.
    Local(KeyPage),
    /// Waiting for rows from the source.
    Rows,
    /// Waiting for the store to apply so many batches of rows. If it refused one because of a row
    /// from the future, the interval is listed again at `retry_at_ms`.
    Applying { batches: usize, retry_at_ms: Option<u64> },
    /// Waiting until this time, on the monotonic clock, to list the interval again.
    Paused { until_ms: u64 },
}

#[derive(Debug, Clone)]
struct RangeSync {
    /// Everything up to this key is done.
    after: Option<KeyBytes>,
    step: Step,
    /// In the interval from `after` to `until`: the keys still to fetch, and the rows to drop.
    fetch: VecDeque<KeyBytes>,
    obsolete: Obsolete,
    /// The end of the interval; `None` is the end of the span.
    until: Option<KeyBytes>,
    /// The rows of the interval.
    examined: u64,
    /// Whether the store has refused rows of the interval as too far ahead, and has not accepted
    /// them since.
    is_held: bool,
}

/// The range syncs of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct RangeSyncs {
    pub(crate) attempt: u64,
    pub(crate) table: TableId,
    goal: Goal,
    waiting: VecDeque<RangeSpan>,
    active: BTreeMap<RangeSpan, RangeSync>,
    finished_ranges: u16,
    pub(crate) rows: u64,
    /// Rows that the store accepted as newer than its own.
    pub(crate) newer: u64,
    /// Covers every row of the source that was seen.
    seen: VersionVector,
    /// Repair only: rows of the source that are newer than this region's and that this region's
    /// vector does not cover, at most one page.
    pub(crate) uncovered: Orphans,
}

impl RangeSyncs {
    pub(crate) fn new(attempt: u64, table: TableId, goal: Goal, ranges: impl IntoIterator<Item = u16>) -> Self {
        Self {
            attempt,
            table,
            goal,
            waiting: RangeSpan::over(ranges, SPAN_RANGES).into(),
            active: BTreeMap::new(),
            finished_ranges: 0,
            rows: 0,
            newer: 0,
            seen: VersionVector::default(),
            uncovered: Orphans::new(),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.active.is_empty()
    }

    /// Whether only rows from the future are left to do for now.
    pub(crate) fn is_held(&self) -> bool {
        !self.active.is_empty() && self.active.values().all(|sync| sync.is_held)
    }

    pub(crate) const fn is_bootstrap(&self) -> bool {
        matches!(self.goal, Goal::Bootstrap { .. })
    }

    /// How many ranges are done, including those done within spans in progress.
    pub(crate) fn ranges_done(&self) -> u16 {
        let begun = |(span, sync): (&RangeSpan, &RangeSync)| {
            sync.after
                .as_ref()
                .map_or(0, |after| range_of(after).saturating_sub(span.first))
        };
        self.finished_ranges + self.active.iter().map(begun).sum::<u16>()
    }

    /// Bootstrap only: the source's vector before the first page, and a vector that covers
    /// everything that the pages showed.
    pub(crate) fn vectors(&self) -> Option<(&VersionVector, VersionVector)> {
        let Goal::Bootstrap { before, .. } = &self.goal else {
            return None;
        };
        let mut after = before.clone();
        after.merge(&self.seen);
        Some((before, after))
    }

    /// Continues after the stream broke: each span in progress lists keys again after its last
    /// completed key.
    pub(crate) fn resume(&mut self, context: &Context, out: &mut Out, session: &mut Session, attempt: u64) {
        self.attempt = attempt;
        for (span, sync) in &mut self.active {
            sync.fetch.clear();
            sync.obsolete.clear();
            sync.ask_keys(out, session, self.table, RangeSyncId { attempt, span: *span });
        }
        self.start(context, out, session);
    }

    /// Continues the spans whose pause is over: each lists keys again after its last completed key,
    /// and fetches what the store refused.
    pub(crate) fn retry(&mut self, context: &Context, out: &mut Out, session: &mut Session) {
        let attempt = self.attempt;
        for (span, sync) in &mut self.active {
            if let Step::Paused { until_ms } = sync.step
                && until_ms <= context.now.elapsed_ms
            {
                sync.ask_keys(out, session, self.table, RangeSyncId { attempt, span: *span });
            }
        }
    }

    /// Starts as many spans as may be in progress at the same time.
    pub(crate) fn start(&mut self, context: &Context, out: &mut Out, session: &mut Session) {
        while self.active.len() < context.tuning.range_syncs_max {
            let Some(span) = self.waiting.pop_front() else { return };
            let mut sync = RangeSync {
                after: None,
                step: Step::Keys,
                fetch: VecDeque::new(),
                obsolete: Vec::new(),
                until: None,
                examined: 0,
                is_held: false,
            };
            sync.ask_keys(
                out,
                session,
                self.table,
                RangeSyncId {
                    attempt: self.attempt,
                    span,
                },
            );
            let before = self.active.insert(span, sync);
            debug_assert!(before.is_none(), "a span is synced once at a time");
        }
    }

    /// Takes a page of the source's keys and requests this region's.
    pub(crate) fn on_keys(
        &mut self,
        context: &Context,
        out: &mut Out,
        id: RangeSyncId,
        page: KeyPage,
    ) -> Result<(), Broken> {
        let Some(sync) = self.active.get_mut(&id.span) else {
            return Ok(());
        };
        let mut previous = sync.after.as_ref();
        for (key, RowFingerprint { version, .. }) in &page.rows {
            self.seen.advance(&version.origin, version.sequence);
            if previous.is_some_and(|previous| previous >= key) || !id.span.contains(key) {
                return Err(Broken(
                    "the source lists keys out of order or outside the requested span".to_owned(),
                ));
            }
            previous = Some(key);
        }
        if page.rows.is_empty() && !page.last {
            return Err(Broken(
                "the source lists no keys but reports that more follow".to_owned(),
            ));
        }
        let call = StoreCall::Keys {
            table: self.table,
            span: id.span,
            after: sync.after.clone(),
            max: context.tuning.keys_per_page,
        };
        sync.step = Step::Local(page);
        out.call(Purpose::RangeSync(id), call);
        Ok(())
    }

    /// Compares this region's keys with the source's page.
    pub(crate) fn on_local(
        &mut self,
        context: &Context,
        out: &mut Out,
        session: &mut Session,
        id: RangeSyncId,
        ours: &KeyPage,
    ) {
        let Some(sync) = self.active.get_mut(&id.span) else {
            return;
        };
        let Step::Local(theirs) = std::mem::replace(&mut sync.step, Step::Keys) else {
            return;
        };
        let difference = Difference::between(&self.goal, &context.vector(self.table), &theirs, ours);
        sync.fetch = difference.fetch.into();
        if self.goal == Goal::Repair {
            let space = context.tuning.keys_per_page.saturating_sub(self.uncovered.len());
            self.uncovered.extend(difference.uncovered.into_iter().take(space));
        }
        sync.obsolete = difference
            .obsolete
            .into_iter()
            .map(|(key, fingerprint)| (self.table, key, fingerprint))
            .collect();
        debug_assert!(
            difference.until.is_none() || difference.until > sync.after,
            "every page advances the range sync"
        );
        sync.until = difference.until;
        sync.examined = difference.examined;
        self.proceed(context, out, session, id, Vec::new());
    }

    /// Takes rows that the source sent.
    pub(crate) fn on_rows(
        &mut self,
        context: &Context,
        out: &mut Out,
        session: &mut Session,
        id: RangeSyncId,
        page: RowPage,
    ) -> Result<(), Broken> {
        let Some(sync) = self.active.get_mut(&id.span) else {
            return Ok(());
        };
        if page.answered == 0 || page.answered > sync.fetch.len() {
            return Err(Broken(
                "the source answers a number of rows that does not fit the request".to_owned(),
            ));
        }
        let asked: BTreeSet<KeyBytes> = sync.fetch.drain(..page.answered).collect();
        let fits = |mutation: &Mutation| mutation.table == self.table && asked.contains(&mutation.key);
        if !page.mutations.iter().all(fits) {
            return Err(Broken("the source sends rows that were not requested".to_owned()));
        }
        for Mutation { version, .. } in &page.mutations {
            self.seen.advance(&version.origin, version.sequence);
        }
        let mut mutations = page.mutations;
        if let Goal::Adopt(orphans) = &self.goal {
            // If an orphan has been overwritten meanwhile, a stream brings the newer write.
            mutations.retain(|row| orphans.contains(&(row.key.clone(), row.version.clone())));
        }
        self.proceed(context, out, session, id, mutations);
        Ok(())
    }

    /// Continues after the store applied a batch of rows.
    pub(crate) fn on_applied(
        &mut self,
        context: &Context,
        out: &mut Out,
        session: &mut Session,
        id: RangeSyncId,
        newer: usize,
    ) {
        self.newer += newer as u64;
        self.on_batch_answered(context, out, session, id);
    }

    /// Keeps what was copied, and has the span wait, after the store refused a batch with a row
    /// from the future. Returns whether the span did not wait for such a row before.
    pub(crate) fn on_refused(
        &mut self,
        context: &Context,
        out: &mut Out,
        session: &mut Session,
        id: RangeSyncId,
        seen: Quarantine,
    ) -> bool {
        let Some(sync) = self.active.get_mut(&id.span) else {
            return false;
        };
        let was_held = std::mem::replace(&mut sync.is_held, true);
        if let Step::Applying { retry_at_ms, .. } = &mut sync.step {
            *retry_at_ms = (*retry_at_ms).max(Some(context.retry_at_ms(seen)));
        }
        self.on_batch_answered(context, out, session, id);
        !was_held
    }

    /// Continues, or begins the pause, once the store has answered all batches.
    fn on_batch_answered(&mut self, context: &Context, out: &mut Out, session: &mut Session, id: RangeSyncId) {
        let Some(sync) = self.active.get_mut(&id.span) else {
            return;
        };
        match &mut sync.step {
            Step::Applying {
                batches: batches @ 2.., ..
            } => *batches -= 1,
            Step::Applying {
                retry_at_ms: Some(until_ms),
                ..
            } => {
                sync.step = Step::Paused { until_ms: *until_ms };
                sync.fetch.clear();
            }
            _ => {
                sync.is_held = false;
                self.proceed(context, out, session, id, Vec::new());
            }
        }
    }

    /// The next step of a span: apply, fetch, list further keys, or finish.
    fn proceed(
        &mut self,
        context: &Context,
        out: &mut Out,
        session: &mut Session,
        id: RangeSyncId,
        mutations: Vec<Mutation>,
    ) {
        let Some(sync) = self.active.get_mut(&id.span) else {
            return;
        };
        let obsolete = std::mem::take(&mut sync.obsolete);
        if !mutations.is_empty() || !obsolete.is_empty() {
            let kind = match self.goal {
                Goal::Bootstrap { .. } | Goal::Adopt(_) => RemoteKind::Copy,
                Goal::Repair => RemoteKind::Repair,
            };
            let batches = batches(mutations, obsolete, context.tuning.rows_per_batch);
            sync.step = Step::Applying {
                batches: batches.len(),
                retry_at_ms: None,
            };
            for batch in batches {
                let apply = RemoteBatch {
                    kind,
                    from: Some(session.region().clone()),
                    ..batch
                };
                out.call(Purpose::RangeSync(id), StoreCall::Apply(apply));
            }
        } else if !sync.fetch.is_empty() {
            sync.step = Step::Rows;
            let keys = sync.fetch.iter().take(context.tuning.keys_per_fetch).cloned().collect();
            session.ask(out, Asked::SyncRows(id), self.table, Question::Rows { keys });
        } else if let Some(until) = sync.until.take() {
            self.rows += sync.examined;
            sync.after = Some(until);
            sync.is_held = false;
            sync.ask_keys(out, session, self.table, id);
        } else {
            self.rows += sync.examined;
            self.active.remove(&id.span);
            self.finished_ranges += id.span.len();
            debug_assert!(self.finished_ranges <= RANGES, "no range is synced twice");
            self.start(context, out, session);
        }
    }
}

impl RangeSync {
    fn ask_keys(&mut self, out: &mut Out, session: &mut Session, table: TableId, id: RangeSyncId) {
        self.step = Step::Keys;
        let question = Question::Keys {
            span: id.span,
            after: self.after.clone(),
        };
        session.ask(out, Asked::SyncKeys(id), table, question);
    }
}

/// Splits rows into batches of at most `max` mutations. They wait for the store together, so that
/// one commit takes several neighbours where no clients wait, and a short one goes between clients'
/// commits.
fn batches(mutations: Vec<Mutation>, obsolete: Obsolete, max: usize) -> Vec<RemoteBatch> {
    let mut batches = vec![RemoteBatch {
        obsolete,
        ..RemoteBatch::default()
    }];
    for mutation in mutations {
        match batches.last_mut() {
            Some(last) if last.mutations.len() < max => last.mutations.push(mutation),
            _ => batches.push(RemoteBatch {
                mutations: vec![mutation],
                ..RemoteBatch::default()
            }),
        }
    }
    batches
}
