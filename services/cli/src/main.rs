//! The `beringia` command: starts regions, and watches and steers them while they run.

mod arguments;
mod commands;
mod explanation;
mod failure;
mod journal;
mod logging;
mod output;
mod presentation;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    arguments::{Arguments, Command},
    failure::Failure,
};

/// Takes a sixth of the time of the C library's, which shows in simulations and while regions catch up (`.cargo/config.toml` says how it is built).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// More workers than this only spread the memory: each region commits on one thread of its own.
const WORKERS_MAX: usize = 8;
/// Long reads of all regions at once; further ones wait.
const BLOCKING_THREADS_MAX: usize = 32;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::OutputClosed) {
                output::note(&format!("error: {failure}"));
            }
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    // Simulated regions are meant to get into trouble, and at no time that a log record could say.
    let usual = if matches!(arguments.command, Command::Sim(_)) {
        "off"
    } else {
        "warn"
    };
    logging::start(arguments.log.as_deref().unwrap_or(usual))?;
    let format = arguments.format;
    match arguments.command {
        Command::Up(up) => serve(commands::serve::up(up, format)),
        Command::Region(region) => serve(commands::serve::region(region, format)),
        Command::Status(status) => ask(commands::status::run(&status, format)),
        Command::Net(net) => ask(commands::net::run(net, format)),
        Command::Drain(drain) => ask(commands::drain::run(&drain, format)),
        Command::Undrain(undrain) => ask(commands::drain::undo(&undrain, format)),
        Command::RegionFail(fail) => ask(commands::recovery::fail(&fail, format)),
        Command::RegionRecover(recover) => ask(commands::recovery::recover(&recover, format)),
        Command::Converge(converge) => ask(commands::converge::run(&converge, format)),
        Command::Conflicts(conflicts) => ask(commands::conflicts::run(&conflicts, format)),
        Command::Explain(explain) => ask(commands::explain::run(&explain, format)),
        Command::Record(record) => ask(commands::record::run(&record, format)),
        Command::Sim(sim) => commands::sim::run(&sim, format),
        Command::Drill(drill) => serve(commands::drill::run(&drill, format)),
    }
}

/// Runs a command that only talks to control services.
fn ask(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::wrong(format!("cannot start: {error}")))?;
    runtime.block_on(command)
}

/// Runs regions until a signal ends them.
fn serve(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let workers = std::thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .clamp(2, WORKERS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(|error| Failure::wrong(format!("cannot start: {error}")))?;
    let result = runtime.block_on(command);
    // Whatever is still under way was given its time by the shutdown, or is not to be waited for.
    runtime.shutdown_background();
    result
}
