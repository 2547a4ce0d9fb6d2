//! Prints the project's figures: `cargo run --profile dist -p beringia-tests --bin figures -- [SECTION …]
//! [--seconds N] [--keys N] [--seeds N]`, all sections or these: `startup`, `throughput`, `lag`, `partition`,
//! `simulation`, `swarm`, `convergence`, `overhead`. Where two builds of the program are given, by
//! `--before PATH --after PATH`, it compares these instead ([`pairs`]), in all operations or those that are
//! named.
//!
//! Each figure stands beside its goal. The load generator runs on the same machine as the regions, in this process; compare
//! ratios within one run rather than numbers between machines.

mod overhead;
mod pairs;
mod simulation;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use beringia_clock::{Randomness, SeededRandomness};
use beringia_tests::{http::Connection, up::Up};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::time::Instant;

const CONNECTIONS: usize = 64;
const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];

struct Options {
    sections: Vec<String>,
    seconds: u64,
    keys: u64,
    seeds: u64,
    before: Option<PathBuf>,
    after: Option<PathBuf>,
}

fn options() -> Options {
    let mut options = Options {
        sections: Vec::new(),
        seconds: 10,
        keys: 1_000_000,
        seeds: 100,
        before: None,
        after: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
        let mut number = || {
            let value = value();
            value.parse().unwrap_or_else(|_| panic!("{argument} wants a number"))
        };
        match argument.as_str() {
            "--seconds" => options.seconds = number(),
            "--keys" => options.keys = number(),
            "--seeds" => options.seeds = number(),
            "--before" => options.before = Some(value().into()),
            "--after" => options.after = Some(value().into()),
            "--bench" => {}
            section => options.sections.push(section.to_owned()),
        }
    }
    options
}

fn main() {
    let options = options();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let wants = |section: &str| options.sections.is_empty() || options.sections.iter().any(|wanted| wanted == section);
    if let (Some(before), Some(after)) = (&options.before, &options.after) {
        let programs = [before.clone(), after.clone()];
        return runtime.block_on(pairs::pairs(&programs, wants, options.keys, options.seconds));
    }
    // Built before anything is timed.
    let _ = beringia_tests::command::beringia();
    runtime.block_on(async {
        if wants("startup") {
            startup().await;
        }
        if wants("throughput") {
            throughput(&options).await;
        }
        if wants("lag") {
            lag(&options).await;
        }
        if wants("partition") {
            partition().await;
        }
        if wants("simulation") {
            simulation::speed(data().path());
        }
        if wants("swarm") {
            simulation::swarm(options.seeds);
        }
        if wants("convergence") {
            simulation::convergence(data().path());
        }
        if wants("overhead") {
            overhead(&options).await;
        }
    });
}

/// A directory for databases, on a real disk: the build's own.
fn data() -> tempfile::TempDir {
    std::fs::create_dir_all(beringia_tests::cache()).expect("the build directory is writable");
    tempfile::tempdir_in(beringia_tests::cache()).expect("the build directory is writable")
}

/// A topology of the given regions whose links have no delay.
fn without_delay(directory: &tempfile::TempDir, regions: &[&str]) -> String {
    let path = directory.path().join("topology.toml");
    std::fs::write(&path, beringia_tests::topology_without_delay(regions)).expect("the directory is writable");
    path.to_str().expect("a path in UTF-8").to_owned()
}

async fn create_table(up: &Up, replicas: &[&str]) {
    let mut connection = Connection::open(up.region(REGIONS[0]), REGIONS[0])
        .await
        .expect("the region is there");
    let definition = json!({
        "TableName": "bench", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    let answer = connection
        .call("CreateTable", &definition.to_string())
        .await
        .expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.json());
    for region in replicas {
        let update = json!({"TableName": "bench", "ReplicaUpdates": [{"Create": {"RegionName": region}}]}).to_string();
        loop {
            let answer = connection.call("UpdateTable", &update).await.expect("an answer");
            if answer.status == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        loop {
            let table = connection
                .call("DescribeTable", r#"{"TableName": "bench"}"#)
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

/// What a crowd of connections did.
struct Load {
    requests: u64,
    seconds: f64,
    latency_us: Histogram<u64>,
}

impl Load {
    fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    fn report(&self, what: &str, goal: &str) {
        println!(
            "{what:<44} {:>9.0} /s   p50 {:>6.2} ms  p99 {:>6.2} ms   goal {goal}",
            self.per_second(),
            self.latency_us.value_at_quantile(0.5) as f64 / 1000.0,
            self.latency_us.value_at_quantile(0.99) as f64 / 1000.0,
        );
    }
}

/// Runs `request(n)` for ever new n over so many connections until the time or the number of requests is used up.
async fn load<R>(
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
    let mut workers = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(endpoint, region).await.expect("the region is there");
        let (taken, request) = (taken.clone(), request.clone());
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
                let _ = latency_us.record(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        }));
    }
    let mut latency_us = Histogram::<u64>::new(3).expect("three digits");
    local
        .run_until(async {
            for worker in workers {
                latency_us.add(worker.await.expect("the worker ends")).expect("alike");
            }
        })
        .await;
    Load {
        requests: latency_us.len(),
        seconds: began.elapsed().as_secs_f64(),
        latency_us,
    }
}

#[derive(Clone, Copy)]
enum Limit {
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
fn key(number: u64) -> String {
    format!("key-{number:08}")
}

fn put(number: u64, value: &str) -> String {
    format!(
        r#"{{"TableName":"bench","Item":{{"id":{{"S":"{}"}},"value":{{"S":"{value}"}}}}}}"#,
        key(number)
    )
}

fn get(number: u64) -> String {
    format!(r#"{{"TableName":"bench","Key":{{"id":{{"S":"{}"}}}}}}"#, key(number))
}

/// Puts so many items of 1 KiB.
async fn fill(endpoint: &str, keys: u64) -> Load {
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

/// One region, durable: 64 connections, items of 1 KiB, random keys.
async fn throughput(options: &Options) {
    let directory = data();
    let topology = without_delay(&directory, &REGIONS[..1]);
    let up = Up::start(&[
        "--topology",
        &topology,
        "--data",
        directory.path().join("db").to_str().expect("UTF-8"),
    ]);
    create_table(&up, &[]).await;
    let endpoint = up.region(REGIONS[0]);
    let value = "v".repeat(1000);
    let keys = options.keys;
    fill(endpoint, keys)
        .await
        .report("fill by BatchWriteItem of 25, requests", "-");

    let time = Limit::Time(Duration::from_secs(options.seconds));
    let chance = Arc::new(SeededRandomness::new(1));
    let random_put = {
        let chance = chance.clone();
        move |_| put(chance.below(keys), &value)
    };
    load(endpoint, REGIONS[0], CONNECTIONS, time, "PutItem", random_put)
        .await
        .report("PutItem, durable, 1 KiB, random keys", "8000 /s");
    let random_get = move |_| get(chance.below(keys));
    load(endpoint, REGIONS[0], CONNECTIONS, time, "GetItem", random_get)
        .await
        .report("GetItem, 1 KiB, random keys", "25000 /s");
    println!(
        "{:<44} {:>9} MiB",
        "memory of the process, greatest",
        up.memory_kib().0 / 1024
    );
}

/// 1,000 writes a second in each of three regions: without delay, then with the delays of `regions/three.toml`.
async fn lag(options: &Options) {
    for delays in [false, true] {
        let directory = data();
        let db = directory.path().join("db");
        let mut arguments = vec!["--data", db.to_str().expect("UTF-8")];
        let topology = without_delay(&directory, &REGIONS);
        if !delays {
            arguments.extend(["--topology", &topology]);
        }
        let up = Up::start(&arguments);
        create_table(&up, &REGIONS[1..]).await;
        let _ = up.control.converge();
        let seconds = options.seconds.max(30);
        let writers = REGIONS.map(|region| at_rate(up.region(region).to_owned(), region, 1000, seconds));
        let [first, second, third] = writers;
        let (a, b, c) = tokio::join!(first, second, third);
        let converged = up.control.converge();
        println!(
            "three regions {}: {} writes in {seconds} s, converged {} ms after the last, slowest answer {:.1} ms",
            if delays {
                "with the delays of three.toml"
            } else {
                "without delay"
            },
            a.0 + b.0 + c.0,
            converged["elapsed_ms"],
            a.1.max(b.1).max(c.1),
        );
        let links = if delays {
            up.control.run(&["net", "show"])
        } else {
            Vec::new()
        };
        report_lag(&up.control.run(&["status"])[0], delays.then_some(&links));
    }
}

/// For each pair of regions, how long writes took from their version's time to their commit in the other region.
fn report_lag(status: &Value, links: Option<&Vec<Value>>) {
    for pair in status["pairs"].as_array().expect("status names the pairs") {
        let (from, to) = (
            pair["from"].as_str().unwrap_or_default(),
            pair["to"].as_str().unwrap_or_default(),
        );
        let delay = links.map(|links| delay_ms(links, from, to));
        let goal = delay.map_or("p50 10 ms, p99 50 ms".to_owned(), |delay| {
            format!("p50 within 10 ms of {delay} ms")
        });
        let what = format!("  lag {from} -> {to}");
        println!(
            "{what:<44} p50 {:>6} ms  p99 {:>6} ms   goal {goal}",
            pair["arrival_p50_ms"], pair["arrival_p99_ms"]
        );
    }
}

fn delay_ms(links: &[Value], from: &str, to: &str) -> f64 {
    links
        .iter()
        .flat_map(|line| line["links"].as_array().cloned().unwrap_or_else(|| vec![line.clone()]))
        .find(|link| link["from"] == from && link["to"] == to)
        .and_then(|link| link["delay_ms"].as_f64())
        .unwrap_or_else(|| panic!("`net show` names the link from {from} to {to}: {links:?}"))
}

/// Writes at a steady rate, whatever the answers take (open loop); the number of writes and the slowest answer in ms.
async fn at_rate(endpoint: String, region: &'static str, per_second: u64, seconds: u64) -> (u64, f64) {
    let began = Instant::now();
    let total = per_second * seconds;
    let next = Arc::new(AtomicU64::new(0));
    let local = tokio::task::LocalSet::new();
    let mut workers = Vec::new();
    for _ in 0..32 {
        let mut connection = Connection::open(&endpoint, region).await.expect("the region is there");
        let next = next.clone();
        workers.push(local.spawn_local(async move {
            let mut slowest_ms = 0.0_f64;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return slowest_ms;
                }
                let due = began + Duration::from_micros(number * 1_000_000 / per_second);
                tokio::time::sleep_until(due).await;
                let item = format!(
                    r#"{{"TableName":"bench","Item":{{"id":{{"S":"{region}-{number}"}},"value":{{"S":"{}"}}}}}}"#,
                    "v".repeat(1000)
                );
                let answer = connection.call("PutItem", &item).await.expect("an answer");
                assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                slowest_ms = slowest_ms.max(due.elapsed().as_secs_f64() * 1000.0);
            }
        }));
    }
    let mut slowest_ms = 0.0_f64;
    local
        .run_until(async {
            for worker in workers {
                slowest_ms = slowest_ms.max(worker.await.expect("the worker ends"));
            }
        })
        .await;
    (total, slowest_ms)
}

/// A partition with 100,000 writes on each side.
async fn partition() {
    let directory = data();
    let up = Up::start(&["--data", directory.path().join("db").to_str().expect("UTF-8")]);
    create_table(&up, &REGIONS[1..]).await;
    let _ = up.control.converge();
    let _ = up.control.run(&["net", "isolate", REGIONS[2]]);
    let side = |region: &'static str, side: u64| {
        let value = "v".repeat(200);
        let endpoint = up.region(region).to_owned();
        async move {
            load(
                &endpoint,
                region,
                32,
                Limit::Requests(100_000),
                "PutItem",
                move |number| put(number + side * 50_000, &value),
            )
            .await
        }
    };
    let (majority, minority) = tokio::join!(side(REGIONS[0], 0), side(REGIONS[2], 1));
    println!(
        "partition: {} writes on one side, {} on the other, half of the keys on both",
        majority.requests, minority.requests
    );
    let healed = Instant::now();
    let _ = up.control.run(&["net", "heal"]);
    let _ = up.control.converge();
    println!(
        "{:<44} {:>9.1} s     goal 30 s",
        "converged after heal",
        healed.elapsed().as_secs_f64()
    );
    println!(
        "{:<44} {:>9} MiB   goal 300 MiB",
        "memory of the process, greatest",
        up.memory_kib().0 / 1024
    );
}

/// Writes in one of three regions as fast as they go, with and without a drill that watches.
async fn overhead(options: &Options) {
    let directory = data();
    let up = Up::start(&["--data", directory.path().join("db").to_str().expect("UTF-8")]);
    create_table(&up, &REGIONS[1..]).await;
    let chance = Arc::new(SeededRandomness::new(1));
    let (keys, time) = (
        options.keys.min(100_000),
        Limit::Time(Duration::from_secs(options.seconds)),
    );
    let (endpoint, value) = (up.region(REGIONS[0]), "v".repeat(1000));
    let writes = async || {
        let (chance, value) = (chance.clone(), value.clone());
        let put = move |_| put(chance.below(keys), &value);
        load(endpoint, REGIONS[0], CONNECTIONS, time, "PutItem", put).await
    };
    overhead::overhead(&up, writes).await;
}

/// From the start of the process to the ready line, and memory when idle.
async fn startup() {
    let mut times_ms = Vec::new();
    for _ in 0..5 {
        let directory = data();
        let began = Instant::now();
        let up = Up::start(&["--data", directory.path().join("db").to_str().expect("UTF-8")]);
        times_ms.push(began.elapsed().as_millis());
        if times_ms.len() == 5 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            println!(
                "{:<44} {:>9} MiB   goal 60 MiB",
                "memory of three idle regions",
                up.memory_kib().1 / 1024
            );
        }
    }
    times_ms.sort_unstable();
    println!(
        "{:<44} {:>9} ms    goal 300 ms  (median of {times_ms:?})",
        "start to ready, three empty databases", times_ms[2]
    );
}
