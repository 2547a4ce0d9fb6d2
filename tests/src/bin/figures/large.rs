//! Filling an index and creating a replica of a large table, while clients write.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_tests::{http::Connection, up::Up};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{
    CONNECTIONS, Options, REGIONS, data,
    load::{Limit, at_rate, beside, create_table, key, load},
    without_delay,
};

/// The rate of clients' puts meanwhile.
const PUTS_PER_SECOND: u64 = 500;
const VALUE_BYTES: usize = 100;
/// The number of values of the indexed attribute.
const GROUPS: u64 = 1_000;

/// Measures both with `keys` items of some 150 bytes; the replica has the index, too.
pub(crate) async fn large(options: &Options) {
    let (_directory, up) = filled(options).await;
    let index = json!({"TableName": "bench",
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "group", "AttributeType": "S"},
        ],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "by-group", "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }}],
    });
    changed(&up, options, &index, "an index filled", "180 s", |table| {
        table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    })
    .await;
    replicate(&up, options, "a replica created, with an index").await;
}

/// Measures the creation of a replica of `keys` items of some 150 bytes, without an index.
pub(crate) async fn replica(options: &Options) {
    let (_directory, up) = filled(options).await;
    replicate(&up, options, "a replica created").await;
}

/// Two regions, of which the first one has the table. The files are there as long as the directory.
async fn filled(options: &Options) -> (TempDir, Up) {
    let directory = data();
    let topology = without_delay(&directory, &REGIONS[..2]);
    let database = directory.path().join("db");
    let up = Up::start(&["--topology", &topology, "--data", database.to_str().expect("UTF-8")]);
    create_table(&up, &[]).await;
    fill(&up, options.keys).await;
    (directory, up)
}

async fn replicate(up: &Up, options: &Options, what: &str) {
    let replica = json!({"TableName": "bench", "ReplicaUpdates": [{"Create": {"RegionName": REGIONS[1]}}]});
    changed(up, options, &replica, what, "160 s", |table| {
        let replicas = table["Replicas"].as_array();
        replicas.is_some_and(|replicas| {
            let created = |replica: &&Value| replica["RegionName"] == REGIONS[1];
            replicas
                .iter()
                .find(created)
                .is_some_and(|replica| replica["ReplicaStatus"] == "ACTIVE")
        })
    })
    .await;
}

/// An item of the indexed table.
fn item(number: u64, group: u64) -> String {
    let (key, value) = (key(number), "v".repeat(VALUE_BYTES));
    format!(r#"{{"id":{{"S":"{key}"}},"group":{{"S":"{group}"}},"value":{{"S":"{value}"}}}}"#)
}

async fn fill(up: &Up, keys: u64) {
    let batch = move |number: u64| {
        let put = |offset| {
            let number = (number * 25 + offset) % keys;
            format!(r#"{{"PutRequest":{{"Item":{}}}}}"#, item(number, number % GROUPS))
        };
        let puts: Vec<_> = (0..25).map(put).collect();
        format!(r#"{{"RequestItems":{{"bench":[{}]}}}}"#, puts.join(","))
    };
    let requests = Limit::Requests(keys.div_ceil(25));
    load(
        up.region(REGIONS[0]),
        REGIONS[0],
        CONNECTIONS,
        requests,
        "BatchWriteItem",
        batch,
    )
    .await;
}

/// Changes the table while clients write, and prints how long it took until `is_done`.
async fn changed(up: &Up, options: &Options, update: &Value, what: &str, goal: &str, is_done: fn(&Value) -> bool) {
    let (chance, keys) = (Arc::new(SeededRandomness::new(1)), options.keys);
    let put = move |_| {
        let item = item(chance.below(keys), chance.below(GROUPS));
        format!(r#"{{"TableName":"bench","Item":{item}}}"#)
    };
    let (endpoint, region) = (up.region(REGIONS[0]), REGIONS[0]);
    let puts = |goes_on: Rc<Cell<bool>>| {
        let goes_on = move |_| goes_on.get();
        at_rate(endpoint, region, PUTS_PER_SECOND, goes_on, "PutItem", put)
    };
    let change = async {
        let mut connection = Connection::open(endpoint, region).await.expect("the region is there");
        let began = Instant::now();
        let answer = connection.call("UpdateTable", &update.to_string()).await;
        assert_eq!(answer.expect("an answer").status, 200);
        loop {
            let table = connection.call("DescribeTable", r#"{"TableName":"bench"}"#).await;
            if is_done(&table.expect("an answer").json()["Table"]) {
                return began.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let before = up.memory_kib();
    let (puts, took) = beside(puts, change).await;
    println!(
        "{what:<44} {:>9.1} s     goal {goal} for 6,000,000 items; {} items   {} puts meanwhile, p99 {:.2} ms, goal \
         20 ms   memory {} MiB before, {} MiB at most",
        took.as_secs_f64(),
        options.keys,
        puts.latency_us.len(),
        puts.latency_ms(0.99),
        before.1 / 1024,
        up.memory_kib().0 / 1024,
    );
}
