//! Helpers that read scenarios in tests.

use std::path::Path;

use beringia_regions::form::FileError;
use beringia_scenario::{Plan, Scenario, ScenarioError, ScenarioProblem};

pub(crate) fn parse(text: &str) -> Scenario {
    match Scenario::parse(text, Path::new("test.toml")) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{error}\n{text}"),
    }
}

/// The place and the problem of an invalid scenario.
pub(crate) fn refused(text: &str) -> (usize, usize, ScenarioProblem) {
    match Scenario::parse(text, Path::new("test.toml")) {
        Err(ScenarioError::File(FileError::Invalid {
            file,
            line,
            column,
            problem,
        })) => {
            assert_eq!(file, Path::new("test.toml"));
            (line, column, problem)
        }
        other => panic!("expected an invalid scenario, got {other:?}"),
    }
}

/// A plan's timeline with a line per action.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    let line = |planned: &beringia_scenario::Planned| format!("{} {}", planned.at.as_millis(), planned.action);
    plan.timeline.iter().map(line).collect()
}
