//! A load: the clients of all workloads in all regions, from the first due operation to the common
//! history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use beringia_clock::{SeededRandomness, WallClock};
use beringia_history::{History, Merging, Operation, Rules};
use beringia_scenario::{Action, Plan, Policy, Recorded, Recording, Workload, WorkloadKind};
use serde_json::json;
use tokio::task::{JoinHandle, JoinSet};

use crate::{
    LoadProgress, Loaded, Targets, WorkloadError, WorkloadTable,
    client::{Client, Inserted, Post},
    job::Jobs,
    queue::Queue,
    recording::{describe, keys, of_region},
    schedule::{Drawn, Rate, Schedule, Source},
    shared::Shared,
};

/// The tag of a table that names its conflict policy.
const POLICY_TAG: &str = "beringia:conflict-policy";

/// The description of a load.
#[derive(Clone)]
pub struct Setting {
    /// The workloads; each has a table of its own.
    pub workloads: Vec<Workload>,
    /// The conflict policy of the workloads' tables.
    pub policy: Policy,
    /// Whether the regions enforce the throughput of tables.
    pub throttling: bool,
    /// The regions with clients of workloads that name none.
    pub regions: Vec<String>,
    /// How long the load lasts, unless a workload ends earlier.
    pub duration: Duration,
    /// How long an operation waits for a free client before it counts as failed.
    pub patience: Duration,
    /// The seed from which, with the workloads, everything random follows.
    pub seed: u64,
    /// Creates the clients' connections to the regions.
    pub targets: Arc<dyn Targets>,
    /// The clients' wall clock, for times that they write.
    pub clock: Arc<dyn WallClock>,
}

/// A running load. Dropping it stops the clients.
pub struct Load {
    shared: Arc<Shared>,
    history: History,
    posts: Vec<Posted>,
    clients: JoinSet<Vec<Operation>>,
}

/// One workload in one region.
struct Posted {
    workload: String,
    home: String,
    rate: Arc<Rate>,
    queue: Arc<Queue>,
    schedule: JoinHandle<()>,
}

impl Drop for Posted {
    fn drop(&mut self) {
        self.schedule.abort();
    }
}

impl Setting {
    /// The load of a plan.
    #[must_use]
    pub fn of(plan: &Plan, targets: Arc<dyn Targets>, clock: Arc<dyn WallClock>) -> Self {
        let scenario = &plan.scenario;
        Self {
            workloads: scenario.workloads.clone(),
            policy: scenario.policy,
            throttling: scenario.behaviour.throttling,
            regions: scenario.replicas.clone(),
            duration: scenario.duration,
            patience: crate::PATIENCE,
            seed: plan.seed,
            targets,
            clock,
        }
    }

    /// The tables that the load needs, tagged with the policy; the caller creates them. If regions
    /// do not throttle, the tables have no limits.
    ///
    /// # Errors
    /// [`WorkloadError::Recording`] for a recording that cannot be read.
    pub fn tables(&self) -> Result<Vec<WorkloadTable>, WorkloadError> {
        let mut tables = Vec::new();
        for workload in &self.workloads {
            match recording_of(workload)? {
                None => tables.push(WorkloadTable::of(workload)),
                Some(recording) => tables.extend(recording.tables.iter().filter_map(describe)),
            }
        }
        if !self.throttling {
            tables.iter_mut().for_each(|table| table.limits = None);
        }
        if self.policy != Policy::Item {
            let tag = json!([{ "Key": POLICY_TAG, "Value": self.policy.name() }]);
            for table in &mut tables {
                table.create["Tags"] = tag.clone();
            }
        }
        Ok(tables)
    }

    pub(crate) fn dice(&self) -> SeededRandomness {
        SeededRandomness::new(self.seed).derive("load")
    }
}

impl Load {
    /// Starts the clients of every workload. Time is counted from this call.
    ///
    /// # Errors
    /// [`WorkloadError::Recording`] for a recording that cannot be read.
    pub fn start(setting: &Setting, loaded: Loaded) -> Result<Self, WorkloadError> {
        let patience_us = u64::try_from(setting.patience.as_micros()).unwrap_or(u64::MAX);
        let shared = Shared::new(Arc::clone(&setting.targets), Arc::clone(&setting.clock), patience_us);
        let mut load = Self {
            shared: Arc::new(shared),
            history: History {
                tables: BTreeMap::new(),
                loaded: loaded.0,
                operations: Vec::new(),
            },
            posts: Vec::new(),
            clients: JoinSet::new(),
        };
        let dice = setting.dice();
        for workload in &setting.workloads {
            let recording = recording_of(workload)?;
            let keys = recording.as_ref().map(keys).unwrap_or_default();
            let tables = keys.0.keys().chain(recording.is_none().then_some(&workload.name));
            let rules = rules(setting.policy, &workload.kind);
            load.history.tables.extend(tables.map(|table| (table.clone(), rules)));
            let homes = homes(setting, workload, recording.as_ref());
            let inserted = Arc::new(Inserted::default());
            for (place, home) in (0..).zip(&homes) {
                let post = Post {
                    shared: Arc::clone(&load.shared),
                    workload: workload.clone(),
                    home: home.clone(),
                    place: (place, homes.len() as u64),
                    inserted: Arc::clone(&inserted),
                    keys: keys.clone(),
                };
                let recorded = recording.as_ref().map(|recording| of_region(recording, home));
                load.post(
                    post,
                    &dice.derive(&format!("{} {home}", workload.name)),
                    recorded,
                    setting.duration,
                );
            }
        }
        Ok(load)
    }

    fn post(&mut self, post: Post, dice: &SeededRandomness, recorded: Option<Vec<Arc<Recorded>>>, duration: Duration) {
        let (rate, queue) = (Arc::new(Rate::new(post.workload.rate)), Arc::new(Queue::default()));
        let schedule = Schedule {
            shared: Arc::clone(&self.shared),
            home: post.home.clone(),
            source: recorded.map_or_else(
                || {
                    Source::Drawn(Box::new(Drawn {
                        jobs: Jobs::new(&post.workload, dice.derive("jobs")),
                        dice: dice.derive("times"),
                    }))
                },
                Source::Recorded,
            ),
            rate: Arc::clone(&rate),
            queue: Arc::clone(&queue),
            from: post.workload.from,
            until: post.workload.until.map_or(duration, |until| until.min(duration)),
        };
        self.posts.push(Posted {
            workload: post.workload.name.clone(),
            home: post.home.clone(),
            rate,
            queue: Arc::clone(&queue),
            schedule: tokio::spawn(schedule.run()),
        });
        let clients = post.workload.clients.max(1);
        let post = Arc::new(post);
        for index in 0..clients {
            let number = u32::try_from(self.clients.len() + 1).unwrap_or(u32::MAX);
            let client = Client::new(number, Arc::clone(&post), dice.derive(&format!("client {index}")));
            self.clients.spawn(client.work(Arc::clone(&queue)));
        }
    }

    /// Changes the rate of a workload (or all) in a region (or all), in operations per second in
    /// each region.
    pub fn set_rate(&self, workload: Option<&str>, region: Option<&str>, per_second: f64) {
        let is_meant = |name: Option<&str>, of: &str| name.is_none_or(|name| name == of);
        for post in &self.posts {
            if is_meant(workload, &post.workload) && is_meant(region, &post.home) {
                post.rate.set(per_second);
            }
        }
    }

    /// Sends the clients that live in `from` to `to` from now on. If both are the same, the clients
    /// return home.
    pub fn shift(&self, from: &str, to: &str) {
        self.shared.send_clients(from, to);
    }

    /// Applies an action to the load. Actions that do not concern the load change nothing.
    pub fn steer(&self, action: &Action) {
        match action {
            Action::Shift { from, to } => self.shift(from, to),
            Action::Rate {
                workload,
                region,
                per_second,
            } => self.set_rate(workload.as_deref(), region.as_deref(), *per_second),
            _ => {}
        }
    }

    /// The operations so far, by the region where the clients live.
    #[must_use]
    pub fn progress(&self) -> BTreeMap<String, LoadProgress> {
        self.shared.progress()
    }

    /// Microseconds since the load began, as histories count them.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.shared.now_us()
    }

    /// Ends the load: no more operations become due, those that wait for a client are not sent, and
    /// those under way are completed.
    pub async fn stop(mut self) -> History {
        for post in &self.posts {
            post.rate.stop();
            post.queue.close();
        }
        let mut operations = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            // A client that panicked has failed the run already, at the place of the panic.
            operations.extend(client.unwrap_or_default());
        }
        operations.sort_by_key(|operation| (operation.sent_us, operation.client));
        History {
            operations,
            ..std::mem::take(&mut self.history)
        }
    }
}

/// Returns the recording that a workload replays, if it replays one.
pub(crate) fn recording_of(workload: &Workload) -> Result<Option<Recording>, WorkloadError> {
    let WorkloadKind::Replay { operations } = &workload.kind else {
        return Ok(None);
    };
    let recording = Recording::parse(operations).map_err(|source| WorkloadError::Recording {
        workload: workload.name.clone(),
        source,
    });
    recording.map(Some)
}

/// Returns where a workload's clients live: in the regions that it names, else in those of its
/// recording, else in all regions with clients.
fn homes(setting: &Setting, workload: &Workload, recording: Option<&Recording>) -> Vec<String> {
    if !workload.regions.is_empty() {
        return workload.regions.clone();
    }
    let Some(recording) = recording else {
        return setting.regions.clone();
    };
    let regions: BTreeSet<&String> = recording.operations.iter().map(|recorded| &recorded.region).collect();
    regions.into_iter().cloned().collect()
}

fn rules(policy: Policy, kind: &WorkloadKind) -> Rules {
    Rules {
        merging: match policy {
            Policy::Item => Merging::Item,
            Policy::Attribute => Merging::Attribute,
            Policy::Merge => Merging::Merge,
        },
        constant_sum: matches!(kind, WorkloadKind::Bank),
        never_below_zero: matches!(kind, WorkloadKind::Inventory),
    }
}
