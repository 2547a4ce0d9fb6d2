//! Two builds of the program against each other: throughput of the operations that most requests are, in
//! interleaved pairs of runs, so that what else the machine does meets both alike.

use std::{path::PathBuf, sync::Arc, time::Duration};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_tests::up::Up;

use super::{CONNECTIONS, Limit, REGIONS, create_table, data, fill, get, key, load, put, without_delay};

/// Pairs of runs; odd, so that there is a median.
const PAIRS: usize = 11;

/// Requests by their number, of one operation.
type Requests = Arc<dyn Fn(u64) -> String>;

/// The operations, and what is asked of each: random keys of so many, items of 1 KiB.
fn operations(keys: u64) -> [(&'static str, Requests); 3] {
    let value = "v".repeat(1000);
    let chance = Arc::new(SeededRandomness::new(1));
    let [of_put, of_update, of_get] = [(); 3].map(|()| Arc::clone(&chance));
    let update = move |number: u64| {
        format!(
            r#"{{"TableName":"bench","Key":{{"id":{{"S":"{}"}}}},"UpdateExpression":"SET c = :c","ExpressionAttributeValues":{{":c":{{"N":"{number}"}}}}}}"#,
            key(of_update.below(keys))
        )
    };
    [
        ("PutItem", Arc::new(move |_| put(of_put.below(keys), &value))),
        ("UpdateItem", Arc::new(update)),
        ("GetItem", Arc::new(move |_| get(of_get.below(keys)))),
    ]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs both programs, each with one durable region of so many items, and prints for each operation that is wanted
/// the medians of both and of the ratios of the pairs.
pub(crate) async fn pairs(programs: &[PathBuf; 2], wants: impl Fn(&str) -> bool, keys: u64, seconds: u64) {
    let directory = data();
    let topology = without_delay(&directory, &REGIONS[..1]);
    let mut running = Vec::new();
    for (place, program) in programs.iter().enumerate() {
        let database = directory.path().join(format!("db-{place}"));
        let database = database.to_str().expect("UTF-8");
        let up = Up::start_program(program, &["--topology", &topology, "--data", database]);
        create_table(&up, &[]).await;
        fill(up.region(REGIONS[0]), keys).await;
        running.push(up);
    }
    let time = Limit::Time(Duration::from_secs(seconds));
    for (operation, requests) in operations(keys).into_iter().filter(|(operation, _)| wants(operation)) {
        let mut rates = [Vec::new(), Vec::new()];
        for pair in 0..PAIRS {
            // Each goes first as often as the other.
            for place in [pair % 2, 1 - pair % 2] {
                let requests = Arc::clone(&requests);
                let request = move |number| requests(number);
                let endpoint = running[place].region(REGIONS[0]);
                let done = load(endpoint, REGIONS[0], CONNECTIONS, time, operation, request).await;
                rates[place].push(done.per_second());
            }
        }
        let ratios = rates[0].iter().zip(&rates[1]).map(|(before, after)| after / before);
        println!(
            "{operation:<12} before {:>8.0} /s   after {:>8.0} /s   ratio {:.3} (medians of {PAIRS} pairs of {seconds} s)",
            median(rates[0].clone()),
            median(rates[1].clone()),
            median(ratios.collect()),
        );
    }
}
