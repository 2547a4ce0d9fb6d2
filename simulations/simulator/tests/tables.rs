//! Tables and replicas are created and deleted, also under the same name again, while regions are
//! disconnected, crash and come back. At the end every region that holds a table holds everything
//! that was acknowledged to clients.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::abort,
    time::Duration,
};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_item::TableId;
use beringia_network::Direction;
use beringia_regions::Topology;
use beringia_simulator::{Cluster, ClusterConfig, in_virtual_time};
use beringia_storage::{ReplicaStatus, Table};
use beringia_workload::Targets as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const NAMES: [&str; 2] = ["Carts", "Users"];
const STEPS: u32 = 80;
/// Regions that can reach each other must finish a change of a table within this time.
const PATIENCE: Duration = Duration::from_secs(120);

/// The number of seeds that are played.
const SEEDS: u64 = 25;
/// The number of seeds with `BERINGIA_LONG` in the environment.
const LONG_SEEDS: u64 = 200;

/// A group of regions, and the answers that its clients got.
struct Play {
    cluster: Cluster,
    chance: SeededRandomness,
    /// For each table, the keys whose items exist according to some region.
    written: BTreeMap<TableId, BTreeSet<String>>,
    /// The actions, for finding the cause of a failure.
    story: Vec<String>,
    coverage: Coverage,
}

/// Situations that the seeds must produce, or the test tests nothing.
#[derive(Debug, Default)]
struct Coverage {
    /// Items that were looked up at the end.
    items: usize,
    /// Tables that contain such items and have several replicas.
    replicated: usize,
    /// How often regions had different tables under one name.
    namesakes: usize,
}

impl Play {
    async fn new(seed: u64, coverage: Coverage) -> Self {
        let cluster = Cluster::start(ClusterConfig::new(Topology::three(), seed));
        Self {
            cluster: cluster.await.unwrap_or_else(|error| panic!("{error}")),
            chance: SeededRandomness::new(seed).derive("tables"),
            written: BTreeMap::new(),
            story: Vec::new(),
            coverage,
        }
    }

    fn one_of<T: Clone>(&self, choices: &[T]) -> T {
        let place = self.chance.below(choices.len() as u64);
        choices[usize::try_from(place).expect("a place")].clone()
    }

    fn note(&mut self, what: &str) {
        self.story.push(format!("{} {what}", self.cluster.trace.now_ms()));
    }

    async fn call(&mut self, region: &str, operation: &str, parameters: Value) -> bool {
        let answer = self
            .cluster
            .clients()
            .target(region)
            .call(operation, parameters.clone())
            .await;
        let said = answer.as_ref().err().map_or("done".to_owned(), ToString::to_string);
        self.note(&format!("{operation} in {region}, {parameters}: {said}"));
        answer.is_ok()
    }

    fn table(&self, region: &str, name: &str) -> Option<std::sync::Arc<Table>> {
        self.cluster.store(region).ok()?.catalog().by_name.get(name).cloned()
    }

    async fn step(&mut self, number: u32) {
        let names = self.cluster.names();
        let (region, name) = (self.one_of(&names), self.one_of(&NAMES));
        let other = self.one_of(&names);
        match self.chance.below(100) {
            0..50 => self.put(&region, name, &format!("k{number}")).await,
            50..60 => {
                let table = json!({
                    "TableName": name,
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
                    "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
                    "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
                });
                self.call(&region, "CreateTable", table).await;
            }
            60..78 => self.change_replicas(&region, name, "Create", &other).await,
            78..83 => self.change_replicas(&region, name, "Delete", &other).await,
            83..88 => drop(self.call(&region, "DeleteTable", json!({ "TableName": name })).await),
            88..92 => {
                self.note(&format!("isolated: {region}"));
                self.cluster.network().isolate(&region).expect("it is known");
            }
            92..94 if region != other => {
                self.note(&format!("cut: {region} to {other}"));
                let cut = self.cluster.network().cut(&region, &other, Direction::OneWay);
                cut.expect("they are known");
            }
            94..97 => {
                self.note("healed");
                self.cluster.network().heal_all();
            }
            97.. => {
                self.note(&format!("restarted: {region}"));
                self.cluster.crash_region(&region, false).expect("it runs");
                self.cluster.start_region(&region).await.expect("it starts");
            }
            _ => {}
        }
        sleep(Duration::from_millis(self.chance.below(2_000))).await;
        for name in NAMES {
            let tables = names.iter().filter_map(|region| self.table(region, name));
            let different: BTreeSet<TableId> = tables.map(|table| table.id).collect();
            self.coverage.namesakes += usize::from(different.len() > 1);
        }
    }

    /// Writes an item that nothing else touches, and remembers in which table it is according to
    /// the region.
    async fn put(&mut self, region: &str, name: &str, key: &str) {
        let before = self.table(region, name).map(|table| table.id);
        let item = json!({ "TableName": name, "Item": { "pk": { "S": key } } });
        let is_there = self.call(region, "PutItem", item).await;
        let after = self.table(region, name).map(|table| table.id);
        if let (true, Some(table), true) = (is_there, after, before == after) {
            self.written.entry(table).or_default().insert(key.to_owned());
        }
    }

    async fn change_replicas(&mut self, region: &str, name: &str, change: &str, of: &str) {
        let update = json!({ "TableName": name, "ReplicaUpdates": [{ change: { "RegionName": of } }] });
        self.call(region, "UpdateTable", update).await;
    }

    /// Changes still in progress: replicas that are created or removed, and tables whose replicas
    /// differ.
    async fn unrest(&self) -> Vec<String> {
        let mut unrest = Vec::new();
        let mut digests = BTreeMap::new();
        for region in self.cluster.names() {
            let store = self.cluster.store(&region).expect("it runs");
            for (name, table) in &store.catalog().by_name {
                for (replica, state) in &table.replicas {
                    if matches!(state.status, ReplicaStatus::Creating { .. } | ReplicaStatus::Deleting) {
                        unrest.push(format!("{region} says of {name} in {replica}: {:?}", state.status));
                    }
                }
                let own = table.replicas.get(store.region());
                if own.is_none_or(|own| own.status == ReplicaStatus::Active) {
                    let digest = store.digest(table.id).await.expect("it is held");
                    let first = digests
                        .entry(table.id)
                        .or_insert_with(|| (region.clone(), digest.clone()));
                    if first.1 != digest {
                        unrest.push(format!("{name} differs in {} and {region}", first.0));
                    }
                }
            }
        }
        unrest
    }

    /// Connects all regions until nothing changes any more, then looks up what was written.
    async fn end(mut self) -> Coverage {
        self.cluster.network().heal_all();
        let began = Instant::now();
        loop {
            sleep(Duration::from_secs(5)).await;
            let unrest = self.unrest().await;
            if unrest.is_empty() {
                break;
            }
            let story = &self.story;
            assert!(began.elapsed() < PATIENCE, "{unrest:#?} after {story:#?}");
        }
        for region in self.cluster.names() {
            for name in NAMES {
                let Some(table) = self.table(&region, name) else {
                    continue;
                };
                let mut client = self.cluster.clients().target(&region);
                let answer = client.call("Scan", json!({ "TableName": name })).await;
                let answer = answer.unwrap_or_else(|error| panic!("{region} on {name}: {error}; {table:?}"));
                let items = answer["Items"].as_array().expect("items").iter();
                let found: BTreeSet<&str> = items.filter_map(|item| item["pk"]["S"].as_str()).collect();
                // The other replicas of the table have the same.
                let written = self.written.remove(&table.id).unwrap_or_default();
                let story = &self.story;
                for key in &written {
                    assert!(
                        found.contains(key.as_str()),
                        "{key} of {name} is not in {region} after {story:#?}"
                    );
                }
                self.coverage.items += written.len();
                self.coverage.replicated += usize::from(!written.is_empty() && table.replicas.len() > 1);
            }
        }
        self.coverage
    }
}

#[test]
fn no_write_is_lost_while_tables_and_replicas_change() {
    let mut coverage = Coverage::default();
    let seeds = std::env::var_os("BERINGIA_LONG").map_or(SEEDS, |_| LONG_SEEDS);
    for seed in 0..seeds {
        // The stuck thread can be neither interrupted nor made to fail its test.
        coverage = in_virtual_time("tables", Duration::from_secs(120), |_| abort(), async {
            eprintln!("seed {seed}");
            let mut play = Play::new(seed, coverage).await;
            for number in 0..STEPS {
                play.step(number).await;
            }
            play.end().await
        });
    }
    let seeds = usize::try_from(seeds).expect("some");
    assert!(
        coverage.items > 10 * seeds && coverage.replicated > seeds && coverage.namesakes > seeds,
        "{coverage:?}"
    );
}
