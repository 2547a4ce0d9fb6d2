//! Measures whether the number of tables costs throughput.

use std::{sync::Arc, time::Duration};

use beringia_clock::{Randomness, SeededRandomness};
use beringia_item::RANGES;
use beringia_tests::up::Up;
use serde_json::json;
use tokio::time::Instant;

use super::{
    CONNECTIONS, REGIONS, data,
    load::{Limit, create_streamed, load, put_into},
    without_delay,
};

/// The keys of each table.
const KEYS: u64 = 10_000;
/// The number of tables that are written at first.
const FEW: u64 = 3;

fn name(table: u64) -> String {
    format!("bench-{table:05}")
}

/// Compares PutItem with three global tables and with this many, in one of three regions: writes to
/// the same three, and then to all.
pub(crate) async fn tables(many: u64, seconds: u64) {
    let directory = data();
    let topology = without_delay(&directory, &REGIONS);
    let db = directory.path().join("db");
    let up = Up::start(&["--topology", &topology, "--data", db.to_str().expect("UTF-8")]);
    let time = Limit::Time(Duration::from_secs(seconds));
    let puts = async |tables: u64| {
        let (chance, value) = (Arc::new(SeededRandomness::new(1)), "v".repeat(1000));
        let put = move |_| put_into(&name(chance.below(tables)), chance.below(KEYS), &value);
        load(up.region(REGIONS[0]), REGIONS[0], CONNECTIONS, time, "PutItem", put).await
    };
    create_global(&up, 0..FEW).await;
    let few = puts(FEW).await;
    few.report("PutItem, three global tables", "-");
    let _ = up.control.converge();
    create_global(&up, FEW..many).await;
    let same = puts(FEW).await;
    same.report(&format!("PutItem to three of {many} tables"), "-");
    puts(many).await.report(&format!("PutItem to all {many} tables"), "-");
    println!(
        "{:<44} {:>9.0} %    goal 80 %",
        "kept of the throughput with three",
        100.0 * same.per_second() / few.per_second(),
    );
    verified(&up, many).await;
}

/// Prints how long all ranges of all regions take to verify, one after the other, and how long a
/// round of scrubbing takes at least by that.
async fn verified(up: &Up, many: u64) {
    let converged = up.control.run(&["converge", "--timeout", "600"]);
    assert_eq!(converged.last().expect("a line")["converged"], true, "{converged:?}");
    let began = Instant::now();
    let _ = up.control.run(&["converge", "--verify", "--timeout", "600"]);
    let took = began.elapsed();
    // The catalog and what a region keeps for itself have ranges, too.
    let ranges = (many + 2) * u64::from(RANGES);
    let each = took / u32::try_from(ranges * REGIONS.len() as u64).unwrap_or(u32::MAX);
    println!(
        "{:<44} {:>9.0} us    {} ranges in each region: a round of scrubbing works for {:.1} min, goal at most half of \
         24 h",
        "a range verified",
        each.as_secs_f64() * 1e6,
        ranges,
        each.as_secs_f64() * ranges as f64 / 60.0,
    );
}

/// Creates these tables in the first region, with replicas in the others.
async fn create_global(up: &Up, tables: std::ops::Range<u64>) {
    for table in tables.clone() {
        create_streamed(up, &name(table)).await;
    }
    for region in &REGIONS[1..] {
        for table in tables.clone() {
            let mut connection = beringia_tests::http::Connection::open(up.region(REGIONS[0]), REGIONS[0])
                .await
                .expect("the region is there");
            let replica = json!({"TableName": name(table), "ReplicaUpdates": [{"Create": {"RegionName": region}}]});
            loop {
                let answer = connection.call("UpdateTable", &replica.to_string()).await;
                if answer.expect("an answer").status == 200 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // Also waits until the replicas are active.
        let _ = up.control.run(&["converge", "--timeout", "600"]);
    }
}
