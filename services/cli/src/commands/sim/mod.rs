//! `sim`: scenarios in virtual time.

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
    failure::Failure,
    output::{self, Format},
};

/// Play scenarios in virtual time: whole groups of regions, clients and faults as functions of a seed.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play scenarios in virtual time: whole groups of regions, their clients and what goes wrong, in this process, everything \
        drawn from a seed. An hour of traffic takes seconds to minutes, and the same seed gives the same run, byte for byte.\n\n\
        A scenario is a TOML file, or one of those that are built in; simulations/scenarios/README.md explains the form.",
    after_help = "Examples:\n  \
        beringia sim list                                       the scenarios that are built in\n  \
        beringia sim run partition --report out                 one run, with a page of charts\n  \
        beringia sim run swarm --seeds 0..200                   two hundred different days\n  \
        beringia sim sweep partition --vary link.delay_ms=5,80,320 --vary policy=item,merge\n  \
        beringia sim shrink swarm --seed 17 --out small.toml    the smallest that still fails\n\n\
        Exit codes: 0 all that was expected holds; 1 it does not; 2 a wrong file, or cannot start; 130 interrupted: what had ended by then is \
        printed and written."
)]
pub(crate) struct SimArguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: SimAction,
}

/// What can be done with scenarios; what each is for stands at its arguments, where clap takes it from.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SimAction {
    /// List the scenarios that are built in.
    List,
    Show(show::ShowArguments),
    Run(run::RunArguments),
    Sweep(sweep::SweepArguments),
    Shrink(shrink::ShrinkArguments),
}

/// The seed of a run for which neither the command line nor the scenario names one.
const SEED: u64 = 1;

/// Does what was asked.
pub(crate) fn run(arguments: &SimArguments, format: Format) -> Result<(), Failure> {
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

fn list(format: Format) -> Result<(), Failure> {
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
        Format::Text => output::table(["SCENARIO", "WHAT IT IS ABOUT"], rows),
    }
}

/// Makes the directory of a report, where one is wanted: better to know before than after the work that it cannot be written.
pub(crate) fn prepared(report: Option<&Path>) -> Result<(), Failure> {
    let made = report.map_or(Ok(()), beringia_report::make);
    Ok(made?)
}
