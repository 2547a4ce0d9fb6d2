//! Prints the project's figures: `cargo run --profile dist -p beringia-tests --bin figures -- [SECTION …]
//! [--seconds N] [--keys N] [--seeds N]`, all sections or these: `startup`, `throughput`, `lag`, `partition`,
//! `simulation`, `swarm`, `convergence`, `overhead`. Where two builds of the program are given, by
//! `--before PATH --after PATH`, it compares these instead ([`pairs`]): the sections are then `PutItem`,
//! `UpdateItem`, `GetItem`, `PutIndexed` and `simulation`, all or those that are named.
//!
//! Each figure stands beside its goal. The load generator runs on the same machine as the regions, in this process; compare
//! ratios within one run rather than numbers between machines.

mod lag;
mod load;
mod overhead;
mod pairs;
mod simulation;
mod spread;

use std::{path::PathBuf, sync::Arc, time::Duration};

use beringia_clock::{Randomness, SeededRandomness};
use beringia_tests::up::Up;
use tokio::time::Instant;

use self::{
    load::{Limit, create_table, fill, get, load, put},
    spread::Spread,
};

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
        runtime.block_on(pairs::pairs(&programs, wants, options.keys, options.seconds));
        if wants("simulation") {
            runtime.block_on(simulation::pairs(data().path(), &programs));
        }
        return;
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
            lag::lag(options.seconds).await;
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
        times_ms.push(began.elapsed().as_secs_f64() * 1000.0);
        if times_ms.len() == 5 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            println!(
                "{:<44} {:>9} MiB   goal 60 MiB",
                "memory of three idle regions",
                up.memory_kib().1 / 1024
            );
        }
    }
    let times_ms = Spread::of(times_ms);
    println!(
        "{:<44} {:>9.0} ms    goal 300 ms  (median of 5; {:.0} to {:.0})",
        "start to ready, three empty databases",
        times_ms.median(),
        times_ms.least(),
        times_ms.greatest(),
    );
}
