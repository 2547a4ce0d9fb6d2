//! A running experiment: starts and ends its actions, and records their states.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_clock::{Randomness, WallClock};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    check::{self, Step},
    faults::{FaultError, Shared, TableReplica},
    model::{Experiment, State, Status, Target},
};

/// State that the service and the running experiment share.
#[derive(Debug)]
pub(crate) struct RunningExperiment {
    shown: Mutex<Experiment>,
    /// Cancelled to end the experiment early.
    stop: CancellationToken,
}

/// The dependencies that an experiment runs with.
pub(crate) struct Means {
    pub(crate) faults: Arc<Shared>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) randomness: Arc<dyn Randomness>,
}

/// The current time in the API's form: seconds since the Unix epoch.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
pub(crate) fn seconds(clock: &dyn WallClock) -> f64 {
    clock.now_ms() as f64 / 1000.0
}

impl RunningExperiment {
    pub(crate) fn new(shown: Experiment) -> Self {
        Self {
            shown: Mutex::new(shown),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn show(&self) -> Experiment {
        self.change(|shown| shown.clone())
    }

    pub(crate) fn status(&self) -> Status {
        self.change(|shown| shown.state.status)
    }

    /// Asks the experiment to end early; returns false if it has already ended.
    pub(crate) fn stop(&self) -> bool {
        self.change(|shown| {
            if shown.state.status.is_final() {
                return false;
            }
            shown.state = State::new(Status::Stopping, "Experiment is being stopped.");
            self.stop.cancel();
            true
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Experiment) -> T) -> T {
        change(&mut self.shown.lock())
    }

    /// Advances the state, unless the experiment is being stopped.
    fn advance(&self, state: State) {
        self.change(|shown| {
            if shown.state.status != Status::Stopping {
                shown.state = state;
            }
        });
    }

    fn end(&self, means: &Means, state: State) {
        self.change(|shown| {
            shown.state = state;
            shown.end_time = Some(seconds(&*means.clock));
        });
    }

    fn action(&self, name: &str, means: &Means, state: State) {
        self.change(|shown| {
            let Some(action) = shown.actions.get_mut(name) else {
                return;
            };
            match state.status {
                Status::Running => action.start_time = Some(seconds(&*means.clock)),
                status if status.is_final() && action.start_time.is_some() => {
                    action.end_time = Some(seconds(&*means.clock));
                }
                _ => {}
            }
            action.state = state;
        });
    }
}

/// An action in progress: when it ends, and the replicas that it paused.
struct Active {
    until: Instant,
    paused: Vec<TableReplica>,
}

/// The progress of the actions.
struct Progress<'a> {
    run: &'a RunningExperiment,
    means: &'a Means,
    pending: BTreeMap<String, Step>,
    active: BTreeMap<String, Active>,
    completed: Vec<String>,
}

/// Runs an experiment to its end.
pub(crate) async fn run(run: Arc<RunningExperiment>, steps: BTreeMap<String, Step>, means: Means) {
    if run.change(|shown| shown.experiment_options.actions_mode == "skip-all") {
        for name in steps.keys() {
            run.action(name, &means, State::new(Status::Skipped, "Actions are skipped."));
        }
        return run.end(&means, State::new(Status::Completed, "Experiment completed."));
    }
    let targets = match resolve(&run, &means).await {
        Ok(targets) => targets,
        Err(FaultError(reason)) => {
            for name in steps.keys() {
                run.action(name, &means, State::new(Status::Cancelled, "Action was cancelled."));
            }
            return run.end(&means, State::new(Status::Failed, reason));
        }
    };
    run.advance(State::new(Status::Running, "Experiment is running."));
    let mut progress = Progress {
        run: &run,
        means: &means,
        pending: steps,
        active: BTreeMap::new(),
        completed: Vec::new(),
    };
    let outcome = loop {
        if run.stop.is_cancelled() {
            break State::new(Status::Stopped, "Experiment was stopped.");
        }
        if let Err((name, FaultError(reason))) = progress.begin(&targets).await {
            break State::new(Status::Failed, format!("Action {name} failed: {reason}"));
        }
        let Some(next) = progress.active.values().map(|active| active.until).min() else {
            break State::new(Status::Completed, "Experiment completed.");
        };
        tokio::select! {
            biased;
            () = run.stop.cancelled() => {}
            () = sleep_until(next) => progress.complete(next).await,
        }
    };
    progress.end_all().await;
    run.end(&means, outcome);
}

/// Selects the replicas of every target; none for a target that may be empty and is.
async fn resolve(run: &RunningExperiment, means: &Means) -> Result<BTreeMap<String, Vec<TableReplica>>, FaultError> {
    let (targets, mode) = run.change(|shown| {
        (
            shown.targets.clone(),
            shown
                .experiment_options
                .of_template
                .empty_target_resolution_mode
                .clone(),
        )
    });
    let mut resolved = BTreeMap::new();
    for (name, target) in targets {
        let mut found = Vec::new();
        let mut missing = None;
        for replica in target.resource_arns.iter().filter_map(|arn| check::replica(arn)) {
            match means.faults.find(&replica).await {
                Ok(()) => found.push(replica),
                Err(fault) => missing = Some(fault),
            }
        }
        if let Some(FaultError(reason)) = missing.filter(|_| found.is_empty() && mode != "skip") {
            return Err(FaultError(format!("Target {name} was resolved to nothing: {reason}")));
        }
        resolved.insert(name, select(&target, found, &*means.randomness));
    }
    Ok(resolved)
}

fn select(target: &Target, mut found: Vec<TableReplica>, randomness: &dyn Randomness) -> Vec<TableReplica> {
    // The selection modes were checked when the template was created.
    let count = check::selection("", &target.selection_mode).map_or(found.len(), |mode| mode.of(found.len()));
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let place = usize::try_from(randomness.below(found.len() as u64)).unwrap_or_default();
        chosen.push(found.swap_remove(place));
    }
    chosen
}

impl Progress<'_> {
    /// Starts the actions that no pending or active action precedes. Repeats this, since an action
    /// without targets completes at once.
    async fn begin(&mut self, targets: &BTreeMap<String, Vec<TableReplica>>) -> Result<(), (String, FaultError)> {
        loop {
            let is_ready = |step: &Step| step.after.iter().all(|other| self.completed.contains(other));
            let ready = self
                .pending
                .iter()
                .find(|(_, step)| is_ready(step))
                .map(|(name, _)| name.clone());
            let Some((name, step)) = ready.and_then(|name| self.pending.remove_entry(&name)) else {
                return Ok(());
            };
            self.report(&name, Status::Initiating, "Action is being started.");
            let replicas = match &step.pauses {
                None => &[][..],
                Some(target) => targets.get(target).map_or(&[][..], Vec::as_slice),
            };
            if step.pauses.is_some() && replicas.is_empty() {
                self.report(&name, Status::Skipped, "The action's target was resolved to nothing.");
                self.completed.push(name);
                continue;
            }
            self.start(&name, step.duration, replicas)
                .await
                .map_err(|fault| (name, fault))?;
        }
    }

    /// Starts an action. Its duration counts from when all its targets are paused, which is when
    /// its state becomes running.
    async fn start(&mut self, name: &str, duration: Duration, replicas: &[TableReplica]) -> Result<(), FaultError> {
        let mut paused = Vec::new();
        for replica in replicas {
            if let Err(fault) = self.means.faults.pause(replica).await {
                self.report(name, Status::Failed, &fault.0);
                for replica in &paused {
                    self.means.faults.resume(replica).await;
                }
                return Err(fault);
            }
            paused.push(replica.clone());
        }
        self.report(name, Status::Running, "Action is running.");
        let until = Instant::now() + duration;
        self.active.insert(name.to_owned(), Active { until, paused });
        Ok(())
    }

    /// Ends the actions whose time is over at `by`.
    async fn complete(&mut self, by: Instant) {
        let over: Vec<String> = self
            .active
            .iter()
            .filter(|(_, active)| active.until <= by)
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            self.finish(&name, Status::Completed, "Action was completed.").await;
            self.completed.push(name);
        }
    }

    /// Ends the actions in progress, and cancels those that have not begun.
    async fn end_all(&mut self) {
        let active: Vec<String> = self.active.keys().cloned().collect();
        for name in active {
            self.finish(&name, Status::Stopped, "Action was stopped.").await;
        }
        for name in self.pending.keys() {
            self.report(name, Status::Cancelled, "Action was cancelled.");
        }
    }

    async fn finish(&mut self, name: &str, status: Status, reason: &str) {
        for replica in self.active.remove(name).into_iter().flat_map(|active| active.paused) {
            self.means.faults.resume(&replica).await;
        }
        self.report(name, status, reason);
    }

    fn report(&self, name: &str, status: Status, reason: &str) {
        self.run.action(name, self.means, State::new(status, reason));
    }
}
