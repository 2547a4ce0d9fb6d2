//! A client: takes due operations from the queue, sends them, and records the answers.

mod done;
mod reads;
mod transactions;

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::{Randomness, SeededRandomness};
use beringia_history::{
    Basis, EXPIRES, Effect, FailureCause, Operation, OperationOutcome, READ_MODIFY_WRITE, Request, Write,
};
use beringia_scenario::{Recorded, Workload, WorkloadKind};
use parking_lot::Mutex;
use serde_json::{Value, json};

use self::done::Done;
use crate::{
    CallError, Target,
    choice::Chosen,
    job::Job,
    queue::Work,
    replay::{Keys, Prepared},
    request::{Condition, Update, bytes, seen},
    shared::Shared,
    table::{Spot, USER, field, field_bytes, item, whole_item},
};

/// The state that the clients of a workload in one region share.
pub(crate) struct Post {
    pub(crate) shared: Arc<Shared>,
    pub(crate) workload: Workload,
    /// The region where the clients live. `place` is its index among all regions with clients, and
    /// the number of these regions.
    pub(crate) home: String,
    pub(crate) place: (u64, u64),
    /// The keys that the clients of all regions have inserted.
    pub(crate) inserted: Arc<Inserted>,
    /// The keys of the tables of recorded operations.
    pub(crate) keys: Keys,
}

/// The numbers of the inserted and acknowledged keys, in that order.
#[derive(Debug, Default)]
pub(crate) struct Inserted(Mutex<Vec<u64>>);

impl Inserted {
    fn note(&self, number: u64) {
        self.0.lock().push(number);
    }
}

pub(crate) struct Client {
    pub(crate) number: u32,
    pub(crate) post: Arc<Post>,
    dice: SeededRandomness,
    /// Decides which reads are consistent.
    consistency: SeededRandomness,
    /// Connections by the region called.
    targets: BTreeMap<String, Box<dyn Target>>,
    written: u64,
    done: Vec<Operation>,
}

impl Client {
    pub(crate) fn new(number: u32, post: Arc<Post>, dice: SeededRandomness) -> Self {
        Self {
            number,
            post,
            consistency: dice.derive("consistent reads"),
            dice,
            targets: BTreeMap::new(),
            written: 0,
            done: Vec::new(),
        }
    }

    /// Works until the queue is closed and empty, and returns the recorded operations.
    pub(crate) async fn work(mut self, queue: Arc<crate::queue::Queue>) -> Vec<Operation> {
        while let Some(due) = queue.next().await {
            let shared = Arc::clone(&self.post.shared);
            let region = shared.region_for(&self.post.home);
            let sent_us = shared.now_us();
            let is_late = sent_us.saturating_sub(due.at_us) > shared.patience_us || queue.is_closed();
            let parts = match &due.work {
                _ if is_late => vec![(self.table().to_owned(), Done::not_sent())],
                Work::Recorded(recorded) => self.play(&region, recorded).await,
                Work::Job(job) => vec![(self.table().to_owned(), self.perform(&region, job).await)],
            };
            let done_us = shared.now_us();
            let operations = (0..).zip(parts).map(|(part, (workload, done))| Operation {
                workload,
                client: self.number,
                part,
                home: self.post.home.clone(),
                region: region.clone(),
                name: done.name,
                due_us: due.at_us,
                sent_us,
                done_us,
                outcome: done.outcome,
                cancellations: done.cancellations,
                failure: done.failure,
                reads: done.reads,
                writes: done.writes,
                checked: done.checked,
            });
            let operations: Vec<Operation> = operations.collect();
            shared.count(&self.post.home, Request(&operations));
            self.done.extend(operations);
        }
        self.done
    }

    /// Sends a recorded operation. The results are by table.
    async fn play(&mut self, region: &str, recorded: &Recorded) -> Vec<(String, Done)> {
        let post = Arc::clone(&self.post);
        let prepared = Prepared::new(&recorded.operation, &recorded.parameters, &post.keys, || self.marker());
        let parameters = prepared.parameters.clone();
        let answer = self.call(region, &recorded.operation, parameters).await;
        let parts = prepared.understand(answer).into_iter();
        parts.map(|part| Done::of_part(&recorded.operation, part)).collect()
    }

    async fn perform(&mut self, region: &str, job: &Job) -> Done {
        match job {
            Job::Read(key) => self.read(region, *key).await,
            Job::Scan { from, limit } => self.scan(region, *from, *limit).await,
            Job::OfUser(key) => self.of_user(region, *key).await,
            Job::Audit { from, to } => self.audit(region, *from..*to).await,
            Job::ReadPair(key) => {
                let pair = transactions::pair_of(self.number_of(*key));
                self.audit(region, pair[0].min(pair[1])..pair[0].max(pair[1]) + 1).await
            }
            Job::UpdatePair { key, field } => {
                let [own, other] = transactions::pair_of(self.number_of(*key));
                let update = |number| (number, update_of(*field), Condition::Always);
                self.transact(region, [update(own), update(other)]).await
            }
            Job::RewriteInPair { key, field } => self.rewrite_in_pair(region, *key, update_of(*field)).await,
            Job::Put(key) => self.put(region, self.number_of(*key), whole_item(), None).await,
            Job::Empty(key) => {
                let nothing = Effect::Put {
                    fields: Vec::new(),
                    number: None,
                };
                self.put(region, self.number_of(*key), nothing, None).await
            }
            Job::Insert(count) => self.insert(region, *count).await,
            Job::Open(key) => self.open(region, *key).await,
            Job::Delete(key) => self.delete(region, *key).await,
            Job::Rewrite { key, field } => self.rewrite(region, *key, update_of(*field)).await,
            Job::Increment(key) => self.rewrite(region, *key, Effect::Add(1)).await,
            Job::Transfer { from, to, amount } => self.transfer(region, *from, *to, *amount).await,
            Job::Update { key, field } => self.update(region, *key, update_of(*field), Condition::Always).await,
            Job::Add { key, by } => self.update(region, *key, Effect::Add(*by), Condition::Always).await,
            Job::Append(key) => self.update(region, *key, Effect::Append, Condition::Always).await,
            Job::SetAdd { key, element } => {
                let effect = Effect::Set {
                    add: vec![product(*element)],
                    delete: Vec::new(),
                };
                self.update(region, *key, effect, Condition::Always).await
            }
            Job::SetDelete { key, element } => {
                let effect = Effect::Set {
                    add: Vec::new(),
                    delete: vec![product(*element)],
                };
                self.update(region, *key, effect, Condition::Always).await
            }
            Job::Prolong(key) => {
                let nothing = Effect::Update { fields: Vec::new() };
                self.update(region, *key, nothing, Condition::Exists).await
            }
            Job::Sell { key, count } => {
                self.update(region, *key, Effect::Add(-count), Condition::AtLeast(*count))
                    .await
            }
        }
    }

    async fn insert(&mut self, region: &str, count: u64) -> Done {
        // Each region inserts numbers of its own: it starts at the first free one plus its place,
        // and steps by the number of regions.
        let (place, places) = self.post.place;
        let number = self.post.workload.keys + count * places + place;
        let done = self.put(region, number, whole_item(), None).await;
        if done.outcome == OperationOutcome::Ok {
            self.post.inserted.note(number);
        }
        done
    }

    async fn open(&mut self, region: &str, key: Chosen) -> Done {
        let number = self.number_of(key);
        let user = (USER.to_owned(), json!({ "S": user(number) }));
        self.put(region, number, whole_item(), Some(user)).await
    }

    /// When an item that is written now expires, in seconds since the Unix epoch, if it does.
    fn expires_s(&self) -> Option<u64> {
        let WorkloadKind::Sessions { ttl } = self.post.workload.kind else {
            return None;
        };
        Some(self.post.shared.clock.now_ms() / 1_000 + ttl.as_secs())
    }

    async fn put(&mut self, region: &str, number: u64, effect: Effect, more: Option<(String, Value)>) -> Done {
        let spot = Spot::of(&self.post.workload.kind, number);
        let marker = self.marker();
        let fields = field_bytes(&self.post.workload);
        let mut item = item(&spot, &marker, &effect, || filler(&self.dice, fields));
        let expires_s = self.expires_s();
        let expiry = expires_s.map(|expires_s| (EXPIRES.to_owned(), json!({ "N": expires_s.to_string() })));
        item.extend(more.into_iter().chain(expiry));
        let mut parameters = json!({ "TableName": self.table() });
        parameters["Item"] = Value::Object(item);
        let write = Write {
            key: spot.text,
            marker,
            effect,
            based_on: Basis::Anything,
            expires_s,
            bytes: bytes(&parameters, 1),
        };
        let answer = self.call(region, "PutItem", parameters).await;
        Done::wrote("PutItem", answer.map(|_| ()), vec![write])
    }

    async fn delete(&mut self, region: &str, key: Chosen) -> Done {
        let spot = self.spot(key);
        let parameters = json!({ "TableName": self.table(), "Key": spot.attributes, "ReturnValues": "ALL_OLD" });
        let write = Write {
            key: spot.text.clone(),
            marker: self.marker(),
            effect: Effect::Delete,
            based_on: Basis::Anything,
            expires_s: None,
            bytes: bytes(&parameters, 1),
        };
        match self.call(region, "DeleteItem", parameters).await {
            // The delete saw what it deleted. If there was nothing, it wrote nothing.
            Ok(mut answer) => {
                let old = seen(spot.text, answer["Attributes"].take(), true);
                let is_there = old.marker.is_some();
                let mut done = Done::read("DeleteItem", vec![old]);
                done.writes.extend(is_there.then_some(write));
                done
            }
            Err(error) => Done::wrote("DeleteItem", Err(error), vec![write]),
        }
    }

    async fn update(&mut self, region: &str, key: Chosen, effect: Effect, condition: Condition) -> Done {
        let spot = self.spot(key);
        let update = self.prepare(spot, effect, condition);
        self.send(region, "UpdateItem", &update).await
    }

    async fn rewrite(&mut self, region: &str, key: Chosen, effect: Effect) -> Done {
        let spot = self.spot(key);
        let seen = match self.get(region, &spot).await {
            Ok(seen) => seen,
            Err(error) => return Done::failed(READ_MODIFY_WRITE, &error),
        };
        let update = self.prepare(spot, effect, Condition::Unchanged(seen.marker.clone()));
        let mut done = self.send(region, READ_MODIFY_WRITE, &update).await;
        done.reads.push(seen);
        done
    }

    fn prepare(&mut self, spot: Spot, effect: Effect, condition: Condition) -> Update {
        let fields = field_bytes(&self.post.workload);
        Update {
            spot,
            marker: self.marker(),
            effect,
            condition,
            filler: filler(&self.dice, fields),
            expires_s: self.expires_s(),
        }
    }

    async fn send(&mut self, region: &str, name: &'static str, update: &Update) -> Done {
        let parameters = update.parameters(self.table());
        let write = update.write(bytes(&parameters, 1));
        let answer = self.call(region, "UpdateItem", parameters).await;
        Done::wrote(name, answer.map(|_| ()), vec![write])
    }

    async fn call(&mut self, region: &str, operation: &str, parameters: Value) -> Result<Value, CallError> {
        if !self.targets.contains_key(region) {
            self.targets
                .insert(region.to_owned(), self.post.shared.targets.target(region));
        }
        match self.targets.get_mut(region) {
            Some(target) => target.call(operation, parameters).await,
            None => Err(CallError::Unreachable(
                FailureCause::Unresolved,
                format!("no way to {region}"),
            )),
        }
    }

    fn table(&self) -> &str {
        &self.post.workload.name
    }

    fn spot(&self, key: Chosen) -> Spot {
        Spot::of(&self.post.workload.kind, self.number_of(key))
    }

    fn number_of(&self, key: Chosen) -> u64 {
        match key {
            Chosen::Key(number) => number,
            Chosen::Latest(before) => {
                let inserted = self.post.inserted.0.lock();
                let count = inserted.len() as u64;
                match usize::try_from(before) {
                    Ok(before) if before < inserted.len() => inserted[inserted.len() - 1 - before],
                    _ => self.post.workload.keys.saturating_sub(1 + before - count),
                }
            }
        }
    }

    fn marker(&mut self) -> String {
        self.written += 1;
        format!("{}/{}/{}", self.post.home, self.number, self.written)
    }
}

fn update_of(number: u64) -> Effect {
    Effect::Update {
        fields: vec![field(number)],
    }
}

fn product(number: u64) -> String {
    format!("product-{number}")
}

/// The user of a session; each user has ten.
fn user(number: u64) -> String {
    format!("user-{}", number / 10)
}

/// Filler text of this length that does not compress well.
pub(crate) fn filler(dice: &SeededRandomness, length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const PER_WORD: u32 = 10;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut word = dice.next_u64();
        for _ in 0..PER_WORD.min(u32::try_from(length - text.len()).unwrap_or(PER_WORD)) {
            text.push(char::from(ALPHABET[(word & 63) as usize]));
            word >>= 6;
        }
    }
    text
}
