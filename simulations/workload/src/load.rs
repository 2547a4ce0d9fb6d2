//! A load: the clients of all workloads in all regions, from the first operation that is due to the history of all.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_clock::{SeededRandomness, WallClock};
use beringia_history::{History, Merging, Operation, Outcome, Rules, Write};
use beringia_scenario::{Kind, Plan, Policy, Workload};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use crate::{
    CallError, Progress, Table, Targets, WorkloadError,
    client::{Client, Inserted, Post, initial_item},
    job::Jobs,
    queue::Queue,
    request::bytes,
    schedule::{Rate, Schedule},
    shared::Shared,
    table::initial,
};

/// Items in one request of the loading; DynamoDB takes no more.
const BATCH: u64 = 25;
/// Requests of the loading that are under way at a time.
const LOADERS: u64 = 8;
/// How often a request of the loading is sent again.
const TRIES: u32 = 20;
/// The pause before that.
const PAUSE: Duration = Duration::from_millis(200);

/// What a load is made of.
#[derive(Clone)]
pub struct Setting {
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// How their tables decide.
    pub policy: Policy,
    /// Where clients live, of workloads that do not say so.
    pub regions: Vec<String>,
    /// How long the load lasts, where a workload does not end earlier.
    pub duration: Duration,
    /// How long an operation waits for a free client before it counts as failed.
    pub patience: Duration,
    /// Everything random follows from it, and from the workloads.
    pub seed: u64,
    /// Ways to the regions.
    pub targets: Arc<dyn Targets>,
    /// The clients' wall clock, for times that they write.
    pub clock: Arc<dyn WallClock>,
}

/// What was written before the load began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded(Vec<Operation>);

/// Clients at work. Dropping it ends them.
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
            regions: scenario.replicas.clone(),
            duration: scenario.duration,
            patience: crate::PATIENCE,
            seed: plan.seed,
            targets,
            clock,
        }
    }

    /// The tables that it needs, which the caller creates.
    ///
    /// # Errors
    /// [`WorkloadError::Unusable`] for a workload that cannot be played.
    pub fn tables(&self) -> Result<Vec<Table>, WorkloadError> {
        self.check()?;
        Ok(self.workloads.iter().map(Table::of).collect())
    }

    fn check(&self) -> Result<(), WorkloadError> {
        let recorded = self
            .workloads
            .iter()
            .find(|workload| matches!(workload.kind, Kind::Replay { .. }));
        recorded.map_or(Ok(()), |workload| {
            Err(WorkloadError::Unusable {
                workload: workload.name.clone(),
                problem: "recorded operations cannot be played yet".to_owned(),
            })
        })
    }

    /// Writes what is in the tables when the load begins, through one region. That the others have it is for the caller to wait for.
    ///
    /// # Errors
    /// [`WorkloadError::NotLoaded`] where the region does not take it.
    pub async fn load(&self, region: &str) -> Result<Loaded, WorkloadError> {
        let mut loaded = Vec::new();
        for workload in &self.workloads {
            let batches = workload.keys.div_ceil(BATCH);
            for wave in 0..batches.div_ceil(LOADERS) {
                let mut tasks = JoinSet::new();
                for batch in (wave * LOADERS)..((wave + 1) * LOADERS).min(batches) {
                    let (setting, workload, region) = (self.clone(), workload.clone(), region.to_owned());
                    tasks.spawn(async move { setting.load_batch(&workload, &region, batch).await });
                }
                for operations in tasks.join_all().await {
                    loaded.extend(operations?);
                }
            }
        }
        loaded.sort_by(|one, other| one.writes[0].mark.cmp(&other.writes[0].mark));
        Ok(Loaded(loaded))
    }

    async fn load_batch(&self, workload: &Workload, region: &str, batch: u64) -> Result<Vec<Operation>, WorkloadError> {
        let Some(effect) = initial(&workload.kind) else {
            return Ok(Vec::new());
        };
        let dice = self.dice().derive(&format!("loading {} {batch}", workload.name));
        let numbers = batch * BATCH..((batch + 1) * BATCH).min(workload.keys);
        let (mut operations, mut requests) = (Vec::new(), Vec::new());
        for number in numbers {
            let mark = format!("loaded/{}/{number}", workload.name);
            let (spot, item) = initial_item(workload, number, &effect, &mark, &dice);
            let request = json!({ "PutRequest": { "Item": item } });
            let write = Write {
                key: spot.text,
                mark,
                effect: effect.clone(),
                based_on: None,
                bytes: bytes(&request, 1),
            };
            requests.push(request);
            operations.push(Operation {
                workload: workload.name.clone(),
                client: 0,
                home: region.to_owned(),
                region: region.to_owned(),
                name: "BatchWriteItem".to_owned(),
                due_us: 0,
                sent_us: 0,
                done_us: 0,
                outcome: Outcome::Ok,
                reads: Vec::new(),
                writes: vec![write],
            });
        }
        let requests = json!({ (workload.name.clone()): requests });
        self.write_batch(&workload.name, region, requests).await?;
        Ok(operations)
    }

    /// Sends a batch until all of it is taken. A put of the same again changes nothing but the version, so what may have happened is
    /// sent again too; then the history's one write stands for both.
    async fn write_batch(&self, table: &str, region: &str, requests: Value) -> Result<(), WorkloadError> {
        let mut target = self.targets.target(region);
        let mut left = json!({ "RequestItems": requests });
        let mut error = CallError::Unreachable("not tried".to_owned());
        for _ in 0..TRIES {
            match target.call("BatchWriteItem", &left).await {
                Ok(answer) => match answer.get("UnprocessedItems").and_then(Value::as_object) {
                    Some(unprocessed) if !unprocessed.is_empty() => left["RequestItems"] = json!(unprocessed),
                    _ => return Ok(()),
                },
                Err(refused @ CallError::Refused { .. }) => {
                    error = refused;
                    break;
                }
                Err(other) => error = other,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(WorkloadError::NotLoaded {
            table: table.to_owned(),
            region: region.to_owned(),
            source: Box::new(error),
        })
    }

    fn dice(&self) -> SeededRandomness {
        SeededRandomness::new(self.seed).derive("load")
    }
}

impl Load {
    /// Puts every workload's clients to work. Time is counted from now.
    ///
    /// # Errors
    /// [`WorkloadError::Unusable`] for a workload that cannot be played.
    pub fn start(setting: &Setting, loaded: Loaded) -> Result<Self, WorkloadError> {
        setting.check()?;
        let patience_us = u64::try_from(setting.patience.as_micros()).unwrap_or(u64::MAX);
        let shared = Shared::new(Arc::clone(&setting.targets), Arc::clone(&setting.clock), patience_us);
        let rules = |workload: &Workload| (workload.name.clone(), rules(setting.policy, &workload.kind));
        let mut load = Self {
            shared: Arc::new(shared),
            history: History {
                tables: setting.workloads.iter().map(rules).collect(),
                loaded: loaded.0,
                operations: Vec::new(),
            },
            posts: Vec::new(),
            clients: JoinSet::new(),
        };
        let dice = setting.dice();
        for workload in &setting.workloads {
            let homes = if workload.regions.is_empty() {
                &setting.regions
            } else {
                &workload.regions
            };
            let inserted = Arc::new(Inserted::default());
            for (place, home) in homes.iter().enumerate() {
                let dice = dice.derive(&format!("{} {home}", workload.name));
                let post = Post {
                    shared: Arc::clone(&load.shared),
                    workload: workload.clone(),
                    home: home.clone(),
                    place: (place as u64, homes.len() as u64),
                    inserted: Arc::clone(&inserted),
                };
                load.post(post, &dice, setting.duration);
            }
        }
        Ok(load)
    }

    fn post(&mut self, post: Post, dice: &SeededRandomness, duration: Duration) {
        let (rate, queue) = (Arc::new(Rate::new(post.workload.rate)), Arc::new(Queue::default()));
        let schedule = Schedule {
            shared: Arc::clone(&self.shared),
            home: post.home.clone(),
            jobs: Jobs::new(&post.workload, dice.derive("jobs")),
            dice: dice.derive("times"),
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

    /// Lets a workload (or all) in a region (or all) run at another rate from now on, operations per second in each region.
    pub fn set_rate(&self, workload: Option<&str>, region: Option<&str>, per_second: f64) {
        let is_meant = |name: Option<&str>, of: &str| name.is_none_or(|name| name == of);
        for post in &self.posts {
            if is_meant(workload, &post.workload) && is_meant(region, &post.home) {
                post.rate.set(per_second);
            }
        }
    }

    /// Lets the clients that live in `from` call `to` from now on. Back home: `to` is `from`.
    pub fn shift(&self, from: &str, to: &str) {
        self.shared.send_clients(from, to);
    }

    /// How many operations there were so far, by the region where the clients live.
    #[must_use]
    pub fn progress(&self) -> BTreeMap<String, Progress> {
        self.shared.progress()
    }

    /// Microseconds since the load began, as histories count them.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.shared.now_us()
    }

    /// Ends the load: nothing more is due, what waits for a client is not sent, and what is under way comes to its end.
    pub async fn stop(mut self) -> History {
        for post in &self.posts {
            post.rate.stop();
            post.queue.close();
        }
        let mut operations = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            // A client that panicked has failed the run already, in the place where it did.
            operations.extend(client.unwrap_or_default());
        }
        operations.sort_by_key(|operation| (operation.sent_us, operation.client));
        History {
            operations,
            ..std::mem::take(&mut self.history)
        }
    }
}

fn rules(policy: Policy, kind: &Kind) -> Rules {
    Rules {
        merging: match policy {
            Policy::Item => Merging::Item,
            Policy::Attribute => Merging::Attribute,
            Policy::Merge => Merging::Merge,
        },
        constant_sum: matches!(kind, Kind::Bank),
        never_below_zero: matches!(kind, Kind::Inventory),
    }
}
