//! Runs the first scenario with a seed, and prints what happened: the same for the same seed, byte for byte.

use std::{
    io::{self, Write},
    process::{ExitCode, exit},
    time::Duration,
};

use beringia_simulator::{
    Stuck, in_virtual_time,
    partition::{PartitionConfig, run},
};

/// How long virtual time may stand still: far longer than anything takes between two timers.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let Some(seed) = std::env::args().nth(1).unwrap_or_else(|| "1".to_owned()).parse().ok() else {
        return fail("usage: simulate [SEED], where SEED is a number from 0 to 2^64 - 1");
    };
    let on_stuck = move |Stuck {
                             name,
                             virtual_ms,
                             for_at_least,
                         }: Stuck| {
        let since = for_at_least.as_secs();
        fail(&format!(
            "{name}: virtual time stands still at {virtual_ms} ms for {since} s: a task computes without end or blocks the \
             thread\nreplay: cargo run -p beringia-simulator --bin simulate -- {seed}"
        ));
        exit(3);
    };
    let config = PartitionConfig::new(seed);
    match in_virtual_time("partition", PATIENCE, on_stuck, run(&config)) {
        Ok(report) => {
            // Nobody reads on: then there is nobody to tell either.
            let _ = write!(io::stdout().lock(), "{report}");
            if report.violations.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => fail(&format!(
            "{error}\nreplay: cargo run -p beringia-simulator --bin simulate -- {seed}"
        )),
    }
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "{message}");
    ExitCode::from(2)
}
