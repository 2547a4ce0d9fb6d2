//! `drill`: plays scenarios in real time, against regions that already run or are started for the
//! drill.

mod bar;
mod run;

use beringia_scenario::Scenario;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    error::CommandError,
    output::{self, Format},
};

/// Play scenarios in real time, against running regions.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play scenarios in real time: the same files as `beringia sim`, against the \
        regions of a running `up`, against regions that are processes or containers of their own, \
        or against regions that the drill starts itself.\n\n\
        A drill measures RPO, RTO, time to convergence, lag, availability and conflicts, and \
        checks them against the scenario's expectations. Ctrl-C ends a drill and undoes its \
        actions; a database that it deleted stays deleted.",
    after_help = "Examples:\n  \
        beringia drill list\n  \
        beringia drill run partition --report out              start regions in memory for it\n  \
        beringia drill run region-loss --attach                use the running `up`, with your application as the load\n\n\
        Exit codes: 0 all expectations hold; 1 one does not, or the drill was interrupted; 2 wrong input, or cannot start."
)]
pub(crate) struct DrillArguments {
    /// The action to perform.
    #[command(subcommand)]
    pub(crate) action: DrillAction,
}

/// The subcommands of `drill`.
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

/// Lists the scenarios or plays one.
pub(crate) async fn run(arguments: &DrillArguments, format: Format) -> Result<(), CommandError> {
    match &arguments.action {
        DrillAction::List => list(format),
        DrillAction::Run(run) => run::run(run, format).await,
    }
}

fn list(format: Format) -> Result<(), CommandError> {
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
