//! Runs a shipped scenario with a seed, and prints what happened: the same for the same seed, byte for byte.

use std::{
    io::{self, Write},
    process::{ExitCode, exit},
    time::Duration,
};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{in_virtual_time, run};

/// How long virtual time may stand still: far longer than anything takes between two timers.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(plan) = plan(&arguments) else {
        return fail("usage: simulate SCENARIO SEED, where SEED is a number from 0 to 2^64 - 1");
    };
    let name = plan.scenario.name.clone();
    let stuck_name = name.clone();
    let on_stuck = move |stuck| {
        fail(&format!("{stuck_name}: {stuck:?}"));
        exit(3);
    };
    match in_virtual_time(&name, PATIENCE, on_stuck, run(&plan)) {
        Ok(outcome) => {
            let mut out = io::stdout().lock();
            for line in &outcome.trace {
                // Nobody reads on: then there is nobody to tell either.
                let _ = writeln!(out, "{line}");
            }
            let _ = write!(out, "{}", beringia_report::summary(&outcome.run));
            if outcome.run.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn plan(arguments: &[String]) -> Option<Plan> {
    let [name, seed] = arguments else { return None };
    let scenario = Scenario::shipped(name)?;
    Some(Plan::draw(&scenario, seed.parse().ok()?))
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "{message}");
    ExitCode::from(2)
}
