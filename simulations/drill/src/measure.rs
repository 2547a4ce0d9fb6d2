//! The measurements of a drill: they begin with the load, follow its actions, and end with a
//! complete recorder.

use std::{ops::Range, sync::Arc, time::Duration};

use beringia_clock::{SystemClock, WallClock as _};
use beringia_proto::v1::{ControlDrainReport, LinkReport, PausedTable, UnacknowledgedReport};
use beringia_report::{Recorder, ReportedBacklog, TrafficSamples};
use beringia_scenario::{Action, TimelineCursor};
use parking_lot::Mutex;
use tokio::{task::JoinSet, time::Instant};
use tonic::Streaming;

use crate::{
    abort::AbortWhen,
    application::{ApplicationCounts, TrafficSampler, traffic},
    arrival_lag::Arrivals,
    arrival_subscription::ArrivalSubscription,
    error::DrillError,
    scope::{Apart, DrillScope, last_writes, until_nothing},
    watch::{Heal, Proofs, Shared, flows},
};

/// How long a control service may take to report the arrivals so far, before an action and at the
/// end.
const HEARD_BEFORE: Duration = Duration::from_millis(100);
const HEARD_IN_THE_END: Duration = Duration::from_secs(5);
/// How often the clocks of machines are compared before the load begins.
const CLOCKS_COMPARED: usize = 3;

/// The measurements of one drill.
pub(crate) struct Measure {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

/// The results of measuring.
pub(crate) struct Measured {
    pub(crate) recorder: Recorder,
    /// The requests of applications.
    pub(crate) traffic: TrafficSamples,
    pub(crate) arrivals: Arrivals,
    /// The replicas that are paused, but not by the drill.
    pub(crate) apart: Apart,
}

impl Measure {
    /// Starts measuring: time is counted from now.
    pub(crate) async fn begin(scope: DrillScope, recorder: Recorder, links: &[LinkReport]) -> Result<Self, DrillError> {
        // Bytes that were sent before the load do not count.
        let before = scope.fleet.ask(flows).await?;
        // Nor do requests of applications.
        let mut requests = ApplicationCounts::of(&scope.own);
        let traffic = scope.fleet.ask(traffic).await?.replies;
        requests.begin(traffic);
        let mut listening = Vec::new();
        let mut subscriptions = Vec::new();
        for mut client in scope.fleet.clients() {
            let subscription = ArrivalSubscription::default();
            let messages = subscription.hear(&mut client).await?;
            listening.push((client, messages));
            subscriptions.push(subscription);
        }
        let began_ms = SystemClock.now_ms();
        let shared = Arc::new(Shared {
            scope,
            recorder: Mutex::new(recorder),
            began: Instant::now(),
            began_ms,
            arrivals: Mutex::new(Arrivals::since(began_ms)),
            subscriptions,
            bytes_sent: Mutex::default(),
            heals: Mutex::default(),
            apart: Mutex::default(),
            traffic: TrafficSampler::new(requests),
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
        for _ in 0..CLOCKS_COMPARED {
            measure.has_heard_all().await;
        }
        measure.tasks.spawn(Arc::clone(&measure.shared).watch_clocks());
        measure.tasks.spawn(Arc::clone(&measure.shared).watch_flows());
        measure.tasks.spawn(Arc::clone(&measure.shared).watch_digests());
        measure.tasks.spawn(Arc::clone(&measure.shared).watch_traffic());
        Ok(measure)
    }

    /// The time since measuring began.
    pub(crate) fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// When measuring began, by the monotonic clock.
    pub(crate) fn began(&self) -> Instant {
        self.shared.began
    }

    /// When measuring began by the wall clock, milliseconds since the Unix epoch.
    pub(crate) fn began_ms(&self) -> u64 {
        self.shared.began_ms
    }

    /// Sets the delay and bandwidth of links from now on.
    pub(crate) fn links_changed(&self, links: &[LinkReport]) {
        self.shared.arrivals.lock().links_changed(links);
    }

    /// Sets how far a region's clock is ahead of its machine's from now on, in milliseconds.
    pub(crate) fn clock_changed(&self, region: String, ahead_ms: i64) {
        self.shared.arrivals.lock().clock_changed(region, ahead_ms);
    }

    /// Waits until everything that is visible by now was measured, with the links and clocks as
    /// they are now; at most [`HEARD_BEFORE`].
    pub(crate) async fn has_heard_all(&self) {
        self.shared.has_heard_all(HEARD_BEFORE).await;
    }

    /// Follows the reports of a region about its drain.
    pub(crate) fn drained(&mut self, region: String, reports: Streaming<ControlDrainReport>, reported: Proofs) {
        self.tasks
            .spawn(Arc::clone(&self.shared).watch_drain(region, reports, reported));
    }

    /// Records the times of the timeline after a drain was proven.
    pub(crate) fn rescheduled(&self, timeline: &TimelineCursor) {
        self.shared.recorder.lock().rescheduled(&timeline.plan());
    }

    /// Records what the timeline did and when, at its end.
    pub(crate) fn played(&self, timeline: &TimelineCursor, end: Duration) {
        let mut recorder = self.shared.recorder.lock();
        recorder.rescheduled(&timeline.played());
        recorder.not_played(&timeline.overdue(end));
    }

    /// Excludes replicas whose replication is paused, but not by the drill, from convergence:
    /// neither what they are missing nor what only they have is awaited.
    pub(crate) fn kept_apart(&self, paused: Vec<PausedTable>) {
        let paused = paused
            .into_iter()
            .filter(|one| self.shared.scope.own.contains(&one.table) || self.shared.scope.others.contains(&one.table));
        let mut apart = Apart::new();
        for one in paused {
            self.shared.recorder.lock().note(format!(
                "the replication of {} is paused in {}, not by the drill: the drill did not wait \
                    for writes that this replica is missing, or that only it has",
                one.table, one.region
            ));
            apart.insert((one.table_id, one.region));
        }
        *self.shared.apart.lock() = apart;
    }

    /// Records that an action repaired something: everything that was written until now has to
    /// arrive everywhere.
    pub(crate) async fn healed(&self, by: &Action) -> Result<(), DrillError> {
        let at = self.now();
        let digests = self.shared.scope.digests().await?;
        let last = last_writes(&digests);
        let awaited = self.shared.must_converge(&by.to_string(), at).await?;
        self.shared.heals.lock().push(Heal { awaited, last });
        Ok(())
    }

    /// The unshipped writes that a region reported before it lost its disk at this time.
    pub(crate) fn reported(&self, unshipped: &UnacknowledgedReport, lost: Duration) -> ReportedBacklog {
        let lost_ms = self.shared.began_ms + u64::try_from(lost.as_millis()).unwrap_or(u64::MAX);
        let oldest = unshipped.first_sequence.zip(unshipped.oldest_ms);
        let age_ms = oldest.map_or(0, |(sequence, hybrid_ms)| {
            let arrivals = self.shared.arrivals.lock();
            lost_ms.saturating_sub(arrivals.committed_ms(&unshipped.region, sequence, hybrid_ms))
        });
        ReportedBacklog {
            writes: unshipped.mutations,
            bytes: unshipped.bytes,
            seconds: Duration::from_millis(age_ms).as_secs_f64(),
        }
    }

    /// Waits, after the load, until all regions hold the same data in the drill's tables, and
    /// everything that was written to other tables until now; at most `patience`. Returns what is
    /// missing then, one line each.
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

    /// The sentence that says that the errors of applications have passed a limit; `None` if they
    /// have not.
    pub(crate) fn passed(&self, limit: AbortWhen) -> Option<String> {
        let recorder = self.shared.recorder.lock();
        self.shared.traffic.look(|samples| {
            let missing = |seconds: &Range<u64>| recorder.missing_requests(samples, seconds);
            limit.passed(samples, missing, self.now())
        })
    }

    /// Adds a note to the report.
    pub(crate) fn note(&self, note: String) {
        self.shared.recorder.lock().note(note);
    }

    /// Counts the requests of applications until now.
    pub(crate) async fn sample_traffic(&self) {
        self.shared.sample_traffic().await;
    }

    /// Ends measuring once all arrivals until now are measured. `None` if a task still holds the
    /// recorder.
    pub(crate) async fn end(mut self) -> Option<Measured> {
        let has_all = self.shared.has_heard_all(HEARD_IN_THE_END).await;
        self.tasks.shutdown().await;
        let shared = Arc::into_inner(self.shared)?;
        let mut recorder = shared.recorder.into_inner();
        let mut arrivals = shared.arrivals.into_inner();
        if !has_all {
            (0..shared.subscriptions.len()).for_each(|service| arrivals.interrupted(service));
            recorder.note(
                "the last arrivals were not measured: a control service did not report them \
                    in time"
                    .to_owned(),
            );
        }
        for note in arrivals.finish(&mut recorder) {
            recorder.note(note);
        }
        Some(Measured {
            recorder,
            traffic: shared.traffic.into_samples(),
            arrivals,
            apart: shared.apart.into_inner(),
        })
    }
}
