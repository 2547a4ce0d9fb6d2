//! Measures replication lag at a steady rate of writes.

use beringia_tests::up::Up;
use serde_json::Value;

use super::{
    REGIONS, data,
    load::{at_rate, create_table},
    without_delay,
};

/// The rate of writes in each region.
const PER_SECOND: u64 = 1000;

/// Measures 1,000 writes a second in each of three regions: without delay, then with the delays of
/// `regions/three.toml`.
pub(crate) async fn lag(seconds: u64) {
    let seconds = seconds.max(30);
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
        let writers = REGIONS.map(|region| write(&up, region, seconds));
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

/// Prints the lag for each pair of regions, from a write's version time to its commit in the other
/// region.
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

/// Writes new items at a steady rate. Returns the number of writes and the slowest answer in
/// milliseconds.
async fn write(up: &Up, region: &'static str, seconds: u64) -> (u64, f64) {
    let (value, total) = ("v".repeat(1000), PER_SECOND * seconds);
    let request = move |number: u64| {
        format!(r#"{{"TableName":"bench","Item":{{"id":{{"S":"{region}-{number}"}},"value":{{"S":"{value}"}}}}}}"#)
    };
    let goes_on = move |number| number < total;
    let done = at_rate(up.region(region), region, PER_SECOND, goes_on, "PutItem", request).await;
    (done.latency_us.len(), done.latency_us.max() as f64 / 1000.0)
}
