//! Runs a scenario with a seed, and prints what happened: the same for the same seed, byte for byte.

use std::{
    io::{self, Write},
    process::{ExitCode, exit},
    time::Duration,
};

use beringia_simulator::{Stuck, in_virtual_time, scenario::Scenario, scenarios};

/// How long virtual time may stand still: far longer than anything takes between two timers.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(scenario) = scenario(&arguments) else {
        return fail("usage: simulate partition|storm SEED, where SEED is a number from 0 to 2^64 - 1");
    };
    let replay = format!(
        "replay: cargo run -p beringia-simulator --bin simulate -- {}",
        arguments.join(" ")
    );
    let hint = replay.clone();
    let on_stuck = move |Stuck {
                             name,
                             virtual_ms,
                             for_at_least,
                         }: Stuck| {
        let since = for_at_least.as_secs();
        fail(&format!(
            "{name}: virtual time stands still at {virtual_ms} ms for {since} s: a task computes without end or blocks the \
             thread\n{hint}"
        ));
        exit(3);
    };
    match in_virtual_time(&scenario.name, PATIENCE, on_stuck, scenario.run()) {
        Ok(report) => {
            // Nobody reads on: then there is nobody to tell either.
            let _ = write!(io::stdout().lock(), "{report}");
            if report.violations.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => fail(&format!("{error}\n{replay}")),
    }
}

fn scenario(arguments: &[String]) -> Option<Scenario> {
    let [name, seed] = arguments else { return None };
    let seed = seed.parse().ok()?;
    match name.as_str() {
        "partition" => Some(scenarios::partition(seed)),
        "storm" => Some(scenarios::storm(seed)),
        _ => None,
    }
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "{message}");
    ExitCode::from(2)
}
