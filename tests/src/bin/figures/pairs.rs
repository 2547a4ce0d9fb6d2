//! Compares two builds of the program: the throughput of the most frequent operations, in
//! interleaved pairs of runs, so that other work on the machine affects both alike.

use std::{path::PathBuf, sync::Arc, time::Duration};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_tests::up::Up;

use super::{
    Options, REGIONS, Section, data,
    load::{INDEXED, Limit, create_indexed_table, create_table, fill, get, key, load, put},
    spread::Spread,
    without_delay,
};

/// The number of pairs of runs; odd, so that there is a median.
pub(crate) const PAIRS: usize = 11;

/// The requests of one operation, by number.
type Requests = Arc<dyn Fn(u64) -> String>;

/// The loads, each with its section, its operation and its requests: random keys out of `keys`,
/// items of 1 KiB.
fn loads(keys: u64) -> [(Section, &'static str, Requests); 4] {
    let value = "v".repeat(1000);
    let chance = Arc::new(SeededRandomness::new(1));
    let [of_put, of_update, of_get, of_indexed] = [(); 4].map(|()| Arc::clone(&chance));
    let indexed_value = value.clone();
    // A put moves an item to another place in the index.
    let indexed = move |_| {
        format!(
            r#"{{"TableName":"{INDEXED}","Item":{{"id":{{"S":"{}"}},"group":{{"S":"{}"}},"value":{{"S":"{indexed_value}"}}}}}}"#,
            key(of_indexed.below(keys)),
            of_indexed.below(1000),
        )
    };
    let update = move |number: u64| {
        format!(
            r#"{{"TableName":"bench","Key":{{"id":{{"S":"{}"}}}},"UpdateExpression":"SET c = :c","ExpressionAttributeValues":{{":c":{{"N":"{number}"}}}}}}"#,
            key(of_update.below(keys))
        )
    };
    [
        (
            Section::PutItem,
            "PutItem",
            Arc::new(move |_| put(of_put.below(keys), &value)),
        ),
        (Section::UpdateItem, "UpdateItem", Arc::new(update)),
        (Section::GetItem, "GetItem", Arc::new(move |_| get(of_get.below(keys)))),
        (Section::PutIndexed, "PutItem", Arc::new(indexed)),
    ]
}

/// The results of both builds, run by run.
#[derive(Default)]
pub(crate) struct Compared([Vec<f64>; 2]);

impl Compared {
    /// Runs both builds in interleaved pairs. Each goes first equally often.
    pub(crate) async fn run(mut measure: impl AsyncFnMut(usize) -> f64) -> Self {
        let mut rates = Self::default();
        for pair in 0..PAIRS {
            for place in [pair % 2, 1 - pair % 2] {
                rates.0[place].push(measure(place).await);
            }
        }
        rates
    }

    /// Prints the medians of both builds and of the pairs' ratios.
    pub(crate) fn print(self, what: &str, unit: &str) {
        let [before, after] = self.0;
        let ratios = Spread::of(before.iter().zip(&after).map(|(before, after)| after / before));
        println!(
            "{what:<44} before {:>8.1} {unit}   after {:>8.1} {unit}   ratio {:.3} (medians of {PAIRS} pairs; half of \
             the ratios {:.3} to {:.3})",
            Spread::of(before).median(),
            Spread::of(after).median(),
            ratios.median(),
            ratios.quartile(1),
            ratios.quartile(3),
        );
    }
}

/// Runs both programs, each with one durable region of `keys` items, and compares the selected
/// loads.
pub(crate) async fn pairs(programs: &[PathBuf; 2], wants: impl Fn(Section) -> bool, options: &Options) {
    let (keys, seconds, connections) = (options.keys, options.seconds, options.connections);
    let wanted: Vec<_> = loads(keys)
        .into_iter()
        .filter(|(section, ..)| wants(*section))
        .collect();
    if wanted.is_empty() {
        return;
    }
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
    for (section, operation, requests) in wanted {
        if section == Section::PutIndexed {
            for up in &running {
                create_indexed_table(up).await;
            }
        }
        let compared = Compared::run(async |place: usize| {
            let requests = Arc::clone(&requests);
            let request = move |number| requests(number);
            let endpoint = running[place].region(REGIONS[0]);
            let done = load(endpoint, REGIONS[0], connections, time, operation, request).await;
            done.per_second()
        });
        compared.await.print(
            &format!("{section:?}, {connections} connections, runs of {seconds} s"),
            "/s",
        );
    }
}
