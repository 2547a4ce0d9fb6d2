//! How long it takes until rows that a region has lost are found and repaired, while clients write
//! to the same table in all regions.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_tests::{http::Connection, up::Up};
use tokio::time::Instant;

use super::{
    REGIONS, data,
    load::{Paced, at_rate, beside, create_table, fill, get, put},
    without_delay,
};

/// The number of keys; those below `WRITTEN_FROM` are not written again.
const KEYS: u64 = 100_000;
const WRITTEN_FROM: u64 = 10_000;
/// The keys whose rows are removed.
const LOST: std::ops::Range<u64> = 100..300;
const WRITES_PER_SECOND: u64 = 1_000;

/// Measures from the first write after the restart until all rows are back.
pub(crate) async fn repair() {
    let directory = data();
    let topology = without_delay(&directory, &REGIONS);
    let database = directory.path().join("db");
    let arguments = ["--topology", &topology, "--data", database.to_str().expect("UTF-8")];
    let up = Up::start(&arguments);
    create_table(&up, &REGIONS[1..]).await;
    fill(up.region(REGIONS[0]), KEYS).await;
    let _ = up.control.converge();
    drop(up);
    let file = rusqlite::Connection::open(database.join(format!("{}.db", REGIONS[0]))).expect("the region's file");
    let lost: usize = LOST
        .map(|number| {
            let key = super::load::key(number);
            let delete = "DELETE FROM item WHERE instr(k, CAST(?1 AS BLOB)) > 0";
            file.execute(delete, [key]).expect("the row is removed")
        })
        .sum();
    drop(file);
    let up = Up::start(&arguments);
    let (puts, took) = beside_puts(&up, repaired(&up)).await;
    println!(
        "{:<44} {:>9.1} s     goal 60 s; {} in each of {} regions meanwhile",
        format!("{lost} lost rows repaired"),
        took.as_secs_f64(),
        puts.in_each(took),
        REGIONS.len(),
    );
    let (puts, ()) = beside_puts(&up, tokio::time::sleep(took)).await;
    println!("{:<44}             {}", "the same time afterwards", puts.in_each(took));
}

/// Runs `what` beside puts to other keys in all regions. Returns the latencies of the puts, too.
async fn beside_puts<T>(up: &Up, what: impl Future<Output = T>) -> (Paced, T) {
    let writes = |goes_on: Rc<Cell<bool>>| {
        let of_region = |region| {
            let (goes_on, chance, value) = (goes_on.clone(), Arc::new(SeededRandomness::new(1)), "v".repeat(1000));
            let put = move |_| put(WRITTEN_FROM + chance.below(KEYS - WRITTEN_FROM), &value);
            let goes_on = move |_| goes_on.get();
            at_rate(up.region(region), region, WRITES_PER_SECOND, goes_on, "PutItem", put)
        };
        futures_util::future::join_all(REGIONS.map(of_region))
    };
    let (written, done) = beside(writes, what).await;
    let all = written.into_iter().reduce(|mut all, of| {
        all.latency_us.add(of.latency_us).expect("alike");
        all
    });
    (all.expect("there are regions"), done)
}

impl Paced {
    /// The rate in each region and the latencies.
    fn in_each(&self, time: Duration) -> String {
        format!(
            "{:.0} puts/s, p50 {:.2} ms, p99 {:.2} ms",
            self.latency_us.len() as f64 / time.as_secs_f64() / REGIONS.len() as f64,
            self.latency_ms(0.5),
            self.latency_ms(0.99),
        )
    }
}

/// Reads the lost items until all are there, and returns how long that took.
async fn repaired(up: &Up) -> Duration {
    let began = Instant::now();
    let mut connection = Connection::open(up.region(REGIONS[0]), REGIONS[0])
        .await
        .expect("the region is there");
    for number in LOST {
        loop {
            let answer = connection.call("GetItem", &get(number)).await.expect("an answer");
            if !answer.json()["Item"].is_null() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    began.elapsed()
}
