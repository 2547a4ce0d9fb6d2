//! What a drill measures: begun with the load, told what is done, ended with a recorder that has everything.

use std::{sync::Arc, time::Duration};

use beringia_clock::{SystemClock, WallClock as _};
use beringia_proto::v1::{ControlDrainReport, FlowReport, LinkReport, PausedTable};
use beringia_report::{Recorder, ReportedBacklog};
use beringia_scenario::{Action, Course};
use parking_lot::Mutex;
use tokio::{task::JoinSet, time::Instant};
use tonic::Streaming;

use crate::{
    arrivals::{Arrivals, Ear},
    error::DrillError,
    scope::{Apart, Scope, last_writes, until_nothing},
    watch::{Heal, Proofs, Shared, flows},
};

/// What a report says where a clock was changed.
const DRAGGED: &str = "a write's lag is counted from its hybrid time, and hybrid clocks follow the one that is furthest ahead: after a clock was \
                       changed, the lag of writes from regions behind it shows too small, until their clocks have caught up";
/// How long a control service may take to tell what has arrived, before something is done and in the end.
const HEARD_BEFORE: Duration = Duration::from_millis(100);
const HEARD_IN_THE_END: Duration = Duration::from_secs(5);

/// The measurements of one drill.
pub(crate) struct Measure {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Measure {
    /// Begins: time is counted from now.
    pub(crate) async fn begin(scope: Scope, recorder: Recorder, links: &[LinkReport]) -> Result<Self, DrillError> {
        // Bytes from before the load do not count.
        let before = scope.fleet.ask(flows).await?;
        let mut listening = Vec::new();
        let mut ears = Vec::new();
        for mut client in scope.fleet.clients() {
            let ear = Ear::default();
            let messages = ear.hear(&mut client).await?;
            listening.push((client, messages));
            ears.push(ear);
        }
        let began_ms = SystemClock.now_ms();
        let shared = Arc::new(Shared {
            scope,
            recorder: Mutex::new(recorder),
            began: Instant::now(),
            began_ms,
            arrivals: Mutex::new(Arrivals::since(began_ms)),
            ears,
            bytes_sent: Mutex::default(),
            heals: Mutex::default(),
            apart: Mutex::default(),
        });
        let mut measure = Self {
            shared,
            tasks: JoinSet::new(),
        };
        measure.links_changed(links);
        let flows = before.replies.into_iter().flat_map(|reply| reply.flows);
        let flows = flows.map(|flow| ((flow.from.clone(), flow.to.clone()), flow.bytes_sent));
        measure.shared.bytes_sent.lock().extend(flows);
        for (index, (client, messages)) in listening.into_iter().enumerate() {
            measure
                .tasks
                .spawn(Arc::clone(&measure.shared).listen(index, client, messages));
        }
        measure.tasks.spawn(Arc::clone(&measure.shared).watch_flows());
        measure.tasks.spawn(Arc::clone(&measure.shared).watch_digests());
        Ok(measure)
    }

    /// Since it began.
    pub(crate) fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        self.shared.began
    }

    /// The same by the wall clock, milliseconds since the Unix epoch.
    pub(crate) fn began_ms(&self) -> u64 {
        self.shared.began_ms
    }

    /// What links do from now on.
    pub(crate) fn links_changed(&self, links: &[LinkReport]) {
        self.shared.arrivals.lock().links_changed(links);
    }

    /// How far a region's clock is ahead from now on, milliseconds. A drift shows in the lag, and a write that was committed before and
    /// arrives after is measured wrongly by the step.
    pub(crate) fn clock_changed(&self, region: String, ahead_ms: i64) {
        self.shared.recorder.lock().note(DRAGGED.to_owned());
        self.shared.arrivals.lock().clock_changed(region, ahead_ms);
    }

    /// Until all that is visible by now was measured, by what links and clocks are until now; a moment at most.
    pub(crate) async fn has_heard_all(&self) {
        self.shared.has_heard_all(HEARD_BEFORE).await;
    }

    /// Follows what a region says of how far its drain is.
    pub(crate) fn drained(&mut self, region: String, reports: Streaming<ControlDrainReport>, told: Proofs) {
        self.tasks
            .spawn(Arc::clone(&self.shared).watch_drain(region, reports, told));
    }

    /// The times of the timeline are known better than they were.
    pub(crate) fn rescheduled(&self, course: &Course) {
        self.shared.recorder.lock().rescheduled(&course.plan());
    }

    /// The timeline is over: what happened, and when.
    pub(crate) fn played(&self, course: &Course, end: Duration) {
        let mut recorder = self.shared.recorder.lock();
        recorder.rescheduled(&course.played());
        recorder.not_played(&course.overdue(end));
    }

    /// These replicas are kept from the others by somebody else than the drill: nothing that they lack or have is waited for.
    pub(crate) fn kept_apart(&self, paused: Vec<PausedTable>) {
        let paused = paused
            .into_iter()
            .filter(|one| self.shared.scope.own.contains(&one.table) || self.shared.scope.others.contains(&one.table));
        let mut apart = Apart::new();
        for one in paused {
            self.shared.recorder.lock().note(format!(
                "the replication of {} is paused in {}, not by the drill: what it lacks there, or only there, was not waited for",
                one.table, one.region
            ));
            apart.insert((one.table_id, one.region));
        }
        *self.shared.apart.lock() = apart;
    }

    /// Something was put right: what was written until now has to come everywhere.
    pub(crate) async fn healed(&self, by: &Action) -> Result<(), DrillError> {
        let at = self.now();
        let digests = self.shared.scope.digests().await?;
        let last = last_writes(&digests);
        let awaited = self.shared.must_converge(&by.to_string(), at).await?;
        self.shared.heals.lock().push(Heal { awaited, last });
        Ok(())
    }

    /// What a region had alone that lost its disk just now, of what it said that each other lacked; `None` where it said nothing.
    pub(crate) fn reported(&self, unshipped: &[FlowReport]) -> Option<ReportedBacklog> {
        // What the others lack differs; the least is what all of them do.
        let least = unshipped
            .iter()
            .filter(|flow| flow.backlog_mutations.is_some())
            .min_by_key(|flow| flow.backlog_mutations)?;
        let now_ms = self.shared.began_ms + u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        let age_ms = least.backlog_oldest_ms.map_or(0, |oldest_ms| {
            now_ms.saturating_sub(self.shared.arrivals.lock().right_ms(&least.from, oldest_ms))
        });
        Some(ReportedBacklog {
            writes: least.backlog_mutations.unwrap_or(0),
            bytes: least.backlog_bytes.unwrap_or(0),
            seconds: Duration::from_millis(age_ms).as_secs_f64(),
        })
    }

    /// The load is over: waits until all regions hold the same of the drill's tables and what was written to others until now, at most so
    /// long. Gives what is missing where they do not, a line each.
    pub(crate) async fn converge(&self, patience: Duration) -> Result<Vec<String>, DrillError> {
        let at = self.now();
        let awaited = self.shared.must_converge("the end of the load", at).await?;
        let scope = &self.shared.scope;
        let last = last_writes(&scope.digests().await?);
        let apart = self.shared.apart.lock().clone();
        let missing = async || Ok(scope.missing(&self.shared.look().await?, &last, &apart));
        let missing = until_nothing(patience, missing).await?;
        if missing.is_empty() {
            self.shared.recorder.lock().converged(awaited, self.now());
        }
        Ok(missing)
    }

    /// Ends measuring, when all that arrived until now is measured. Gives the recorder, and how many commits' arrivals went by unmeasured.
    pub(crate) async fn end(mut self) -> Option<(Recorder, u64)> {
        let has_all = self.shared.has_heard_all(HEARD_IN_THE_END).await;
        self.tasks.shutdown().await;
        let shared = Arc::into_inner(self.shared)?;
        let mut recorder = shared.recorder.into_inner();
        if !has_all {
            recorder
                .note("the last arrivals were not measured: a control service did not tell of them in time".to_owned());
        }
        let missed_commits = shared.arrivals.lock().missed_commits();
        Some((recorder, missed_commits))
    }
}
