//! `sim`: plays scenarios in virtual time.

mod check;
mod features;
pub(super) mod jobs;
pub(super) mod run;
mod runner;
pub(super) mod scenario;
mod show;
mod shrink;
mod sweep;

use std::path::Path;

use beringia_scenario::Scenario;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    error::CommandError,
    output::{self, Format},
};

/// Play scenarios in virtual time: regions, clients and faults, all drawn from a seed.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play scenarios in virtual time: regions, their clients and the faults, all in \
        this process and all drawn from a seed. An hour of traffic takes seconds to minutes, and \
        the same seed gives the same run, byte for byte.\n\n\
        A scenario is a TOML file, or one of the built-in scenarios; \
        simulations/scenarios/README.md describes the format.",
    after_help = "Examples:\n  \
        beringia sim list                                       the built-in scenarios\n  \
        beringia sim run partition --report out                 one run, with a page of charts\n  \
        beringia sim run swarm --seeds 0..200                   two hundred different days\n  \
        beringia sim sweep partition --vary link.delay_ms=5,80,320 --vary policy=item,merge\n  \
        beringia sim shrink swarm --seed 17 --out small.toml    the smallest plan that still fails\n\n\
        Exit codes: 0 all expectations hold; 1 one does not; 2 wrong input, or cannot start; 130 interrupted: the runs that had \
        finished are printed and written."
)]
pub(crate) struct SimArguments {
    /// The action to perform.
    #[command(subcommand)]
    pub(crate) action: SimAction,
}

/// The subcommands of `sim`. The arguments of each carry its help, where clap reads it.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SimAction {
    /// List the built-in scenarios.
    List,
    Show(show::ShowArguments),
    Run(run::RunArguments),
    Sweep(sweep::SweepArguments),
    Shrink(shrink::ShrinkArguments),
}

/// The seed where neither the command line nor the scenario gives one.
const SEED: u64 = 1;

/// Runs the subcommand on this thread.
pub(crate) fn run(arguments: &SimArguments, format: Format) -> Result<(), CommandError> {
    match &arguments.action {
        SimAction::List => list(format),
        SimAction::Show(show) => show::run(show, format),
        SimAction::Run(run) => run::run(run, format),
        SimAction::Sweep(sweep) => sweep::run(sweep, format),
        SimAction::Shrink(shrink) => shrink::run(shrink, format),
    }
}

#[derive(Serialize)]
struct ListedJson<'a> {
    name: &'a str,
    about: &'a str,
}

fn list(format: Format) -> Result<(), CommandError> {
    let mut rows = Vec::new();
    for name in Scenario::shipped_names() {
        let scenario = Scenario::shipped(name)?;
        match format {
            Format::Json => output::json(&ListedJson {
                name,
                about: &scenario.about,
            })?,
            Format::Text => rows.push([name.to_owned(), scenario.about]),
        }
    }
    match format {
        Format::Json => Ok(()),
        Format::Text => output::table(["SCENARIO", "ABOUT"], rows),
    }
}

/// Creates the directory of a report, if one is wanted, before the runs, so that a missing
/// permission shows at once.
pub(crate) fn prepared(report: Option<&Path>) -> Result<(), CommandError> {
    let made = report.map_or(Ok(()), beringia_report::make);
    Ok(made?)
}
