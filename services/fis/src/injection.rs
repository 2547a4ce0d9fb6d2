//! The operations on templates and experiments, which are kept in memory.

use std::{collections::BTreeMap, fmt, sync::Arc};

use beringia_clock::{Randomness, WallClock};
use beringia_storage::logging_panics;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::{
    action::{self, ActionDescription},
    check,
    error::FisError,
    experiment::{self, Means, RunningExperiment, seconds},
    faults::{FaultInjector, Shared},
    model::{ActionRun, CreateTemplate, Experiment, ExperimentOptions, StartExperiment, State, Status, Template},
};

/// The maximum number of templates in a region (AWS FIS user guide, quotas).
const TEMPLATES_MAX: usize = 500;
/// The maximum number of experiments that run in a region at the same time (the same source).
const ACTIVE_MAX: usize = 5;
/// The maximum number of experiments that a region remembers; a new one replaces the oldest that
/// has ended.
const EXPERIMENTS_MAX: usize = 1000;
/// The account of all resources, the same as in the ARNs of tables.
const ACCOUNT: &str = "000000000000";

/// Templates and experiments of all regions. If it is dropped, its experiments stop where they are.
pub struct FaultInjection {
    faults: Arc<Shared>,
    clock: Arc<dyn WallClock>,
    randomness: Arc<dyn Randomness>,
    regions: Mutex<BTreeMap<String, Region>>,
    running: Mutex<JoinSet<()>>,
}

impl fmt::Debug for FaultInjection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultInjection")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// The templates and experiments of one region, each list in the order of creation.
#[derive(Default)]
struct Region {
    templates: Vec<(CreateTemplate, Template)>,
    experiments: Vec<(StartExperiment, Arc<RunningExperiment>)>,
}

impl FaultInjection {
    /// Creates a service without templates.
    #[must_use]
    pub fn new(faults: Arc<dyn FaultInjector>, clock: Arc<dyn WallClock>, randomness: Arc<dyn Randomness>) -> Self {
        Self {
            faults: Arc::new(Shared::new(faults)),
            clock,
            randomness,
            regions: Mutex::default(),
            running: Mutex::default(),
        }
    }

    fn within<T>(&self, region: &str, act: impl FnOnce(&mut Region) -> T) -> T {
        let mut regions = self.regions.lock();
        act(regions.entry(region.to_owned()).or_default())
    }

    fn new_id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}", self.randomness.next_u64())
    }

    pub(crate) fn create_template(&self, region: &str, request: CreateTemplate) -> Result<Template, FisError> {
        check::check(&request)?;
        self.within(region, |known| {
            let same_token = known
                .templates
                .iter()
                .find(|(before, _)| before.client_token == request.client_token);
            if let Some((before, template)) = same_token {
                return if *before == request {
                    Ok(template.clone())
                } else {
                    Err(token_in_use())
                };
            }
            if known.templates.len() >= TEMPLATES_MAX {
                return Err(FisError::Quota(format!(
                    "{TEMPLATES_MAX} experiment templates already exist; delete one first"
                )));
            }
            let id = self.new_id("EXT");
            let now = seconds(&*self.clock);
            let template = Template {
                arn: format!("arn:aws:fis:{region}:{ACCOUNT}:experiment-template/{id}"),
                id,
                description: request.description.clone(),
                targets: request.targets.clone(),
                actions: request.actions.clone(),
                stop_conditions: request.stop_conditions.clone(),
                creation_time: now,
                last_update_time: now,
                role_arn: request.role_arn.clone(),
                tags: request.tags.clone(),
                experiment_options: request.experiment_options.clone(),
                target_account_configurations_count: 0,
            };
            known.templates.push((request, template.clone()));
            Ok(template)
        })
    }

    pub(crate) fn template(&self, region: &str, id: &str) -> Result<Template, FisError> {
        self.within(region, |known| known.template(id).cloned())
    }

    pub(crate) fn delete_template(&self, region: &str, id: &str) -> Result<Template, FisError> {
        self.within(region, |known| {
            let template = known.template(id)?.clone();
            known.templates.retain(|(_, template)| template.id != id);
            Ok(template)
        })
    }

    pub(crate) fn templates(&self, region: &str) -> Vec<Template> {
        self.within(region, |known| {
            known.templates.iter().map(|(_, template)| template.clone()).collect()
        })
    }

    pub(crate) fn start(&self, region: &str, request: StartExperiment) -> Result<Experiment, FisError> {
        if !matches!(request.experiment_options.actions_mode.as_str(), "run-all" | "skip-all") {
            return Err(FisError::validation(format!(
                "actionsMode: `{}` is not valid, expected run-all or skip-all",
                request.experiment_options.actions_mode
            )));
        }
        let (run, steps) = self.within(region, |known| {
            let same_token = known
                .experiments
                .iter()
                .find(|(before, _)| before.client_token == request.client_token);
            if let Some((before, run)) = same_token {
                return if *before == request {
                    Ok((Arc::clone(run), None))
                } else {
                    Err(token_in_use())
                };
            }
            let template = known.template(&request.experiment_template_id)?.clone();
            let steps = check::steps(&template.actions, &template.targets)?;
            known.make_room()?;
            let run = Arc::new(RunningExperiment::new(self.pending(region, template, &request)));
            known.experiments.push((request, Arc::clone(&run)));
            Ok((run, Some(steps)))
        })?;
        let shown = run.show();
        if let Some(steps) = steps {
            let means = Means {
                faults: Arc::clone(&self.faults),
                clock: Arc::clone(&self.clock),
                randomness: Arc::clone(&self.randomness),
            };
            let mut running = self.running.lock();
            // Experiments that have ended are removed here, so that few of them accumulate.
            while running.try_join_next().is_some() {}
            running.spawn(logging_panics("an experiment", experiment::run(run, steps, means)));
        }
        Ok(shown)
    }

    /// Creates the experiment for a start request.
    fn pending(&self, region: &str, template: Template, request: &StartExperiment) -> Experiment {
        let id = self.new_id("EXP");
        let now = seconds(&*self.clock);
        let waiting = |action| ActionRun {
            action,
            state: State::new(Status::Pending, "Action has not begun."),
            start_time: None,
            end_time: None,
        };
        Experiment {
            arn: format!("arn:aws:fis:{region}:{ACCOUNT}:experiment/{id}"),
            id,
            experiment_template_id: template.id,
            role_arn: template.role_arn,
            state: State::new(Status::Initiating, "Experiment is initiating."),
            targets: template.targets,
            actions: template
                .actions
                .into_iter()
                .map(|(name, action)| (name, waiting(action)))
                .collect(),
            stop_conditions: template.stop_conditions,
            creation_time: now,
            start_time: now,
            end_time: None,
            tags: request.tags.clone(),
            experiment_options: ExperimentOptions {
                of_template: template.experiment_options,
                actions_mode: request.experiment_options.actions_mode.clone(),
            },
            target_account_configurations_count: 0,
        }
    }

    pub(crate) fn experiment(&self, region: &str, id: &str) -> Result<Experiment, FisError> {
        self.within(region, |known| known.experiment(id)).map(|run| run.show())
    }

    pub(crate) fn stop(&self, region: &str, id: &str) -> Result<Experiment, FisError> {
        let run = self.within(region, |known| known.experiment(id))?;
        if run.stop() {
            return Ok(run.show());
        }
        Err(FisError::validation(format!(
            "experiment {id} has ended and cannot be stopped"
        )))
    }

    pub(crate) fn experiments(&self, region: &str) -> Vec<Experiment> {
        let runs: Vec<Arc<RunningExperiment>> = self.within(region, |known| {
            known.experiments.iter().map(|(_, run)| Arc::clone(run)).collect()
        });
        runs.iter().map(|run| run.show()).collect()
    }

    pub(crate) fn actions(region: &str) -> [ActionDescription; 2] {
        action::all(region, ACCOUNT)
    }

    pub(crate) fn action(region: &str, id: &str) -> Result<ActionDescription, FisError> {
        let found = Self::actions(region).into_iter().find(|action| action.id == id);
        found.ok_or_else(|| {
            FisError::NotFound(format!(
                "action `{id}` does not exist or is not supported, see ListActions"
            ))
        })
    }
}

fn token_in_use() -> FisError {
    FisError::Conflict("the clientToken was already used for a request with other parameters".to_owned())
}

impl Region {
    fn template(&self, id: &str) -> Result<&Template, FisError> {
        let found = self.templates.iter().find(|(_, template)| template.id == id);
        let found = found.map(|(_, template)| template);
        found.ok_or_else(|| FisError::NotFound(format!("experiment template {id} does not exist")))
    }

    fn experiment(&self, id: &str) -> Result<Arc<RunningExperiment>, FisError> {
        let found = self.experiments.iter().find(|(_, run)| run.show().id == id);
        let found = found.map(|(_, run)| Arc::clone(run));
        found.ok_or_else(|| FisError::NotFound(format!("experiment {id} does not exist")))
    }

    fn make_room(&mut self) -> Result<(), FisError> {
        let has_ended = |run: &RunningExperiment| run.status().is_final();
        let active = self.experiments.iter().filter(|(_, run)| !has_ended(run)).count();
        if active >= ACTIVE_MAX {
            return Err(FisError::Quota(format!(
                "{ACTIVE_MAX} experiments are already running; stop one or wait for its end"
            )));
        }
        if self.experiments.len() >= EXPERIMENTS_MAX {
            let oldest = self.experiments.iter().position(|(_, run)| has_ended(run));
            drop(oldest.map(|oldest| self.experiments.remove(oldest)));
        }
        Ok(())
    }
}
