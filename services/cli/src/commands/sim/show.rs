//! `sim show`: prints a scenario's file, or what a seed makes of it.

use std::io::{self, Write as _};

use beringia_scenario::Plan;
use clap::Args;
use serde::Serialize;

use super::scenario::{ScenarioArguments, load, source};
use crate::{
    failure::Failure,
    output::{self, Format},
};

/// Print a scenario's file, or what a seed makes of it.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Print a scenario as a file. With --seed: what that seed makes of it, every random time and fault drawn. Either can be edited \
        and run.",
    after_help = "Examples:\n  beringia sim show partition > mine.toml\n  beringia sim show swarm --seed 17"
)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    /// Show the plan of this seed.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Serialize)]
struct ShownJson<'a> {
    name: &'a str,
    seed: Option<u64>,
    toml: &'a str,
}

pub(super) fn run(arguments: &ShowArguments, format: Format) -> Result<(), Failure> {
    let scenario = load(&arguments.scenario)?;
    let text = match arguments.seed {
        Some(seed) => Plan::draw(&scenario, seed).to_toml(),
        // As it was written, with its comments, where it is what was written.
        None if arguments.scenario.settings.is_empty() => source(&arguments.scenario.scenario)?,
        None => scenario.to_toml(),
    };
    match format {
        Format::Text => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            Ok(out.flush()?)
        }
        Format::Json => output::json(&ShownJson {
            name: &scenario.name,
            seed: arguments.seed,
            toml: &text,
        }),
    }
}
