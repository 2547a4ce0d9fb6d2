//! Clients that write: as many as you like in each region, each with keys of its own there that it shares with the others' regions.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beringia_clock::{Randomness, SeededRandomness};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    SimulationError, Trace, World,
    client::{CallError, Client},
    oracle::{Fate, Intent, Oracle},
};

/// The attribute that is the key.
pub(crate) const KEY: &str = "pk";
/// The attribute with the write's mark.
pub(crate) const MARK: &str = "mark";

/// How much is written, and what.
#[derive(Debug, Clone)]
pub struct WorkloadConfig {
    /// The table, whose partition key is the string `pk`.
    pub table: String,
    /// Clients in each region.
    pub writers: usize,
    /// Keys in all, at least one for each writer of a region. All regions write to all of them.
    pub keys: usize,
    /// The pause between two writes of a client is between nothing and twice this.
    pub pause: Duration,
    /// Of a hundred writes, so many are deletes.
    pub delete_percent: u64,
    /// Of a hundred writes, so many update an attribute; the rest puts whole items.
    pub update_percent: u64,
    /// Bytes that each put carries beside its mark.
    pub filler_bytes: usize,
}

/// Clients at work.
pub struct Workload {
    stop: Arc<AtomicBool>,
    oracle: Arc<Mutex<Oracle>>,
    writers: Vec<JoinHandle<()>>,
}

/// One client.
struct Writer {
    config: WorkloadConfig,
    region: String,
    /// Among the writers of its region.
    number: usize,
    client: Client,
    randomness: SeededRandomness,
    oracle: Arc<Mutex<Oracle>>,
    trace: Arc<Trace>,
    writes: u64,
}

impl Workload {
    /// Starts the clients of every region.
    ///
    /// # Errors
    /// Those of [`World::client`].
    pub fn start(world: &World, config: &WorkloadConfig) -> Result<Self, SimulationError> {
        let (stop, oracle) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(Oracle::default())),
        );
        let mut writers = Vec::new();
        for region in world.names() {
            for number in 0..config.writers {
                let mut writer = Writer {
                    config: config.clone(),
                    number,
                    client: world.client(&region)?,
                    randomness: world.randomness.derive(&format!("writer {region} {number}")),
                    oracle: Arc::clone(&oracle),
                    trace: Arc::clone(&world.trace),
                    region: region.clone(),
                    writes: 0,
                };
                let stop = Arc::clone(&stop);
                writers.push(tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        writer.pause().await;
                        writer.write().await;
                    }
                }));
            }
        }
        Ok(Self { stop, oracle, writers })
    }

    /// How many writes had that fate in a region so far.
    #[must_use]
    pub fn count(&self, region: &str, fate: Fate) -> usize {
        locked(&self.oracle).count(region, fate)
    }

    /// Lets every client finish its last write, and gives what they know.
    pub async fn stop(self) -> Arc<Mutex<Oracle>> {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            // A writer that panicked has failed the run already: its write's fate stays unknown.
            let _ = writer.await;
        }
        self.oracle
    }
}

pub(crate) fn locked(oracle: &Mutex<Oracle>) -> MutexGuard<'_, Oracle> {
    oracle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    async fn pause(&self) {
        sleep(self.config.pause.mul_f64(2.0 * self.randomness.unit_f64())).await;
    }

    async fn write(&mut self) {
        self.writes += 1;
        let mark = format!("{}/{}/{}", self.region, self.number, self.writes);
        let key = self.key();
        let dice = self.randomness.below(100);
        let (operation, parameters, intent) = if dice < self.config.delete_percent {
            ("DeleteItem", self.delete(&key), Intent::Delete)
        } else if dice < self.config.delete_percent + self.config.update_percent {
            ("UpdateItem", self.update(&key, &mark), Intent::Put(mark))
        } else {
            ("PutItem", self.put(&key, &mark), Intent::Put(mark))
        };
        self.trace
            .note(format_args!("{} {operation} {key}: {intent}", self.region));
        locked(&self.oracle).issue(&self.region, &key, intent);
        let answer = self.client.call(operation, &parameters).await;
        let fate = match &answer {
            // Nothing was there, so nothing was deleted, and no version was spent.
            Ok(answer) if operation == "DeleteItem" && answer.get("Attributes").is_none() => Fate::NoEffect,
            Ok(_) => Fate::Acknowledged,
            Err(CallError::Refused { .. } | CallError::Unreachable(_)) => Fate::NoEffect,
            Err(CallError::Unknown(_)) => Fate::Unknown,
        };
        locked(&self.oracle).learn(&self.region, &key, fate);
        match answer {
            Ok(_) => self
                .trace
                .note(format_args!("{} {operation} {key}: {fate:?}", self.region)),
            Err(error) => self
                .trace
                .note(format_args!("{} {operation} {key}: {fate:?}, {error}", self.region)),
        }
    }

    /// One of this writer's keys: no other client of its region writes to it, so the order of writes there is known.
    fn key(&self) -> String {
        let mine = (self.config.keys / self.config.writers).max(1) as u64;
        let index = self.randomness.below(mine) * self.config.writers as u64 + self.number as u64;
        format!("key-{index}")
    }

    fn put(&self, key: &str, mark: &str) -> Value {
        let filler = "x".repeat(self.config.filler_bytes);
        json!({
            "TableName": self.config.table,
            "Item": { KEY: { "S": key }, MARK: { "S": mark }, "filler": { "S": filler } },
        })
    }

    fn update(&self, key: &str, mark: &str) -> Value {
        json!({
            "TableName": self.config.table,
            "Key": { KEY: { "S": key } },
            "UpdateExpression": "SET #mark = :mark ADD #updates :one",
            "ExpressionAttributeNames": { "#mark": MARK, "#updates": "updates" },
            "ExpressionAttributeValues": { ":mark": { "S": mark }, ":one": { "N": "1" } },
        })
    }

    fn delete(&self, key: &str) -> Value {
        json!({ "TableName": self.config.table, "Key": { KEY: { "S": key } }, "ReturnValues": "ALL_OLD" })
    }
}
