//! `sim`: scenarios in virtual time.

pub(crate) mod arguments;
pub(crate) mod jobs;
pub(crate) mod run;
mod runner;
mod shrink;
mod sweep;

use std::{
    io::{self, Write as _},
    path::Path,
};

use beringia_scenario::{Plan, Scenario};
use serde::Serialize;

use self::arguments::{ScenarioArguments, ShowArguments, SimAction, SimArguments};
use crate::{
    failure::Failure,
    output::{self, Format},
};

/// The seed of a run for which neither the command line nor the scenario names one.
pub(crate) const SEED: u64 = 1;

/// Does what was asked.
pub(crate) fn run(arguments: &SimArguments, format: Format) -> Result<(), Failure> {
    match &arguments.action {
        SimAction::List => list(format),
        SimAction::Show(show) => self::show(show, format),
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
        let scenario = Scenario::shipped(name).map_err(|error| Failure::wrong(error.to_string()))?;
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

#[derive(Serialize)]
struct ShownJson<'a> {
    name: &'a str,
    seed: Option<u64>,
    toml: &'a str,
}

fn show(arguments: &ShowArguments, format: Format) -> Result<(), Failure> {
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

/// The scenario that is meant, with its settings changed.
pub(crate) fn load(arguments: &ScenarioArguments) -> Result<Scenario, Failure> {
    let name = &arguments.scenario;
    let scenario = if is_file(name) {
        Scenario::load(Path::new(name))
    } else {
        Scenario::shipped(name)
    };
    let scenario = scenario.map_err(|error| Failure::wrong(error.to_string()))?;
    with(&scenario, &arguments.settings)
}

/// Makes the directory of a report, where one is wanted: better to know before than after the work that it cannot be written.
pub(crate) fn prepared(report: Option<&Path>) -> Result<(), Failure> {
    let made = report.map_or(Ok(()), beringia_report::make);
    made.map_err(|error| Failure::wrong(error.to_string()))
}

fn with(scenario: &Scenario, settings: &[(String, String)]) -> Result<Scenario, Failure> {
    let settings = settings.iter().map(|(path, value)| (path.as_str(), value.as_str()));
    scenario
        .with(settings)
        .map_err(|error| Failure::wrong(error.to_string()))
}

fn source(name: &str) -> Result<String, Failure> {
    if is_file(name) {
        return std::fs::read_to_string(name).map_err(|error| Failure::wrong(format!("cannot read {name}: {error}")));
    }
    let text = Scenario::shipped_text(name).map_err(|error| Failure::wrong(error.to_string()))?;
    Ok(text.to_owned())
}

/// Whether a path is meant, and not the name of a scenario that is built in.
fn is_file(name: &str) -> bool {
    name.contains(['/', '\\', '.']) || Path::new(name).exists() && Scenario::shipped_text(name).is_err()
}
