//! `sim sweep`: plays a scenario for every combination of some settings, and compares.

use beringia_report::Comparison;

use super::{
    arguments::{SweepArguments, Variation},
    jobs::{count, failures, job, play_all, seeds},
    load, prepared,
    runner::Ending,
    with,
};
use crate::{
    failure::Failure,
    output::{self, Format},
};

pub(super) fn run(arguments: &SweepArguments, format: Format) -> Result<(), Failure> {
    let scenario = load(&arguments.scenario)?;
    let seeds = seeds(&arguments.seeds, &scenario);
    // Every combination is tried before the first run: a wrong value should not show after hours.
    let points = grid(&arguments.vary)
        .into_iter()
        .map(|point| Ok((with(&scenario, &point)?, point)))
        .collect::<Result<Vec<_>, Failure>>()?;
    prepared(arguments.report.as_deref())?;
    let runs = count(&seeds).saturating_mul(points.len() as u64);
    let jobs = points.iter().flat_map(|(varied, point)| {
        let seeds = seeds.clone();
        seeds.map(move |seed| job(&arguments.scenario, point, varied, seed))
    });
    let paths = arguments.vary.iter().map(|variation| variation.path.clone()).collect();
    let mut compared = Comparison::new(&scenario.name, paths);
    let mut broken = Vec::new();
    let mut ended = 0_u64;
    let ending = play_all(jobs, runs, &arguments.jobs, &scenario.name, |job, played| {
        ended += 1;
        match played {
            Ok(outcome) => {
                compared.add(job.values.clone(), &outcome.run);
                let failures = failures(&outcome.run);
                if !failures.is_empty() {
                    output::note(&format!("✗ {}\n  again: {}", failures.join("\n✗ "), job.replay));
                }
            }
            Err(error) => {
                output::note(&format!("✗ {error}\n  again: {}", job.replay));
                broken.push(job.replay.clone());
            }
        }
        Ok(())
    })?;
    let page = match &arguments.report {
        Some(directory) if !compared.runs.is_empty() => Some(
            compared
                .write(directory)
                .map_err(|error| Failure::wrong(error.to_string()))?,
        ),
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
        return Err(Failure::Unfinished(format!("{ended} of {runs} runs were played")));
    }
    let failed = compared.runs.iter().filter(|run| !run.holds).count() + broken.len();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::NotSo(format!("{failed} of {runs} runs failed")))
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
    fn a_grid_has_every_combination_once_in_order() {
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
}
