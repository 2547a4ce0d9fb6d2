//! `sim sweep`: plays a scenario for every combination of some settings, and compares the runs.

use std::path::PathBuf;

use beringia_report::Comparison;
use clap::Args;

use super::{
    jobs::{PlayArguments, count, failures, job, play_all, seeds},
    prepared,
    runner::Ending,
    scenario::{ScenarioArguments, load, parse_assignment, with},
};
use crate::{
    commands::quantity::Expected,
    error::CommandError,
    output::{self, Format},
    style::verdicts,
};

/// Play a scenario for every combination of some settings, and compare the runs.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play a scenario for every combination of the values of some settings, and \
        compare conflicts, lost updates, convergence, lag and bytes. `beringia sim sweep FILE \
        --vary nothing=1` fails with a list of the settings that the scenario has.",
    after_help = "Examples:\n  \
        beringia sim sweep partition --vary link.delay_ms=5,20,80,320\n  \
        beringia sim sweep split-brain --vary policy=item,attribute,merge --seeds 0..5\n  \
        beringia sim sweep partition --vary event.1.lasts=5s,10s,20s --vary workload.rate=10,40 --report out"
)]
pub(crate) struct SweepArguments {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    /// A setting and its values. Given several times: every combination.
    #[arg(long, value_name = "PATH=VALUE,…", required = true, value_parser = parse_variation)]
    pub(crate) vary: Vec<Variation>,
    #[command(flatten)]
    pub(crate) play: PlayArguments,
    /// Write the comparison into this directory: a page of charts, and its numbers as JSON and CSV,
    /// a line for each run. For the page of a single run, use `sim run --set PATH=VALUE --report
    /// DIR`.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
}

/// A setting that a sweep varies, as `--vary PATH=VALUE,…` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variation {
    /// The path of the setting, as --set takes it.
    pub(crate) path: String,
    /// Its values, at least one.
    pub(crate) values: Vec<String>,
}

fn parse_variation(text: &str) -> Result<Variation, Expected> {
    let expected = || Expected("a setting and its values, such as link.delay_ms=5,20,80");
    let (path, values) = parse_assignment(text).map_err(|_| expected())?;
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    if values.iter().any(String::is_empty) {
        return Err(expected());
    }
    Ok(Variation { path, values })
}

pub(super) fn run(arguments: &SweepArguments, format: Format) -> Result<(), CommandError> {
    let scenario = load(&arguments.scenario)?;
    let seeds = seeds(&arguments.play.seeds, &scenario);
    // Every combination is checked before the first run, so that a wrong value does not show after
    // hours.
    let points = grid(&arguments.vary)
        .into_iter()
        .map(|point| Ok((with(&scenario, &point)?, point)))
        .collect::<Result<Vec<_>, CommandError>>()?;
    for (varied, _) in &points {
        arguments.play.store.check(varied)?;
    }
    prepared(arguments.report.as_deref())?;
    let runs = count(&seeds).saturating_mul(points.len() as u64);
    let jobs = points.iter().flat_map(|(varied, point)| {
        let seeds = seeds.clone();
        seeds.map(move |seed| job(&arguments.scenario, &arguments.play.store, point, varied, seed))
    });
    let paths = arguments.vary.iter().map(|variation| variation.path.clone()).collect();
    let mut compared = Comparison::new(&scenario.name, paths);
    let mut broken = Vec::new();
    let mut ended = 0_u64;
    let ending = play_all(jobs, runs, &arguments.play.jobs, &scenario.name, |job, played| {
        ended += 1;
        match played {
            Ok(outcome) => {
                compared.add(job.values.clone(), &outcome.run);
                let failures = failures(&outcome.run);
                if !failures.is_empty() {
                    let text = format!("✗ {}\n  again: {}", failures.join("\n✗ "), job.replay);
                    output::note(&verdicts(&text));
                }
            }
            Err(error) => {
                output::note(&verdicts(&format!("✗ {error}\n  again: {}", job.replay)));
                broken.push(job.replay.clone());
            }
        }
        Ok(())
    })?;
    let page = match &arguments.report {
        Some(directory) if !compared.runs.is_empty() => Some(compared.write(directory)?),
        _ => None,
    };
    match format {
        Format::Json => output::json(&compared)?,
        Format::Text => {
            output::line(&compared.table())?;
            if let Some(page) = page {
                output::line(&format!("\nreport: {}", page.display()))?;
            }
        }
    }
    if ending == Ending::Stopped {
        return Err(CommandError::Unfinished(format!("{ended} of {runs} runs were played")));
    }
    let failed = compared.runs.iter().filter(|run| !run.holds).count() + broken.len();
    if failed == 0 {
        return Ok(());
    }
    Err(CommandError::CheckFailed(format!("{failed} of {runs} runs failed")))
}

/// Every combination, the last setting changing fastest.
fn grid(vary: &[Variation]) -> Vec<Vec<(String, String)>> {
    let mut points = vec![Vec::new()];
    for variation in vary {
        let extended = |point: &Vec<(String, String)>| {
            let with = |value: &String| {
                let mut point = point.clone();
                point.push((variation.path.clone(), value.clone()));
                point
            };
            variation.values.iter().map(with).collect::<Vec<_>>()
        };
        points = points.iter().flat_map(extended).collect();
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_every_combination_in_order() {
        let variation = |path: &str, values: &[&str]| Variation {
            path: path.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let points = grid(&[variation("a", &["1", "2"]), variation("b", &["x", "y", "z"])]);
        let shown: Vec<String> = points
            .iter()
            .map(|point| point.iter().map(|(path, value)| format!("{path}{value}")).collect())
            .collect();
        assert_eq!(shown, ["a1bx", "a1by", "a1bz", "a2bx", "a2by", "a2bz"]);
    }

    #[test]
    fn a_variation_has_a_path_and_values() {
        let variation = Variation {
            path: "link.delay_ms".to_owned(),
            values: vec!["5".to_owned(), "20".to_owned()],
        };
        assert_eq!(parse_variation("link.delay_ms=5, 20"), Ok(variation));
        for wrong in ["link.delay_ms", "=5", "a=", "a=1,,2"] {
            assert!(parse_variation(wrong).is_err(), "{wrong}");
        }
    }
}
