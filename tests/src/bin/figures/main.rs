//! Prints the project's figures, or compares two builds of the program: `cargo run --profile dist
//! -p beringia-tests --bin figures -- --help`.
//!
//! Each figure is printed next to its goal. The load generator runs on the same machine as the
//! regions, in this process, so compare ratios within one run rather than numbers between machines.

mod lag;
mod large;
mod load;
mod overhead;
mod pairs;
mod repair;
mod scans;
mod simulation;
mod spread;
mod tables;
mod tails;

use std::{path::PathBuf, sync::Arc, time::Duration};

use beringia_clock::{Randomness, SeededRandomness};
use beringia_tests::up::Up;
use clap::{Parser, ValueEnum};
use tokio::time::Instant;

use self::{
    load::{Limit, create_table, fill, get, load, put},
    spread::Spread,
};

const CONNECTIONS: usize = 64;
const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];

/// Prints the project's figures, each with its goal; with --before and --after, the ratios of two
/// builds.
#[derive(Parser)]
struct Options {
    /// What to measure; by default everything, or with two builds everything that can be compared.
    #[arg(value_enum)]
    sections: Vec<Section>,
    /// Duration of each load in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Number of items in the table.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Number of tables to compare with three.
    #[arg(long, default_value_t = 2_000)]
    tables: u64,
    /// Number of connections where two builds are compared.
    #[arg(long, default_value_t = CONNECTIONS)]
    connections: usize,
    /// Number of seeds of `swarm` to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of two builds of the program to compare.
    #[arg(long, value_name = "PATH", requires = "after")]
    before: Option<PathBuf>,
    /// The second of the two builds.
    #[arg(long, value_name = "PATH", requires = "before")]
    after: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Time until ready, and memory when idle.
    Startup,
    /// PutItem and GetItem in one region.
    Throughput,
    /// The slowest PutItems with 16 and 64 connections, in five runs each (use --seconds 60).
    Tails,
    /// PutItem to a table that grows to 10 million items (use --seconds 60).
    Growth,
    /// GetItem and arrivals in another region, with and without scans (use --keys 10000000).
    Scans,
    /// Creating a replica while clients write (use --keys 6000000).
    Replica,
    /// Filling an index, then creating a replica that has it too (use --keys 6000000).
    Large,
    /// PutItem with three global tables and with thousands.
    Tables,
    /// Repair of lost rows while clients write.
    Repair,
    /// Lag between regions, with and without delays.
    Lag,
    /// Convergence after a partition.
    Partition,
    /// Simulated seconds per second; also compares two builds.
    Simulation,
    /// Seeds of `swarm` in ten minutes.
    Swarm,
    /// Convergence in real time, and the least time that links and disks allow.
    Convergence,
    /// The cost of a drill for the regions.
    Overhead,
    /// PutItem, comparing two builds.
    #[value(name = "PutItem")]
    PutItem,
    /// UpdateItem, comparing two builds.
    #[value(name = "UpdateItem")]
    UpdateItem,
    /// GetItem, comparing two builds.
    #[value(name = "GetItem")]
    GetItem,
    /// PutItem to a table with a global index, comparing two builds.
    #[value(name = "PutIndexed")]
    PutIndexed,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let wants = |section: Section| options.sections.is_empty() || options.sections.contains(&section);
    if let (Some(before), Some(after)) = (&options.before, &options.after) {
        let programs = [before.clone(), after.clone()];
        runtime.block_on(pairs::pairs(&programs, wants, &options));
        if wants(Section::Simulation) {
            runtime.block_on(simulation::pairs(data().path(), &programs));
        }
        return;
    }
    // The program is built before anything is timed.
    let _ = beringia_tests::command::beringia();
    runtime.block_on(async {
        if wants(Section::Startup) {
            startup().await;
        }
        if wants(Section::Throughput) {
            throughput(&options).await;
        }
        if wants(Section::Tails) {
            tails::tails(&options).await;
        }
        if wants(Section::Growth) {
            tails::growth(&options).await;
        }
        if wants(Section::Scans) {
            scans::scans(&options).await;
        }
        if wants(Section::Replica) {
            large::replica(&options).await;
        }
        if wants(Section::Large) {
            large::large(&options).await;
        }
        if wants(Section::Tables) {
            tables::tables(options.tables, options.seconds).await;
        }
        if wants(Section::Repair) {
            repair::repair().await;
        }
        if wants(Section::Lag) {
            lag::lag(options.seconds).await;
        }
        if wants(Section::Partition) {
            partition().await;
        }
        if wants(Section::Simulation) {
            simulation::speed(data().path());
        }
        if wants(Section::Swarm) {
            simulation::swarm(options.seeds);
        }
        if wants(Section::Convergence) {
            simulation::convergence(data().path());
        }
        if wants(Section::Overhead) {
            overhead(&options).await;
        }
    });
}

/// A directory for databases on a real disk: that of the build.
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

/// Measures one durable region: 64 connections, items of 1 KiB, random keys.
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
    load(endpoint, REGIONS[0], CONNECTIONS, time, "GetItem", random_get.clone())
        .await
        .report("GetItem, 1 KiB, random keys", "25000 /s");
    load(endpoint, REGIONS[0], 1, time, "GetItem", random_get)
        .await
        .report("GetItem, 1 KiB, random keys, 1 connection", "-");
    println!(
        "{:<44} {:>9} MiB",
        "memory of the process, greatest",
        up.memory_kib().0 / 1024
    );
}

/// Measures convergence after a partition with 100,000 writes on each side.
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

/// Measures writes in one of three regions at full speed, with and without a drill that watches.
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

/// Measures the time from the start of the process to the ready line, and the memory when idle.
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
