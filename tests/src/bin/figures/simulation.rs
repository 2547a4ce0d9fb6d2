//! Figures of simulations and drills: how fast a run is, how many seeds fit into ten minutes, and
//! how close convergence comes to what links and disks allow.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use beringia_tests::command::beringia;
use serde_json::Value;
use tokio::time::Instant;

use crate::{pairs::Compared, spread::Spread};

/// A minute of a partition at 1,000 writes a second in each region.
const PARTITION: &str = r#"
about = "A minute without the others, under load."
topology = "three"
duration = "75s"
[[workload]]
kind = "mixed"
put_percent = 60
update_percent = 40
delete_percent = 0
rate = 1000
clients = 64
keys = 10000
[[event]]
at = "5s"
lasts = "60s"
isolate = "eu-west-1"
"#;

/// The number of runs in which the speed of a simulation is measured; odd, so that there is a
/// median.
const SPEED_RUNS: usize = 7;

/// A scenario with three regions and 100 writes a second each. `puts` percent are puts and the rest
/// updates; `choice` selects the keys.
fn writes(puts: u32, choice: &str) -> String {
    format!(
        r#"
about = "Writes and nothing else."
topology = "three"
duration = "60s"
[[workload]]
kind = "mixed"
put_percent = {puts}
update_percent = {}
delete_percent = 0
rate = 100
keys = 1000
choice = "{choice}"
"#,
        100 - puts
    )
}

/// The scenarios whose simulation speed is measured, on one core: one with puts of whole items, and
/// one with updates of keys that are chosen unevenly, so that a quarter of the writes conflict.
fn scenarios(directory: &Path) -> [(&'static str, String); 2] {
    [
        (
            "three regions, 100 puts/s each, one core",
            "puts",
            writes(100, "uniform"),
        ),
        (
            "the same, puts and updates, zipfian keys",
            "updates",
            writes(60, "zipfian"),
        ),
    ]
    .map(|(what, name, text)| (what, written(directory, &format!("{name}.toml"), &text)))
}

/// Measures simulated seconds per second.
fn speed_of(program: &Path, scenario: &str, more: &[&str]) -> f64 {
    let arguments = [&["sim", "run", scenario, "--jobs", "1"], more].concat();
    let (took, run) = timed(program, &arguments);
    number(&run, "total_ms") / 1000.0 / took.as_secs_f64()
}

/// Prints simulated seconds per second on each storage backend.
pub(crate) fn speed(directory: &Path) {
    for (what, scenario) in scenarios(directory) {
        for store in ["sqlite", "memory"] {
            let speed = |_| speed_of(&beringia(), &scenario, &["--store", store]);
            // The first run is slower, because the program must be loaded into memory.
            let speeds = Spread::of((0..=SPEED_RUNS).map(speed).skip(1));
            println!(
                "{what:<44} {:>9.1} simulated s per s   ({store}; median of {SPEED_RUNS} runs, {:.1} to {:.1})   goal 50",
                speeds.median(),
                speeds.least(),
                speeds.greatest(),
            );
        }
    }
}

/// Compares simulated seconds per second of two builds on the default backend, and prints how much
/// faster the second build is on the other backend.
pub(crate) async fn pairs(directory: &Path, programs: &[PathBuf; 2]) {
    for (what, scenario) in scenarios(directory) {
        let compared = Compared::run(async |place: usize| speed_of(&programs[place], &scenario, &[]));
        compared.await.print(what, "s/s");
        let stores = ["sqlite", "memory"];
        let compared =
            Compared::run(async |place: usize| speed_of(&programs[1], &scenario, &["--store", stores[place]]));
        compared
            .await
            .print("  the second build, in SQLite and in memory", "s/s");
    }
}

/// Prints how many seeds of `swarm` fit into ten minutes, and whether any of them breaks a promise.
pub(crate) fn swarm(count: u64) {
    let seeds = format!("0..{count}");
    let began = Instant::now();
    let output = command(&beringia(), &["sim", "run", "swarm", "--seeds", &seeds, "--jobs", "2"]);
    let in_ten_minutes = count as f64 * 600.0 / began.elapsed().as_secs_f64();
    println!(
        "{:<44} {in_ten_minutes:>9.0} seeds in 10 min  goal 200  ({count} played, {})",
        "swarm, 60 simulated s, two jobs",
        if output.status.success() {
            "all hold"
        } else {
            "NOT ALL HOLD"
        },
    );
}

/// Measures convergence in real time: a minute without one region at 1,000 writes a second in each,
/// then the time until all are equal.
pub(crate) fn convergence(directory: &Path) {
    let scenario = written(directory, "minute.toml", PARTITION);
    let (_, run) = timed(&beringia(), &["drill", "run", &scenario]);
    let convergences = run["convergences"].as_array().into_iter().flatten();
    // At the end of the load nothing is left to do, so there is nothing to compare.
    let is_of_heal = |convergence: &&Value| {
        convergence["after"]
            .as_str()
            .is_some_and(|after| after.starts_with("heal"))
    };
    for convergence in convergences.filter(is_of_heal) {
        let (elapsed_ms, bound_ms) = (number(convergence, "elapsed_ms"), number(convergence, "bound_ms"));
        println!(
            "converged after {:<28} {elapsed_ms:>9.0} ms   bound {bound_ms:.0} ms, ratio {:.2}   goal 1.5",
            convergence["after"].as_str().unwrap_or_default(),
            elapsed_ms / bound_ms,
        );
    }
}

fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("the directory is writable");
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn command(program: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).args(["--format", "json"]);
    command.output().expect("beringia starts")
}

/// Runs one seed, and returns how long it took and its JSON report. Unmet expectations are in the
/// report.
fn timed(program: &Path, arguments: &[&str]) -> (Duration, Value) {
    let began = Instant::now();
    let output = command(program, arguments);
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let run = text.lines().find_map(|line| serde_json::from_str(line).ok());
    (
        took,
        run.unwrap_or_else(|| {
            panic!(
                "{arguments:?} printed no JSON: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        }),
    )
}

fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or(f64::NAN)
}
