//! Clients beside the load that create a table, write to it, delete it, and create it again under
//! its name, while the faults of the timeline happen.
//!
//! One client changes the table: it creates it in one region, adds replicas, and later deletes it,
//! in one of several ways. A client in each region puts items and scans, and asks before and after
//! each request which life of the table the region has. What they saw is judged by
//! [`beringia_oracle::judge_recreated`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_history::{KEY, LifeOperation, LifeRequest, RecreatedTable, ShownTable};
use beringia_oracle::agree;
use beringia_workload::{CallError, Targets as _, replica_added, replica_removed, statuses_in};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{Clients, Cluster, SimulationError, Trace};

/// The name of the table, which no workload should have.
const NAME: &str = "beringia-recreated";
/// The shortest and the longest time between a creation and the deletion, in milliseconds.
const LIFE_MS: (u64, u64) = (2_000, 10_000);
/// The longest time between a deletion and the next creation, in milliseconds.
const REST_MS_MAX: u64 = 1_500;
/// The shortest and the longest time between two requests of a writer, in milliseconds.
const REQUEST_MS: (u64, u64) = (50, 350);
/// The interval at which a request that was refused is repeated, and regions are asked.
const POLL: Duration = Duration::from_millis(100);
/// How long a region is asked for one change.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long regions may take to agree after the load, in virtual time.
const AGREED_WITHIN: Duration = Duration::from_secs(120);

/// The clients of a table that is created again and again.
pub(crate) struct Recreation {
    caller: TableCaller,
    regions: Vec<String>,
    clients: JoinSet<()>,
}

impl Recreation {
    /// Starts the clients. Times are counted from now.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let caller = TableCaller {
            targets: cluster.clients().clone(),
            trace: Arc::clone(&cluster.trace),
            began: Instant::now(),
            requests: Arc::default(),
        };
        let regions = cluster.names();
        let dice = cluster.randomness.derive("recreated table");
        let mut clients = JoinSet::new();
        clients.spawn(caller.clone().recreate(regions.clone(), dice.derive("lives")));
        for region in &regions {
            clients.spawn(caller.clone().write(region.clone(), dice.derive(region)));
        }
        Self {
            caller,
            regions,
            clients,
        }
    }

    /// Stops the clients, wherever they are.
    pub(crate) fn stop(&mut self) {
        self.clients.abort_all();
    }

    /// Waits until the regions agree on the table and have equal rows, and returns what clients saw
    /// of it, during the load and now. All regions must run and be connected.
    ///
    /// # Errors
    /// [`SimulationError::Store`] if a store cannot be read.
    pub(crate) async fn until_agreed(
        self,
        cluster: &Cluster,
        lost_before_us: BTreeMap<String, u64>,
    ) -> Result<RecreatedTable, SimulationError> {
        let began = Instant::now();
        let shown = loop {
            let shown = self.caller.shown(&self.regions).await;
            let are_equal = cluster.has_equal_digests(NAME).await?;
            if agree(&shown) && are_equal || began.elapsed() > AGREED_WITHIN {
                break shown;
            }
            self.caller.leave_one_life(&shown).await;
            sleep(POLL).await;
        };
        for region in shown
            .iter()
            .filter_map(|(region, table)| table.as_ref().map(|_| region))
        {
            self.caller.scan(region, true).await;
        }
        let requests = std::mem::take(&mut *self.caller.requests.lock());
        Ok(RecreatedTable {
            name: NAME.to_owned(),
            requests,
            shown,
            lost_before_us,
        })
    }
}

/// Calls regions on behalf of the clients, and keeps what they saw.
#[derive(Clone)]
struct TableCaller {
    targets: Clients,
    trace: Arc<Trace>,
    began: Instant,
    requests: Arc<Mutex<Vec<LifeRequest>>>,
}

impl TableCaller {
    /// Creates the table and deletes it, in turn, until the task is aborted.
    async fn recreate(self, regions: Vec<String>, dice: SeededRandomness) {
        let mut home = one_of(&regions, &dice);
        loop {
            if self.create(home).await {
                for other in regions.iter().filter(|other| *other != home) {
                    self.change(home, "UpdateTable", replica_added(NAME, other)).await;
                }
            }
            sleep(within(LIFE_MS, &dice)).await;
            if dice.below(2) == 0 {
                self.delete_replica_by_replica(home, &regions).await;
            } else {
                let first = pick(regions.len(), &dice);
                for place in 0..regions.len() {
                    let region = &regions[(first + place) % regions.len()];
                    self.change(region, "DeleteTable", json!({ "TableName": NAME })).await;
                }
            }
            sleep(within((0, REST_MS_MAX), &dice)).await;
            if dice.below(2) == 0 {
                home = one_of(&regions, &dice);
            }
        }
    }

    /// Creates the table, for which an older life in the region must end. Returns whether the
    /// region accepted it.
    async fn create(&self, region: &str) -> bool {
        let definition = json!({
            "TableName": NAME,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": KEY, "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": KEY, "KeyType": "HASH" }],
        });
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.ask(region, "CreateTable", definition.clone()).await.is_ok() {
                return true;
            }
            // The answer tells nothing that the next creation does not.
            let _ = self.ask(region, "DeleteTable", json!({ "TableName": NAME })).await;
            sleep(POLL).await;
        }
        false
    }

    /// Removes the other replicas, reads what the last one has, and deletes it.
    async fn delete_replica_by_replica(&self, home: &str, regions: &[String]) {
        for other in regions.iter().filter(|other| *other != home) {
            self.change(home, "UpdateTable", replica_removed(NAME, other)).await;
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.shown_in(home).await.is_none_or(|shown| is_alone(&shown)) {
                break;
            }
            sleep(POLL).await;
        }
        self.scan(home, false).await;
        self.change(home, "DeleteTable", json!({ "TableName": NAME })).await;
    }

    /// Asks a region for a change until it accepts it, does not have the table, or is out of time.
    async fn change(&self, region: &str, operation: &str, parameters: Value) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.ask(region, operation, parameters.clone()).await {
                Ok(_) => return,
                Err(error) if is_missing(&error) => return,
                Err(_) => sleep(POLL).await,
            }
        }
    }

    /// Deletes the table where regions show another life than the first region that has the table:
    /// regions that create tables of one name while they are cut off keep them.
    async fn leave_one_life(&self, shown: &BTreeMap<String, Option<ShownTable>>) {
        let mut held = shown
            .iter()
            .filter_map(|(region, table)| Some((region, &table.as_ref()?.life)));
        let Some((_, first)) = held.next() else { return };
        for (region, _) in held.filter(|(_, life)| *life != first) {
            // It is asked again until it has done so.
            let _ = self.ask(region, "DeleteTable", json!({ "TableName": NAME })).await;
        }
    }

    /// Puts items and scans, until the task is aborted.
    async fn write(self, region: String, dice: SeededRandomness) {
        for number in 0_u64.. {
            sleep(within(REQUEST_MS, &dice)).await;
            if dice.below(5) == 0 {
                self.scan(&region, false).await;
            } else {
                self.put(&region, format!("{region}/{number}")).await;
            }
        }
    }

    async fn put(&self, region: &str, key: String) {
        let Some(before) = self.shown_in(region).await else {
            return;
        };
        let item = json!({ "TableName": NAME, "Item": { KEY: { "S": key } } });
        let sent_us = self.now_us();
        let is_acknowledged = self.call(region, "PutItem", item).await.is_ok();
        let what = LifeOperation::Put { key, is_acknowledged };
        self.keep(region, sent_us, &before, what).await;
    }

    /// Reads the whole table in a region, which must have everything if the regions have converged,
    /// or if it shows no other replica.
    async fn scan(&self, region: &str, have_converged: bool) {
        let Some(before) = self.shown_in(region).await else {
            return;
        };
        let sent_us = self.now_us();
        let scan = json!({ "TableName": NAME, "ConsistentRead": true });
        let Ok(answer) = self.call(region, "Scan", scan).await else {
            return;
        };
        debug_assert!(
            answer["LastEvaluatedKey"].is_null(),
            "a megabyte is more than clients write"
        );
        let items = answer["Items"].as_array().into_iter().flatten();
        let keys = items.filter_map(|item| item[KEY]["S"].as_str().map(str::to_owned));
        let what = LifeOperation::Scan {
            keys: keys.collect::<BTreeSet<_>>(),
            is_complete: have_converged || is_alone(&before),
        };
        self.keep(region, sent_us, &before, what).await;
    }

    /// Keeps a request that was just answered. Its life is known if the region shows the same one
    /// as before it.
    async fn keep(&self, region: &str, sent_us: u64, before: &ShownTable, what: LifeOperation) {
        let done_us = self.now_us();
        let after = self.shown_in(region).await;
        let life = after.map(|after| after.life).filter(|life| *life == before.life);
        self.requests.lock().push(LifeRequest {
            region: region.to_owned(),
            sent_us,
            done_us,
            life,
            what,
        });
    }

    /// What each region shows. A region that does not answer counts as one without the table.
    async fn shown(&self, regions: &[String]) -> BTreeMap<String, Option<ShownTable>> {
        let mut shown = BTreeMap::new();
        for region in regions {
            shown.insert(region.clone(), self.shown_in(region).await);
        }
        shown
    }

    async fn shown_in(&self, region: &str) -> Option<ShownTable> {
        let described = self.call(region, "DescribeTable", json!({ "TableName": NAME })).await;
        let described = described.ok()?;
        Some(ShownTable {
            life: described["Table"]["TableId"].as_str()?.to_owned(),
            replicas: statuses_in(&described, region),
        })
    }

    /// Asks a region for a change, which becomes a line of the trace.
    async fn ask(&self, region: &str, operation: &str, parameters: Value) -> Result<Value, CallError> {
        let answer = self.call(region, operation, parameters.clone()).await;
        let said = answer.as_ref().err().map_or("done".to_owned(), ToString::to_string);
        self.trace
            .note(format_args!("{operation} in {region}, {parameters}: {said}"));
        answer
    }

    async fn call(&self, region: &str, operation: &str, parameters: Value) -> Result<Value, CallError> {
        self.targets.target(region).call(operation, parameters).await
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Returns whether a table has no replica but that of the region that shows it.
fn is_alone(shown: &ShownTable) -> bool {
    shown.replicas.len() == 1
}

fn is_missing(error: &CallError) -> bool {
    matches!(error, CallError::Refused { kind, .. } if kind == "ResourceNotFoundException")
}

/// Draws a time between two in milliseconds.
fn within((least_ms, most_ms): (u64, u64), dice: &SeededRandomness) -> Duration {
    Duration::from_millis(least_ms + dice.below(most_ms - least_ms + 1))
}

fn pick(count: usize, dice: &SeededRandomness) -> usize {
    usize::try_from(dice.below(count as u64)).unwrap_or(0)
}

fn one_of<'a>(regions: &'a [String], dice: &SeededRandomness) -> &'a str {
    &regions[pick(regions.len(), dice)]
}
