//! What scans of a large table cost others: how long GetItem takes, and how long writes take to
//! another region, alternately with and without scans.

use std::{sync::Arc, time::Duration};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_tests::{http::Connection, up::Up};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Options, REGIONS, data,
    load::{Limit, create_table, create_table_named, fill, get, load, put_into, quantile_ms},
    pairs::PAIRS,
    spread::Spread,
    without_delay,
};

/// The table that both regions have.
const SHIPPED: &str = "shipped";
/// The number of scans at once.
const SCANS: u64 = 4;

/// The p99 of both measurements in ms, and the bytes that scans returned meanwhile.
struct Run {
    get_ms: f64,
    arrival_ms: f64,
    scanned: u64,
}

/// Measures GetItem and arrivals in another region, in pairs of runs with and without scans of a
/// table of `keys` items of 1 KiB.
pub(crate) async fn scans(options: &Options) {
    let directory = data();
    let topology = without_delay(&directory, &REGIONS[..2]);
    let database = directory.path().join("db");
    let up = Up::start(&["--topology", &topology, "--data", database.to_str().expect("UTF-8")]);
    create_table(&up, &[]).await;
    create_table_named(&up, SHIPPED, &REGIONS[1..2]).await;
    fill(up.region(REGIONS[0]), options.keys).await;
    let (mut quiet, mut scanned) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        for scans in [pair % 2 == 0, pair % 2 == 1] {
            let run = run(&up, options, scans).await;
            if scans { &mut scanned } else { &mut quiet }.push(run);
        }
    }
    let bytes: u64 = scanned.iter().map(|run| run.scanned).sum();
    println!(
        "scans: {:.1} MB/s of a table of {} items of 1 KiB",
        bytes as f64 / 1e6 / (options.seconds * PAIRS as u64) as f64,
        options.keys
    );
    print("GetItem, 1 connection", &quiet, &scanned, |run| run.get_ms);
    print("arrival in another region", &quiet, &scanned, |run| run.arrival_ms);
}

fn print(what: &str, quiet: &[Run], scanned: &[Run], of: fn(&Run) -> f64) {
    let ratios = Spread::of(
        quiet
            .iter()
            .zip(scanned)
            .map(|(quiet, scanned)| of(scanned) / of(quiet)),
    );
    println!(
        "{what:<44} p99 {:>6.2} ms, with scans {:>6.2} ms   ratio {:.2}, goal 2 (medians of {PAIRS} pairs; half of the \
         ratios {:.2} to {:.2})",
        Spread::of(quiet.iter().map(of)).median(),
        Spread::of(scanned.iter().map(of)).median(),
        ratios.median(),
        ratios.quartile(1),
        ratios.quartile(3),
    );
}

async fn run(up: &Up, options: &Options, scans: bool) -> Run {
    let time = Duration::from_secs(options.seconds);
    let (endpoint, end) = (up.region(REGIONS[0]), Instant::now() + time);
    let (chance, keys) = (Arc::new(SeededRandomness::new(1)), options.keys);
    let random_get = move |_| get(chance.below(keys));
    let gets = load(endpoint, REGIONS[0], 1, Limit::Time(time), "GetItem", random_get);
    let scans = scans.then(|| (0..SCANS).map(|segment| scan(endpoint, segment, end)));
    let scans = futures_util::future::join_all(scans.into_iter().flatten());
    let (gets, arrivals, scanned) = tokio::join!(gets, arrivals(up, end), scans);
    Run {
        get_ms: gets.latency_ms(0.99),
        arrival_ms: quantile_ms(&arrivals, 0.99),
        scanned: scanned.into_iter().sum(),
    }
}

/// Writes item after item, each when the one before has arrived in the other region. Returns the
/// times from answer to arrival, in µs.
async fn arrivals(up: &Up, end: Instant) -> Histogram<u64> {
    let open = async |region| {
        let connection = Connection::open(up.region(region), region).await;
        connection.expect("the region is there")
    };
    let (mut here, mut there) = (open(REGIONS[0]).await, open(REGIONS[1]).await);
    let mut took_us = Histogram::<u64>::new(3).expect("three digits");
    let mut number = 0;
    while Instant::now() < end {
        let value = format!("{number}-{}", took_us.len());
        let written = here.call("PutItem", &put_into(SHIPPED, 0, &value)).await;
        assert_eq!(written.expect("an answer").status, 200);
        let answered = Instant::now();
        let read = json!({"TableName": SHIPPED, "Key": {"id": {"S": super::load::key(0)}}}).to_string();
        loop {
            let found = there.call("GetItem", &read).await.expect("an answer").json();
            if found["Item"]["value"]["S"] == *value {
                break;
            }
        }
        let _ = took_us.record(u64::try_from(answered.elapsed().as_micros()).unwrap_or(u64::MAX));
        number += 1;
    }
    took_us
}

/// Scans a segment of the table again and again. Returns the bytes of the answers.
async fn scan(endpoint: &str, segment: u64, end: Instant) -> u64 {
    let mut connection = Connection::open(endpoint, REGIONS[0])
        .await
        .expect("the region is there");
    let (mut bytes, mut start) = (0, Value::Null);
    while Instant::now() < end {
        let mut request = json!({"TableName": "bench", "Segment": segment, "TotalSegments": SCANS});
        if !start.is_null() {
            request["ExclusiveStartKey"] = start;
        }
        let answer = connection.call("Scan", &request.to_string()).await.expect("an answer");
        assert_eq!(answer.status, 200);
        bytes += answer.body.len() as u64;
        start = answer.json()["LastEvaluatedKey"].take();
    }
    bytes
}
