//! One run of a plan in virtual time: set-up, load, timeline, convergence, evidence, judgement.

mod beside;
mod replicas;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_history::{History, ReplicaEpochs, ReplicaHistory};
use beringia_oracle::Violation;
use beringia_report::{Run, heals, judge};
use beringia_scenario::{Action, Plan, TimelineCursor};
use beringia_storage::{PlantedBug, SharedVectors};
use beringia_workload::{Load, Loaded, Setting};
use futures_util::future::BoxFuture;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use self::{
    beside::ClientsBeside,
    replicas::{Expected, ReplicaChange, absent_at_first},
};
use crate::{
    Cluster, ClusterConfig, SimulationError,
    calibration::calibration,
    cluster::are_equal,
    disk::StoreKind,
    drains::Drains,
    evidence::gather,
    fingerprint::RunHash,
    losses::{self, Loss},
    measure::Measure,
    tables,
};

/// The interval at which backlogs and divergence are sampled.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// The first pause between two comparisons of digests; later pauses are longer.
const POLL: Duration = Duration::from_millis(5);
/// How long an expiry after convergence may take to reach all regions, in virtual time.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// The conditions of a run that are not part of its plan.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// How long regions may take to converge after the load, in virtual time.
    pub patience: Duration,
    /// A bug that is planted in every region, to see whether it is found.
    pub planted_bug: Option<PlantedBug>,
    /// The storage backend of the regions.
    pub store: StoreKind,
    /// Whether the run keeps a trace.
    pub is_traced: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(600),
            planted_bug: None,
            store: StoreKind::default(),
            is_traced: false,
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct SimulationOutcome {
    /// The run's measurements and verdicts, as reports show them.
    pub run: Run,
    /// The promises that were broken; the run has the same in words.
    pub violations: Vec<Violation>,
    /// The trace, line by line: every event, delivery, commit and operation of a client. Two runs
    /// of one plan have the same trace. Empty unless [`Conditions::is_traced`].
    pub trace: Vec<String>,
}

/// Plays a plan. Must be called in virtual time ([`crate::in_virtual_time`]).
///
/// # Errors
/// [`SimulationError`] if the regions do not become ready, or an action is impossible when it is
/// due. Broken promises and unmet expectations are not errors but part of the outcome.
pub fn run(plan: &Plan) -> BoxFuture<'_, Result<SimulationOutcome, SimulationError>> {
    run_under(plan, Conditions::default())
}

/// Plays a plan under other conditions.
///
/// # Errors
/// The same errors as [`run`].
pub fn run_under(plan: &Plan, conditions: Conditions) -> BoxFuture<'_, Result<SimulationOutcome, SimulationError>> {
    Box::pin(async move {
        let Some(calibration) = calibration(plan) else {
            return play(plan, conditions, None).await;
        };
        let untraced = Conditions {
            is_traced: false,
            ..conditions
        };
        let rates = play(&calibration, untraced, None).await?.run.applied_per_second;
        play(plan, conditions, Some(rates)).await
    })
}

/// Plays a plan once. `rates` are the mutations per second that each region can apply, if another
/// run measured them.
async fn play(
    plan: &Plan,
    conditions: Conditions,
    rates: Option<BTreeMap<String, f64>>,
) -> Result<SimulationOutcome, SimulationError> {
    let mut session = RunningSimulation::prepare(plan, conditions).await?;
    if let Some(rates) = rates {
        session.measure.can_apply(rates);
    }
    session.play().await?;
    let history = session.end_load().await?;
    let expected = session.expected_replicas().await;
    session.converge_at_the_end(&expected).await?;
    session.conclude(&history, &expected).await
}

/// A run in progress: the regions in virtual time, the load on them, and what was measured so far.
struct RunningSimulation<'a> {
    plan: &'a Plan,
    patience: Duration,
    store: StoreKind,
    is_traced: bool,
    cluster: Cluster,
    tables: Vec<String>,
    load: Option<Load>,
    measure: Measure,
    began: Instant,
    /// For each action of the plan, whether it repairs something.
    heals: Vec<bool>,
    drains: Drains,
    losses: Vec<Loss>,
    /// Regions that did not hold replicas all the time, or not all of their contents.
    came_or_went: Vec<String>,
    /// The changes of replicas that the timeline asked for, in its order.
    replica_changes: Vec<ReplicaChange>,
    /// For each table, what resolves when the last change of its replicas has its outcome.
    replica_turns: BTreeMap<String, oneshot::Receiver<()>>,
    /// The replica epoch when the load began, by region and table.
    replica_epochs: ReplicaEpochs,
    beside: ClientsBeside,
}

impl<'a> RunningSimulation<'a> {
    async fn prepare(plan: &'a Plan, conditions: Conditions) -> Result<Self, SimulationError> {
        let scenario = &plan.scenario;
        beringia_storage::plant(conditions.planted_bug);
        let cluster = Cluster::start(ClusterConfig {
            behaviour: scenario.behaviour,
            starts_ms: scenario.starts_ms,
            clocks: scenario.clocks.clone(),
            planted_bug: conditions.planted_bug,
            store: conditions.store,
            disks: scenario.disks,
            is_traced: conditions.is_traced,
            ..ClusterConfig::new(scenario.topology.clone(), plan.seed)
        })
        .await?;
        let setting = Setting::of(plan, Arc::new(cluster.clients().clone()), cluster.clock.clone());
        let first = scenario.replicas.first();
        let (mut tables, mut held) = (Vec::new(), Vec::new());
        for table in setting.tables()? {
            tables::create(&cluster, &table.create, &scenario.replicas).await?;
            if let (Some(first), Some(time_to_live)) = (first, &table.time_to_live) {
                tables::set(&cluster, first, "UpdateTimeToLive", time_to_live).await?;
            }
            tables.push(table.name.clone());
            held.push(table);
        }
        let loaded = match first {
            Some(first) => setting.load(first).await?,
            None => Loaded::default(),
        };
        // Filled tables begin with full burst capacity.
        for table in &held {
            tables::hold(&cluster, &scenario.replicas, table).await?;
        }
        let mut session = Self {
            plan,
            patience: conditions.patience,
            store: conditions.store,
            is_traced: conditions.is_traced,
            cluster,
            tables,
            load: None,
            measure: Measure::new(plan),
            began: Instant::now(),
            heals: heals(plan),
            drains: Drains::default(),
            losses: Vec::new(),
            came_or_went: absent_at_first(plan),
            replica_changes: Vec::new(),
            replica_turns: BTreeMap::new(),
            replica_epochs: ReplicaEpochs::new(),
            beside: ClientsBeside::default(),
        };
        let expected = session.first_replicas();
        if !session.converge(&expected).await? {
            return Err(SimulationError::TimedOut {
                what: "the initial items of the tables have not reached all regions".to_owned(),
                virtual_ms: session.cluster.trace.now_ms(),
            });
        }
        session.replica_epochs = session.cluster.replica_epochs(&session.tables);
        session.cluster.trace.note(format_args!("the load begins"));
        session.began = Instant::now();
        session.measure.begin(&session.cluster);
        session.load = Some(Load::start(&setting, loaded)?);
        session.beside = ClientsBeside::start(scenario, &session.cluster, &held);
        Ok(session)
    }

    /// Plays the timeline and takes samples while the load continues.
    async fn play(&mut self) -> Result<(), SimulationError> {
        let end = self.began + self.plan.scenario.duration;
        let mut next_sample = self.began;
        let mut timeline = TimelineCursor::new(self.plan);
        loop {
            let next = timeline.next().filter(|(_, at)| self.began + *at <= end);
            let next_action = next.map_or(end, |(_, at)| self.began + at);
            let is_sampled = next_sample < next_action;
            tokio::select! {
                biased;
                (region, at) = self.drains.proven() => {
                    timeline.proven(&region, at);
                    continue;
                }
                () = self.cluster.needs_supervision() => {
                    self.cluster.supervise().await?;
                    continue;
                }
                () = sleep_until(next_action.min(next_sample)) => {}
            }
            if is_sampled {
                self.sample().await?;
                next_sample += SAMPLE_EVERY;
                continue;
            }
            // If something did not happen, the repairs at the end of the timeline may be
            // impossible. `end_load` undoes all of it in any case.
            let is_over = next_action >= end && !timeline.overdue(self.plan.scenario.duration).is_empty();
            let Some((index, at)) = next.filter(|_| !is_over) else {
                self.measure.played(&timeline, self.plan.scenario.duration);
                return Ok(());
            };
            let action = &self.plan.timeline[index].action;
            self.act(action).await?;
            timeline.done(index, at);
            if self.heals.get(index).copied().unwrap_or(false) {
                let at = self.began.elapsed();
                self.measure.healed(&self.cluster, action, at).await?;
            }
        }
    }

    async fn sample(&mut self) -> Result<(), SimulationError> {
        self.cluster.check()?;
        let at = self.began.elapsed();
        self.measure.sample(&self.cluster, &self.tables, at).await
    }

    async fn act(&mut self, action: &Action) -> Result<(), SimulationError> {
        // Before an action that may end a region that has failed.
        self.cluster.check()?;
        let at = self.began.elapsed();
        self.cluster.trace.note(format_args!("action: {action}"));
        self.look_at_losses(action, at).await?;
        if let Action::Restart { region } = action {
            self.close_losses(|down| down == region);
        }
        if let Action::FlipBits { region, .. } = action {
            // The damaged part of its log is gone, and rows are missing until peers have repaired
            // them.
            self.came_or_went.push(region.clone());
        }
        match action {
            Action::AddReplica { region } => self.change_replicas(region, true),
            Action::RemoveReplica { region } => self.change_replicas(region, false),
            _ => match self.cluster.act(action, &self.tables).await {
                Err(SimulationError::NotRunning(region)) if self.cluster.awaits_restart(&region) => {
                    let what = format!("{action}: {region} is down, since its disk fails");
                    self.measure.not_accepted(what);
                    return Ok(());
                }
                done => done?,
            },
        }
        if let Some(load) = &self.load {
            load.steer(action);
        }
        if let Action::Drain { region } = action {
            let watch = self.cluster.node(region)?.drain_watch();
            let trace = Arc::clone(&self.cluster.trace);
            self.drains.watch(region.clone(), watch, self.began, trace);
        }
        self.measure.links_changed(&self.cluster, at);
        Ok(())
    }

    /// Determines what is lost if the action takes a region's disk away.
    async fn look_at_losses(&mut self, action: &Action, at: Duration) -> Result<(), SimulationError> {
        let (region, kept) = match action {
            Action::Crash {
                region,
                lose_disk: true,
            } => (region, SharedVectors::new()),
            Action::RestoreDisk { region } => (region, self.cluster.copied_vectors(region)?),
            _ => return Ok(()),
        };
        // It must be possible to read what is lost.
        self.cluster.make_readable(region).await?;
        let loss = losses::look(&self.cluster, region, &self.tables, (at, &kept)).await?;
        self.losses.push(loss);
        Ok(())
    }

    /// Closes the losses of these regions that are down: what was on its way has arrived.
    fn close_losses(&mut self, is_meant: impl Fn(&str) -> bool) {
        for loss in &mut self.losses {
            if is_meant(&loss.region) && !self.cluster.is_running(&loss.region) {
                loss.leave_out_arrived(&self.cluster);
            }
        }
    }

    /// Ends the load and repairs what the timeline left broken.
    async fn end_load(&mut self) -> Result<History, SimulationError> {
        let history = match self.load.take() {
            Some(load) => load.stop().await,
            None => History::default(),
        };
        self.beside.end_load();
        self.cluster.trace.note(format_args!("the load ended"));
        self.close_losses(|_| true);
        self.cluster.put_right(&self.tables).await?;
        let at = self.began.elapsed();
        self.measure.links_changed(&self.cluster, at);
        Ok(history)
    }

    /// Waits until the regions have converged after the load, and measures it.
    async fn converge_at_the_end(&mut self, expected: &Expected) -> Result<(), SimulationError> {
        let at = self.began.elapsed();
        let awaited = self.measure.ended(&self.cluster, at).await?;
        if self.converge(expected).await? {
            self.measure.converged(awaited, self.began.elapsed());
        }
        self.sample().await
    }

    /// Waits until every expected region holds each table, and all regions that hold one have equal
    /// digests. Returns false if patience ends before.
    async fn converge(&mut self, expected: &Expected) -> Result<bool, SimulationError> {
        let began = Instant::now();
        let mut sampled = began;
        loop {
            let mut equal = true;
            for (table, expected) in expected {
                let digests = self.cluster.digests(table).await?;
                equal &= are_equal(&digests);
                equal &= expected.iter().all(|region| digests.contains_key(region));
            }
            let elapsed = began.elapsed();
            if equal {
                self.cluster
                    .trace
                    .note(format_args!("converged after {} ms", elapsed.as_millis()));
                return Ok(true);
            }
            if elapsed >= self.patience {
                self.cluster
                    .trace
                    .note(format_args!("not converged after {} ms", elapsed.as_millis()));
                return Ok(false);
            }
            if sampled.elapsed() >= SAMPLE_EVERY {
                sampled = Instant::now();
                self.sample().await?;
            }
            // A failure from before the disks were repaired may be noticed only now.
            self.cluster.supervise().await?;
            sleep(POLL.max(elapsed / 100)).await;
        }
    }

    /// Waits until no expiry of the table is on its way: items go on expiring after the regions
    /// have converged, and evidence that is gathered meanwhile would show regions apart. Regions
    /// that stay apart are left to the oracle.
    async fn wait_for_expiry(&self, table: &str) -> Result<(), SimulationError> {
        let began = Instant::now();
        while began.elapsed() < SETTLED_WITHIN && !self.cluster.has_equal_digests(table).await? {
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn conclude(mut self, history: &History, expected: &Expected) -> Result<SimulationOutcome, SimulationError> {
        for sample in self.drains.end().await {
            self.measure.drained(sample);
        }
        let replicas = ReplicaHistory::new(
            &self.plan.scenario.replicas,
            &self.came_or_went,
            self.losses.iter().map(|loss| loss.region.clone()).collect(),
            [&self.replica_epochs, &self.cluster.replica_epochs(&self.tables)],
        );
        for (region, _) in &replicas.rebootstrapped {
            let store = self.cluster.store(region)?;
            while store.is_saving_unshipped() {
                sleep(POLL).await;
            }
        }
        let total = self.began.elapsed();
        self.measure.over(&self.cluster);
        let mut evidence = BTreeMap::new();
        for (table, expected) in expected {
            self.wait_for_expiry(table).await?;
            let of_table = gather(&self.cluster, table, &replicas, expected).await?;
            evidence.insert(table.clone(), of_table);
        }
        self.beside.add_streams(&replicas, &mut evidence).await;
        let may_be_dropped = self.plan.scenario.behaviour.max_unreachable.is_some();
        let of_recreated = self
            .beside
            .judge_recreated(&self.cluster, &self.losses, may_be_dropped)
            .await?;
        let trace = self.trace(history);
        let fingerprint = self.fingerprint(history);
        let (mut run, violations) =
            self.measure
                .finish(&self.cluster, history, &evidence, &self.losses, of_recreated, total)?;
        run.identity.fingerprint = Some(fingerprint);
        run.identity.store = Some(self.store.name().to_owned());
        judge(&self.plan.scenario.expect, &mut run);
        Ok(SimulationOutcome { run, violations, trace })
    }
}

impl RunningSimulation<'_> {
    /// A hash over all events, deliveries, commits and operations, also of runs without a trace.
    fn fingerprint(&self, history: &History) -> String {
        let mut hash = RunHash::default();
        self.cluster.trace.hash(&mut hash);
        self.cluster.recorder.hash(&mut hash);
        hash.history(history);
        hash.text()
    }

    fn trace(&self, history: &History) -> Vec<String> {
        if !self.is_traced {
            return Vec::new();
        }
        let names = self.cluster.names();
        let id = |table: &String| {
            names
                .iter()
                .find_map(|region| self.cluster.table_id(region, table).ok())
        };
        let tables = self.tables.iter().filter_map(|table| Some((id(table)?, table.clone())));
        let commits = self.cluster.recorder.commits(&tables.collect());
        self.cluster.trace.lines(history, self.measure.load_began_us(), commits)
    }
}
