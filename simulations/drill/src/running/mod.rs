//! Plays a drill, from creating its tables to its report.

mod conclude;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use beringia_clock::SystemClock;
use beringia_history::{History, ReplicaEpochs};
use beringia_proto::v1::{ControlDigestsRequest, ControlStatusRequest};
use beringia_report::{LoadSource, Player, Recorder, ReportedBacklog, Run, heals};
use beringia_scenario::{Action, Plan, TimelineCursor};
use beringia_workload::{Load, Loaded, Setting, WorkloadTable};
use futures_util::future::LocalBoxFuture;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::sleep_until,
};
use tracing::{Instrument as _, info_span};

use crate::{
    abort::AbortWhen,
    error::DrillError,
    evidence::{replica_epochs, shipped},
    lease::LeaseKeeper,
    measure::Measure,
    perform::{ActionTables, LastReport, Performer},
    plan::is_probed,
    scope::DrillScope,
    stage::{Means, Stage},
    tables,
    watch::Proofs,
};

/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(250);

/// A drill in progress: its plan and stage, its load and measurements, and what it has to undo.
pub struct RunningDrill<'a> {
    plan: &'a Plan,
    stage: &'a Stage,
    patience: Duration,
    performer: Performer,
    /// Renews the lease of an attached drill; `None` once it has ended, and without one.
    lease: Option<LeaseKeeper>,
    /// When the drill stops because applications fail.
    abort_when: Option<AbortWhen>,
    /// The time that the verdicts allow for the machine.
    allowance: Duration,
    /// Whether everything that was undone until now could be.
    is_undone: bool,
    /// The drill's own tables that were created.
    tables: Vec<WorkloadTable>,
    /// The tables that pauses apply to: the drill's own and, where applications are the load, all
    /// global tables.
    replicated: Vec<String>,
    measure: Option<Measure>,
    load: Option<Load>,
    /// When the load had ended, since it began.
    load_end: Duration,
    disks: Vec<Disk>,
    /// The tables that had not converged at the end, and why, a line each.
    not_converged: Vec<String>,
    /// The regions whose replicas were added or removed during the drill.
    came_or_went: Vec<String>,
    /// The regions that must have a replica of each of the drill's tables.
    expected: BTreeSet<String>,
    /// The epoch of each replica when the load began, by region and table: a replica with another
    /// one at the end was dropped and re-bootstrapped.
    replica_epochs: ReplicaEpochs,
    /// The channel for drains that are proven: region and time.
    proofs: (Proofs, UnboundedReceiver<(String, Duration)>),
    /// For each action of the plan, whether it repairs something.
    heals: Vec<bool>,
}

/// A disk that a region lost.
struct Disk {
    region: String,
    at: Duration,
    /// The writes that the region reported as unshipped before.
    backlog: Option<ReportedBacklog>,
    /// For each table, the sequence up to which every other region had the region's writes then.
    shipped: BTreeMap<String, u64>,
}

impl<'a> RunningDrill<'a> {
    /// A session of a plan that was checked. After the load, regions may take `patience` to
    /// converge.
    ///
    /// # Errors
    /// [`DrillError::Control`], if the links cannot be read; [`DrillError::AlreadyMoved`], if the
    /// plan moves clients, and another drill has moved some.
    pub fn new(plan: &'a Plan, stage: &'a Stage, patience: Duration) -> LocalBoxFuture<'a, Result<Self, DrillError>> {
        Box::pin(async move {
            nobody_is_moved(plan, stage).await?;
            let lease = match &stage.lease {
                Some(lease) => {
                    let clients = stage.fleet.clients().collect();
                    Some(LeaseKeeper::begin(lease.clone(), clients, &plan.scenario.name).await?)
                }
                None => None,
            };
            Ok(Self {
                plan,
                stage,
                patience,
                performer: Performer::new(stage).await?,
                lease,
                abort_when: None,
                allowance: Duration::ZERO,
                is_undone: true,
                tables: Vec::new(),
                replicated: Vec::new(),
                measure: None,
                load: None,
                load_end: Duration::ZERO,
                disks: Vec::new(),
                not_converged: Vec::new(),
                came_or_went: Vec::new(),
                expected: plan.scenario.replicas.iter().cloned().collect(),
                replica_epochs: ReplicaEpochs::new(),
                proofs: unbounded_channel(),
                heals: heals(plan),
            })
        })
    }

    /// Stops the drill with [`DrillError::Aborted`] when the errors of applications pass a limit.
    #[must_use]
    pub fn abort_when(self, abort_when: Option<AbortWhen>) -> Self {
        Self { abort_when, ..self }
    }

    /// Judges the drill with an allowance for the machine (`Expectations::allowing`).
    #[must_use]
    pub fn allowing(self, allowance: Duration) -> Self {
        Self { allowance, ..self }
    }

    /// Plays the plan and returns the judged run. `replay` is the command that repeats it, for the
    /// report.
    ///
    /// # Errors
    /// [`DrillError`], if an action fails, the regions cannot be asked for the results, or have
    /// undone the drill's changes because it did not renew its lease.
    pub fn play<'s>(&'s mut self, replay: &'s str) -> LocalBoxFuture<'s, Result<Run, DrillError>> {
        let lost = self.lease.as_ref().map(LeaseKeeper::lost);
        let lost = async move {
            match lost {
                Some(lost) => lost.await,
                None => std::future::pending().await,
            }
        };
        Box::pin(async move {
            tokio::select! {
                biased;
                lost = lost => Err(lost),
                played = self.play_to_the_end(replay) => played,
            }
        })
    }

    async fn play_to_the_end(&mut self, replay: &str) -> Result<Run, DrillError> {
        self.prepare().await?;
        self.follow_the_timeline().await?;
        // What applications do after the timeline is not part of the drill.
        if let Some(measure) = &self.measure {
            measure.sample_traffic().await;
        }
        let history = match self.load.take() {
            Some(load) => load.stop().await,
            None => History::default(),
        };
        self.load_end = self.measure.as_ref().map_or(Duration::ZERO, Measure::now);
        self.end_of_load().await?;
        self.conclude(&history, replay).await
    }

    /// Undoes the actions that are still in effect, and deletes the drill's tables from regions
    /// that continue to run.
    pub fn undo(&mut self, keep_tables: bool) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move {
            self.stage.progress.end();
            self.load = None;
            self.undo_actions().await;
            self.end_lease().await;
            if self.stage.is_own() || keep_tables {
                return;
            }
            for table in std::mem::take(&mut self.tables) {
                let removed = tables::delete(&self.stage.targets(), &table.name, &self.plan.scenario.replicas).await;
                if let Err(failure) = removed {
                    self.stage
                        .progress
                        .note(&format!("could not delete the table {}: {failure}", table.name));
                }
            }
        })
    }

    async fn undo_actions(&mut self) {
        self.is_undone &= self.performer.undo(self.stage).await;
    }

    /// Ends the lease if everything was undone. Otherwise lets it expire, so that the regions undo
    /// the rest.
    async fn end_lease(&mut self) {
        let Some(keeper) = self.lease.take() else { return };
        if self.is_undone {
            keeper.end().await;
        } else if let Some(lease) = &self.stage.lease {
            let seconds = lease.lasts.as_secs_f64();
            let note = format!("the regions undo what is left in {seconds} s; `beringia status` shows it");
            self.stage.progress.note(&note);
        }
    }

    /// Creates and fills the tables, and starts the clients.
    async fn prepare(&mut self) -> Result<(), DrillError> {
        self.stage.progress.show("creating tables", None);
        let scenario = &self.plan.scenario;
        let setting = Setting::of(self.plan, Arc::new(self.stage.targets()), Arc::new(SystemClock));
        let others = self.global_tables().await?;
        for table in setting.tables()? {
            self.tables.push(table.clone());
            tables::create(&self.stage.targets(), &table.create, &scenario.replicas).await?;
            if let (Some(first), Some(time_to_live)) = (scenario.replicas.first(), &table.time_to_live) {
                tables::call(&self.stage.targets(), first, "UpdateTimeToLive", time_to_live).await?;
            }
        }
        self.stage.progress.show("filling tables", None);
        let loaded = match scenario.replicas.first() {
            Some(first) => setting.load(first).await?,
            None => Loaded::default(),
        };
        // Throttling begins after filling, so that tables begin with their full burst.
        for table in &self.tables {
            tables::hold(&self.stage.targets(), table, &scenario.replicas).await?;
        }
        let own: BTreeSet<String> = self.tables.iter().map(|table| table.name.clone()).collect();
        let probed = is_probed(self.plan);
        self.replicated = own.iter().chain(others.iter().filter(|_| probed)).cloned().collect();
        let fleet = &self.stage.fleet;
        let clients = match (probed, others.is_empty()) {
            (true, _) => LoadSource::ApplicationsAndProbes,
            (false, false) => LoadSource::ScenarioAndApplications,
            (false, true) => LoadSource::Scenario,
        };
        let scope = DrillScope {
            fleet: Arc::clone(fleet),
            own,
            // Where applications are the load, their writes must arrive everywhere, not only the
            // probes.
            others: if probed { others } else { BTreeSet::new() },
        };
        if !probed {
            let missing = scope.converge(self.patience).await?;
            if !missing.is_empty() {
                return Err(DrillError::NotEqual(missing));
            }
        }
        let player = if fleet.has_network() {
            Player::Drill
        } else {
            Player::Containers
        };
        let mut recorder = Recorder::new(self.plan, player);
        recorder.used_by(clients);
        let links = self.performer.links_before();
        let measure = Measure::begin(scope, recorder, links).await?;
        measure.kept_apart(self.performer.paused_by_others(self.stage).await?);
        for (region, ahead_ms) in self.performer.skew(self.stage, &scenario.clocks).await? {
            measure.clock_changed(region, ahead_ms);
        }
        self.measure = Some(measure);
        self.replica_epochs = replica_epochs(fleet, &self.tables).await?;
        self.load = Some(Load::start(&setting, loaded)?);
        Ok(())
    }

    /// The global tables that exist before the drill.
    async fn global_tables(&self) -> Result<BTreeSet<String>, DrillError> {
        let request = ControlDigestsRequest {
            verify: false,
            ranges: false,
        };
        let digests = self.stage.fleet.digests(request).await?.replies;
        let tables = digests.into_iter().flat_map(|region| region.tables);
        let global = tables.filter(|table| !table.table.is_empty() && table.replicas.len() > 1);
        Ok(global.map(|table| table.table).collect())
    }

    async fn follow_the_timeline(&mut self) -> Result<(), DrillError> {
        let Some(began) = self.measure.as_ref().map(Measure::began) else {
            return Ok(());
        };
        let duration = self.plan.scenario.duration;
        self.stage.progress.begin(duration);
        let plan = self.plan;
        let mut timeline = TimelineCursor::new(plan);
        loop {
            let next = timeline.next().filter(|(_, at)| *at <= duration);
            let (until, what) = next.map_or_else(
                || (duration, "the end of the load".to_owned()),
                |(index, at)| (at, plan.timeline[index].action.to_string()),
            );
            if let Some((region, at)) = self.wait_until(began + until, &what).await? {
                timeline.proven(&region, at);
                self.measure.iter().for_each(|measure| measure.rescheduled(&timeline));
                continue;
            }
            // If an action did not happen, the last repairs may be invalid; everything is undone
            // anyway.
            let is_over = until >= duration && !timeline.overdue(duration).is_empty();
            let Some((index, at)) = next.filter(|_| !is_over) else {
                self.measure
                    .iter()
                    .for_each(|measure| measure.played(&timeline, duration));
                return Ok(());
            };
            let action = &plan.timeline[index].action;
            let scenario = &plan.scenario.name;
            let step = info_span!("step", scenario, number = index, at = ?at, %action);
            self.act(action).instrument(step).await?;
            timeline.done(index, at);
            if let Some(measure) = &self.measure
                && self.heals.get(index).copied().unwrap_or(false)
            {
                measure.healed(action).await?;
            }
        }
    }

    /// Waits, and shows the progress. Returns early with a drain that was proven, and when, and if
    /// applications fail too often.
    async fn wait_until(
        &mut self,
        until: tokio::time::Instant,
        next: &str,
    ) -> Result<Option<(String, Duration)>, DrillError> {
        loop {
            let now = tokio::time::Instant::now();
            if let (Some(abort_when), Some(measure)) = (self.abort_when, &self.measure)
                && let Some(passed) = measure.passed(abort_when)
            {
                return Err(DrillError::Aborted(passed));
            }
            if now >= until {
                return Ok(None);
            }
            if let (Some(load), Some(measure)) = (&self.load, &self.measure) {
                let progress = load.progress();
                let answered: u64 = progress.values().map(|region| region.answered).sum();
                let failed: u64 = progress.values().map(|region| region.failed).sum();
                let doing = format!(
                    "{answered} answered, {failed} failed; in {:.0} s: {next}",
                    (until - now).as_secs_f64()
                );
                self.stage.progress.show(&doing, Some(measure.now()));
            }
            tokio::select! {
                biased;
                Some(proven) = self.proofs.1.recv() => return Ok(Some(proven)),
                () = sleep_until(until.min(now + TICK)) => {}
            }
        }
    }

    async fn act(&mut self, action: &Action) -> Result<(), DrillError> {
        tracing::info!(%action, "step began");
        match action {
            Action::AddReplica { region } => {
                self.came_or_went.push(region.clone());
                self.expected.insert(region.clone());
            }
            Action::RemoveReplica { region } => {
                self.came_or_went.push(region.clone());
                self.expected.remove(region);
            }
            _ => {}
        }
        // Past arrivals are measured with the links and clocks as they were until now.
        if let Some(measure) = &self.measure {
            measure.has_heard_all().await;
        }
        let tables = ActionTables {
            own: &self.tables,
            replicated: &self.replicated,
        };
        let performed = self
            .performer
            .perform(self.stage, action, &tables, self.load.as_ref())
            .await;
        let done = performed.map_err(|source| DrillError::Action {
            action: action.to_string(),
            source: Box::new(source),
        })?;
        if let (
            Action::Crash {
                region,
                lose_disk: true,
            },
            Some(measure),
        ) = (action, &self.measure)
        {
            // Only now is the region known to be dead: until here it may have acknowledged writes
            // that are lost.
            let at = measure.now();
            // Among this is when the region committed what is lost.
            measure.has_heard_all().await;
            self.disks.push(Disk {
                region: region.clone(),
                at,
                shipped: shipped(&self.stage.fleet, region).await?,
                backlog: self.reported_backlog(measure, action, at, done.unshipped.as_ref()),
            });
        }
        if let Some(measure) = &mut self.measure {
            if let Some((region, ahead_ms)) = done.ahead {
                measure.clock_changed(region, ahead_ms);
            }
            measure.links_changed(&done.links.unwrap_or_default());
            if let (Some(reports), Action::Drain { region }) = (done.drain, action) {
                measure.drained(region.clone(), reports, self.proofs.0.clone());
            }
        }
        tracing::info!(%action, "step done");
        Ok(())
    }

    /// The unshipped writes that a region reported when it was killed. A hook kills it some time
    /// after the last report, so that the loss of the drill's own load, which the oracle knows, is
    /// not compared with it. `None` if that time is too long.
    fn reported_backlog(
        &self,
        measure: &Measure,
        action: &Action,
        at: Duration,
        unshipped: Option<&LastReport>,
    ) -> Option<ReportedBacklog> {
        let last = unshipped?;
        if self.stage.means(action) == Ok(Means::Hook) {
            if !is_probed(self.plan) && self.replicated.len() == self.tables.len() {
                return None;
            }
            measure.note(last.note());
        }
        last.counts().then(|| measure.reported(&last.unshipped, at))
    }

    /// Undoes what the timeline left in effect, and waits until the regions have converged.
    async fn end_of_load(&mut self) -> Result<(), DrillError> {
        self.stage
            .progress
            .show("waiting until all regions hold the same data", None);
        self.undo_actions().await;
        if let Some(measure) = &self.measure {
            measure.kept_apart(self.performer.paused_by_others(self.stage).await?);
        }
        if let Some(measure) = &self.measure {
            let missing = measure.converge(self.patience).await?;
            if !missing.is_empty() {
                let (seconds, lines) = (self.patience.as_secs(), missing.join("\n"));
                let note = format!("not converged after {seconds} s\n{lines}");
                self.stage.progress.note(&note);
            }
            self.not_converged = missing;
        }
        Ok(())
    }
}

/// Checks that the endpoint for all regions follows no other drill's moves, if the plan has moves.
async fn nobody_is_moved(plan: &Plan, stage: &Stage) -> Result<(), DrillError> {
    let moves = plan
        .timeline
        .iter()
        .any(|planned| matches!(planned.action, Action::Shift { .. }));
    let Some(mut client) = stage.fleet.serving_all_regions().filter(|_| moves) else {
        return Ok(());
    };
    let reroutes = client.status(ControlStatusRequest {}).await?.into_inner().reroutes;
    let moved: Vec<String> = reroutes
        .into_iter()
        .filter(|one| !one.moved_to.is_empty())
        .map(|one| one.region)
        .collect();
    if moved.is_empty() {
        Ok(())
    } else {
        Err(DrillError::AlreadyMoved(moved.join(", ")))
    }
}
