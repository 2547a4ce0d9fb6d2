//! A table, and a number of connections that write and read it as fast as possible.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use beringia_tests::{http::Connection, up::Up};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};

use super::{CONNECTIONS, REGIONS};

/// The name of a table with a global index.
pub(crate) const INDEXED: &str = "indexed";

/// Creates a table in the first region, and returns the connection.
async fn create(up: &Up, definition: &Value) -> Connection {
    let mut connection = Connection::open(up.region(REGIONS[0]), REGIONS[0])
        .await
        .expect("the region is there");
    let answer = connection
        .call("CreateTable", &definition.to_string())
        .await
        .expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.json());
    connection
}

/// Creates a table with an index over `group` in the first region.
pub(crate) async fn create_indexed_table(up: &Up) {
    let definition = json!({
        "TableName": INDEXED, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "group", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-group", "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }],
    });
    create(up, &definition).await;
}

/// Creates a table with a stream in the first region, and returns the connection.
pub(crate) async fn create_streamed(up: &Up, name: &str) -> Connection {
    let definition = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    create(up, &definition).await
}

/// Creates the table `bench` in the first region, with these replicas.
pub(crate) async fn create_table(up: &Up, replicas: &[&str]) {
    create_table_named(up, "bench", replicas).await;
}

/// Creates a table with a stream in the first region, with these replicas.
pub(crate) async fn create_table_named(up: &Up, name: &str, replicas: &[&str]) {
    let mut connection = create_streamed(up, name).await;
    for region in replicas {
        let update = json!({"TableName": name, "ReplicaUpdates": [{"Create": {"RegionName": region}}]}).to_string();
        loop {
            let answer = connection.call("UpdateTable", &update).await.expect("an answer");
            if answer.status == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        loop {
            let table = connection
                .call("DescribeTable", &json!({"TableName": name}).to_string())
                .await
                .expect("an answer")
                .json();
            let active = |replica: &Value| replica["RegionName"] == *region && replica["ReplicaStatus"] == "ACTIVE";
            if table["Table"]["Replicas"]
                .as_array()
                .is_some_and(|replicas| replicas.iter().any(active))
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The requests that a number of connections completed.
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    latency_us: Histogram<u64>,
    longest_gap: Duration,
}

/// The times of answers, over all connections.
struct Answers {
    last: Instant,
    longest_gap: Duration,
}

impl Answers {
    fn add(&mut self, at: Instant) {
        self.longest_gap = self.longest_gap.max(at - self.last);
        self.last = at;
    }
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        quantile_ms(&self.latency_us, quantile)
    }

    /// The longest time in which no request was answered, in ms.
    pub(crate) fn longest_gap_ms(&self) -> f64 {
        self.longest_gap.as_secs_f64() * 1000.0
    }

    /// The rate and how long requests took, in one line.
    pub(crate) fn latencies(&self) -> String {
        format!(
            "{:.0} /s, p50 {:.2}, p90 {:.2}, p99 {:.2}, p99.9 {:.2} ms, longest gap {:.1} ms",
            self.per_second(),
            self.latency_ms(0.5),
            self.latency_ms(0.9),
            self.latency_ms(0.99),
            self.latency_ms(0.999),
            self.longest_gap_ms(),
        )
    }

    pub(crate) fn report(&self, what: &str, goal: &str) {
        println!(
            "{what:<44} {:>9.0} /s   p50 {:>6.2} ms  p99 {:>6.2} ms   goal {goal}",
            self.per_second(),
            self.latency_ms(0.5),
            self.latency_ms(0.99),
        );
    }
}

/// Runs `request(n)` for consecutive n over a number of connections until the time or the number of
/// requests is used up.
pub(crate) async fn load<R>(
    endpoint: &str,
    region: &str,
    connections: usize,
    limit: Limit,
    operation: &'static str,
    request: R,
) -> Load
where
    R: Fn(u64) -> String + Clone + 'static,
{
    let taken = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let local = tokio::task::LocalSet::new();
    let answers = Rc::new(RefCell::new(Answers {
        last: began,
        longest_gap: Duration::ZERO,
    }));
    let mut workers = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(endpoint, region).await.expect("the region is there");
        let (taken, request, answers) = (taken.clone(), request.clone(), answers.clone());
        workers.push(local.spawn_local(async move {
            let mut latency_us = Histogram::<u64>::new(3).expect("three digits");
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if limit.reached(number, began.elapsed()) {
                    return latency_us;
                }
                let sent = Instant::now();
                let answer = connection.call(operation, &request(number)).await.expect("an answer");
                assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                let answered = Instant::now();
                answers.borrow_mut().add(answered);
                let _ = latency_us.record(u64::try_from((answered - sent).as_micros()).unwrap_or(u64::MAX));
            }
        }));
    }
    let latency_us = local.run_until(sum(workers)).await;
    Load {
        requests: latency_us.len(),
        seconds: began.elapsed().as_secs_f64(),
        latency_us,
        longest_gap: answers.borrow().longest_gap,
    }
}

/// The number of connections of a load at a steady rate.
const PACED_CONNECTIONS: usize = 32;

/// How long requests took that were due at a steady rate, each from when it was due.
pub(crate) struct Paced {
    pub(crate) latency_us: Histogram<u64>,
}

impl Paced {
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        quantile_ms(&self.latency_us, quantile)
    }
}

/// A quantile of microseconds, in milliseconds.
pub(crate) fn quantile_ms(of_us: &Histogram<u64>, quantile: f64) -> f64 {
    of_us.value_at_quantile(quantile) as f64 / 1000.0
}

/// Runs loads as long as `what` takes: `loads` gets what says whether they go on. Returns the
/// results of both.
pub(crate) async fn beside<L: Future, W: Future>(
    loads: impl FnOnce(Rc<Cell<bool>>) -> L,
    what: W,
) -> (L::Output, W::Output) {
    let goes_on = Rc::new(Cell::new(true));
    let loads = loads(goes_on.clone());
    let what = async {
        let done = what.await;
        goes_on.set(false);
        done
    };
    tokio::join!(loads, what)
}

/// Runs `request(n)` at a steady rate, independent of the latency (open loop), as long as
/// `goes_on(n)`.
pub(crate) async fn at_rate<R, G>(
    endpoint: &str,
    region: &str,
    per_second: u64,
    goes_on: G,
    operation: &'static str,
    request: R,
) -> Paced
where
    R: Fn(u64) -> String + Clone + 'static,
    G: Fn(u64) -> bool + Clone + 'static,
{
    let began = Instant::now();
    let next = Rc::new(Cell::new(0));
    let local = tokio::task::LocalSet::new();
    let mut workers = Vec::new();
    for _ in 0..PACED_CONNECTIONS {
        let mut connection = Connection::open(endpoint, region).await.expect("the region is there");
        let (next, goes_on, request) = (next.clone(), goes_on.clone(), request.clone());
        workers.push(local.spawn_local(async move {
            let mut latency_us = Histogram::<u64>::new(3).expect("three digits");
            loop {
                let number = next.replace(next.get() + 1);
                let due = began + Duration::from_micros(number * 1_000_000 / per_second);
                tokio::time::sleep_until(due).await;
                if !goes_on(number) {
                    return latency_us;
                }
                let answer = connection.call(operation, &request(number)).await.expect("an answer");
                assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                let _ = latency_us.record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        }));
    }
    Paced {
        latency_us: local.run_until(sum(workers)).await,
    }
}

/// What all workers measured.
async fn sum(workers: Vec<JoinHandle<Histogram<u64>>>) -> Histogram<u64> {
    let mut latency_us = Histogram::<u64>::new(3).expect("three digits");
    for worker in workers {
        latency_us.add(worker.await.expect("the worker ends")).expect("alike");
    }
    latency_us
}

#[derive(Clone, Copy)]
pub(crate) enum Limit {
    Time(Duration),
    Requests(u64),
}

impl Limit {
    fn reached(self, requests: u64, elapsed: Duration) -> bool {
        match self {
            Self::Time(limit) => elapsed >= limit,
            Self::Requests(limit) => requests >= limit,
        }
    }
}

/// The name of the n-th key.
pub(crate) fn key(number: u64) -> String {
    format!("key-{number:08}")
}

pub(crate) fn put(number: u64, value: &str) -> String {
    put_into("bench", number, value)
}

/// A put into this table.
pub(crate) fn put_into(table: &str, number: u64, value: &str) -> String {
    format!(
        r#"{{"TableName":"{table}","Item":{{"id":{{"S":"{}"}},"value":{{"S":"{value}"}}}}}}"#,
        key(number)
    )
}

pub(crate) fn get(number: u64) -> String {
    format!(r#"{{"TableName":"bench","Key":{{"id":{{"S":"{}"}}}}}}"#, key(number))
}

/// Puts this number of items of 1 KiB.
pub(crate) async fn fill(endpoint: &str, keys: u64) -> Load {
    let value = "v".repeat(1000);
    let batch = move |number: u64| {
        let put = |offset| {
            let key = key((number * 25 + offset) % keys);
            format!(r#"{{"PutRequest":{{"Item":{{"id":{{"S":"{key}"}},"value":{{"S":"{value}"}}}}}}}}"#)
        };
        let puts: Vec<_> = (0..25).map(put).collect();
        format!(r#"{{"RequestItems":{{"bench":[{}]}}}}"#, puts.join(","))
    };
    let requests = Limit::Requests(keys.div_ceil(25));
    load(endpoint, REGIONS[0], CONNECTIONS, requests, "BatchWriteItem", batch).await
}
