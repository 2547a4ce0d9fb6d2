//! The slowest durable writes: how long they take, the longest time in which none is acknowledged,
//! and whether a large table makes them slower.

use std::{fs::File, io::Write as _, path::Path, sync::Arc, time::Duration};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_tests::up::Up;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::{
    Options, REGIONS, data,
    load::{Limit, Load, create_table, fill, load, put, quantile_ms},
    spread::Spread,
    without_delay,
};

/// The number of runs.
const RUNS: usize = 5;
/// So many runs are tried: one beside which the disk itself is slow does not count.
const TRIES: usize = 15;
/// The greatest p99 of bare syncs for a run to count, in ms.
const SYNC_MS_MAX: f64 = 2.0;
/// The number of bare syncs before a run, and after it.
const SYNCS: usize = 1_000;
/// The number of keys, and the size of their values, in the run that grows a table.
const GROWN_KEYS: u64 = 10_000_000;
const GROWN_VALUE_BYTES: usize = 256;

/// The p99 of bare syncs of a file in the directory, in ms.
fn sync_ms(directory: &Path) -> f64 {
    let mut file = File::create(directory.join("syncs")).expect("the directory is writable");
    let mut took_us = Histogram::<u64>::new(3).expect("three digits");
    for _ in 0..SYNCS {
        file.write_all(&[1; 4_096]).expect("the file is writable");
        let begun = Instant::now();
        file.sync_data().expect("the disk syncs");
        let _ = took_us.record(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    quantile_ms(&took_us, 0.99)
}

/// Puts items with values of that size under random keys.
async fn puts(up: &Up, connections: usize, limit: Limit, keys: u64, value_bytes: usize) -> Load {
    let (chance, value) = (Arc::new(SeededRandomness::new(1)), "v".repeat(value_bytes));
    let request = move |_| put(chance.below(keys), &value);
    load(
        up.region(REGIONS[0]),
        REGIONS[0],
        connections,
        limit,
        "PutItem",
        request,
    )
    .await
}

fn start(directory: &tempfile::TempDir) -> Up {
    let topology = without_delay(directory, &REGIONS[..1]);
    let database = directory.path().join("db");
    Up::start(&["--topology", &topology, "--data", database.to_str().expect("UTF-8")])
}

/// Measures puts of 1 KiB with 16 and with 64 connections, in five runs each.
pub(crate) async fn tails(options: &Options) {
    let directory = data();
    let up = start(&directory);
    create_table(&up, &[]).await;
    fill(up.region(REGIONS[0]), options.keys).await;
    let time = Limit::Time(Duration::from_secs(options.seconds));
    for (connections, goal_ms) in [(16, 5), (64, 12)] {
        let mut runs = Vec::new();
        let mut before = sync_ms(directory.path());
        for _ in 0..TRIES {
            let run = puts(&up, connections, time, options.keys, 1_000).await;
            let after = sync_ms(directory.path());
            let sync = before.max(after);
            before = after;
            let counts = sync <= SYNC_MS_MAX;
            println!(
                "  {connections} connections: {}, bare sync p99 {sync:.2} ms{}",
                run.latencies(),
                if counts { "" } else { ": not counted" }
            );
            runs.extend(counts.then_some(run));
            if runs.len() == RUNS {
                break;
            }
        }
        if runs.is_empty() {
            println!("PutItem, {connections} connections: the disk is too slow to measure anything else");
            continue;
        }
        let median = |of: fn(&Load) -> f64| Spread::of(runs.iter().map(of)).median();
        println!(
            "PutItem, durable, 1 KiB, {connections:>2} connections          {:>9.0} /s   p50 {:>6.2} ms  p99 {:>6.2} \
             ms   goal p99 {goal_ms} ms   longest gap {:.1} ms, goal 30 ms (medians of {} runs of {} s)",
            median(Load::per_second),
            median(|run| run.latency_ms(0.5)),
            median(|run| run.latency_ms(0.99)),
            median(Load::longest_gap_ms),
            runs.len(),
            options.seconds,
        );
    }
}

/// Measures puts of 256 B under 10 million keys: as the table begins, and after 10 million puts.
pub(crate) async fn growth(options: &Options) {
    let directory = data();
    let up = start(&directory);
    create_table(&up, &[]).await;
    let (time, connections) = (Duration::from_secs(options.seconds), 64);
    let grow = async |limit| puts(&up, connections, limit, GROWN_KEYS, GROWN_VALUE_BYTES).await;
    let first = grow(Limit::Time(time)).await;
    first.report("PutItem, 256 B, an empty table", "-");
    grow(Limit::Requests(GROWN_KEYS.saturating_sub(first.requests))).await;
    let last = grow(Limit::Time(time)).await;
    last.report("PutItem, 256 B, after 10 million puts", "-");
    println!(
        "{:<44} {:>9.2}      goal 0.85",
        "ratio",
        last.per_second() / first.per_second()
    );
    let status = up.control.run(&["status"]);
    let storage = &status[0]["storage"][0];
    println!(
        "{:<44} {:>9}      of {} writes; database {} MiB",
        "log records that are not trimmed yet",
        storage["untrimmed"],
        GROWN_KEYS + last.requests,
        storage["database_bytes"].as_u64().unwrap_or(0) >> 20,
    );
}
