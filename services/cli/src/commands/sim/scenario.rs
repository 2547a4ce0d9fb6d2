//! The argument for a scenario, and for settings that replace those of its file.

use std::path::Path;

use beringia_scenario::Scenario;
use clap::Args;

use crate::{commands::quantity::Expected, error::CommandError};

/// The scenario, and settings that replace those of its file.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScenarioArguments {
    /// The path of a scenario file, or the name of a built-in scenario.
    #[arg(value_name = "FILE|NAME")]
    pub(crate) scenario: String,
    /// Change a setting of the scenario, such as `duration=5m`, `link.loss_percent=1` or
    /// `event.1.lasts=40s`. May be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = parse_assignment)]
    pub(crate) settings: Vec<(String, String)>,
}

/// Loads the scenario, and replaces its settings.
pub(in crate::commands) fn load(arguments: &ScenarioArguments) -> Result<Scenario, CommandError> {
    let name = &arguments.scenario;
    let scenario = if is_file(name) {
        Scenario::load(Path::new(name))
    } else {
        Scenario::shipped(name)
    };
    let scenario = scenario?;
    with(&scenario, &arguments.settings)
}

pub(super) fn with(scenario: &Scenario, settings: &[(String, String)]) -> Result<Scenario, CommandError> {
    let settings = settings.iter().map(|(path, value)| (path.as_str(), value.as_str()));
    Ok(scenario.with(settings)?)
}

pub(super) fn source(name: &str) -> Result<String, CommandError> {
    if is_file(name) {
        return std::fs::read_to_string(name)
            .map_err(|error| CommandError::usage(format!("cannot read {name}: {error}")));
    }
    let text = Scenario::shipped_text(name)?;
    Ok(text.to_owned())
}

/// Whether the argument is a path, and not the name of a built-in scenario.
fn is_file(name: &str) -> bool {
    name.contains(['/', '\\', '.']) || Path::new(name).exists() && Scenario::shipped_text(name).is_err()
}

pub(super) fn parse_assignment(text: &str) -> Result<(String, String), Expected> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err(Expected("a setting and its value, such as duration=5m")),
    }
}
