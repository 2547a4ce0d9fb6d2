//! `sim show`: prints a scenario's file, or the plan that a seed draws from it.

use std::io::{self, Write as _};

use beringia_scenario::Plan;
use clap::Args;
use serde::Serialize;

use super::scenario::{ScenarioArguments, load, source};
use crate::{
    error::CommandError,
    output::{self, Format},
};

/// Print a scenario's file, or the plan that a seed draws from it.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Print a scenario as a file. With --seed, print the plan of that seed: the \
        scenario with every random time and fault drawn. Either can be edited and played.",
    after_help = "Examples:\n  beringia sim show partition > mine.toml\n  beringia sim show swarm --seed 17"
)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    /// Print the plan that this seed draws.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Serialize)]
struct ShownJson<'a> {
    name: &'a str,
    seed: Option<u64>,
    toml: &'a str,
}

pub(super) fn run(arguments: &ShowArguments, format: Format) -> Result<(), CommandError> {
    let scenario = load(&arguments.scenario)?;
    let text = match arguments.seed {
        Some(seed) => Plan::draw(&scenario, seed).to_toml(),
        // Without changed settings: the file as it was written, with its comments.
        None if arguments.scenario.settings.is_empty() && arguments.scenario.profile.is_none() => {
            source(&arguments.scenario.scenario)?
        }
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
