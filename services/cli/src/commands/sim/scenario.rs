//! The argument for a scenario, and for settings that replace those of its file.

use std::path::Path;

use beringia_scenario::{Scenario, SwarmProfile, What};
use clap::{Args, builder::PossibleValuesParser};

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
    /// Draw the faults of a swarm from these features: `basic` (links, crashes, pauses, slow and
    /// full disks, small errors of clocks), `disks` (lost disks, restored snapshots), `tables`
    /// (replicas that come and go or are dropped, drains, expiry, tables that are created and
    /// deleted), `clocks` (within and beyond the accepted offset), or `everything`. All but `basic`
    /// leave features out by the seed.
    #[arg(long, value_name = "PROFILE", value_parser = PossibleValuesParser::new(SwarmProfile::ALL.map(SwarmProfile::name)))]
    pub(crate) profile: Option<String>,
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
    let mut settings = arguments.settings.clone();
    if let Some(profile) = &arguments.profile {
        settings.extend(profiles(&scenario, profile)?);
    }
    with(&scenario, &settings)
}

/// The settings that give every swarm of the scenario this profile.
fn profiles(scenario: &Scenario, profile: &str) -> Result<Vec<(String, String)>, CommandError> {
    let events = scenario.events.iter().enumerate();
    let swarms = events.filter(|(_, event)| matches!(event.what, What::Swarm { .. }));
    let settings: Vec<_> = swarms
        .map(|(index, _)| (format!("event.{}.profile", index + 1), profile.to_owned()))
        .collect();
    if settings.is_empty() {
        let name = &scenario.name;
        return Err(CommandError::usage(format!(
            "{name} has no swarm, so it has no profile (choose swarm, or a file with an event such as swarm = 30)"
        )));
    }
    Ok(settings)
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
