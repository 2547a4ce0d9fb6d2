//! `drill`: scenarios in real time, against regions that run or are started for them.

mod bar;
mod run;

use beringia_scenario::Scenario;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    failure::Failure,
    output::{self, Format},
};

/// Play scenarios in real time, against regions that run.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play scenarios in real time: the same files as `beringia sim`, against the regions of a running `up`, against regions that are \
        processes or containers of their own, or against regions that are started for it.\n\n\
        A drill measures RPO, RTO, time to convergence, lag, availability and conflicts, and says whether all that the scenario \
        expects holds. Ctrl-C undoes everything that it did.",
    after_help = "Examples:\n  \
        beringia drill list\n  \
        beringia drill run partition --report out              regions of its own, in memory\n  \
        beringia drill run region-loss --attach                the regions of the `up` that runs, and your application as the load\n\n\
        Exit codes: 0 all that was expected holds; 1 it does not, or the drill was interrupted; 2 wrong input, or cannot start."
)]
pub(crate) struct DrillArguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: DrillAction,
}

/// What can be done with drills.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DrillAction {
    /// List the scenarios that are built in.
    List,
    Run(Box<run::DrillRunArguments>),
}

/// A scenario that is built in.
#[derive(Serialize)]
struct ListedJson<'a> {
    name: &'a str,
    about: &'a str,
    duration_s: f64,
}

/// `drill`.
pub(crate) async fn run(arguments: &DrillArguments, format: Format) -> Result<(), Failure> {
    match &arguments.action {
        DrillAction::List => list(format),
        DrillAction::Run(run) => run::run(run, format).await,
    }
}

fn list(format: Format) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for name in Scenario::shipped_names() {
        let scenario = Scenario::shipped(name)?;
        let duration_s = scenario.duration.as_secs_f64();
        match format {
            Format::Json => output::json(&ListedJson {
                name,
                about: &scenario.about,
                duration_s,
            })?,
            Format::Text => rows.push([name.to_owned(), format!("{duration_s:.0} s"), scenario.about]),
        }
    }
    if format == Format::Text {
        output::table(["SCENARIO", "LASTS", "ABOUT"], rows)?;
    }
    Ok(())
}
