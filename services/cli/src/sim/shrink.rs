//! `sim shrink`: reduces a failing seed to the smallest plan that still fails in the same way.

use std::collections::BTreeSet;

use beringia_scenario::{Plan, shrink};
use serde::Serialize;

use super::{
    arguments::ShrinkArguments,
    jobs::{job, progress, quoted, seed},
    load,
    runner::{Job, Played, play},
};
use crate::{
    failure::Failure,
    output::{self, Format},
};

#[derive(Serialize)]
struct ShrunkJson<'a> {
    scenario: &'a str,
    seed: u64,
    /// What does not hold, before as after.
    fails: &'a [String],
    actions: usize,
    workloads: usize,
    duration_ms: u128,
    runs: u32,
    is_smallest: bool,
    toml: &'a str,
}

pub(super) fn run(arguments: &ShrinkArguments, format: Format) -> Result<(), Failure> {
    let scenario = load(&arguments.scenario)?;
    let first = job(&arguments.scenario, &[], &scenario, seed(arguments.seed, &scenario));
    let progress = progress(&format!("{}: does it fail?", scenario.name), 1);
    let wanted = broken(&play(&first));
    if wanted.is_empty() {
        progress.finish_and_clear();
        return Err(Failure::NotSo(format!(
            "nothing to shrink: all that is expected holds in `{}`",
            first.replay
        )));
    }
    let mut tried = 0;
    let shrunk = shrink(&first.plan, arguments.runs, |plan| {
        tried += 1;
        let (actions, seconds) = (plan.timeline.len(), plan.scenario.duration.as_secs());
        progress.set_message(format!(
            "{}: try {tried}, {actions} actions in {seconds} s",
            scenario.name
        ));
        let job = Job {
            plan: plan.clone(),
            replay: first.replay.clone(),
        };
        !wanted.is_disjoint(&broken(&play(&job)))
    });
    progress.finish_and_clear();
    let text = shrunk.plan.to_toml();
    if let Some(file) = &arguments.out {
        std::fs::write(file, &text)
            .map_err(|error| Failure::wrong(format!("cannot write {}: {error}", file.display())))?;
    }
    match format {
        Format::Json => output::json(&ShrunkJson {
            scenario: &scenario.name,
            seed: shrunk.plan.seed,
            fails: &wanted.iter().cloned().collect::<Vec<_>>(),
            actions: shrunk.plan.timeline.len(),
            workloads: shrunk.plan.scenario.workloads.len(),
            duration_ms: shrunk.plan.scenario.duration.as_millis(),
            runs: shrunk.runs,
            is_smallest: shrunk.is_smallest,
            toml: &text,
        })?,
        Format::Text if arguments.out.is_none() => output::line(text.trim_end())?,
        Format::Text => {}
    }
    let again = arguments.out.as_ref().map_or_else(String::new, |file| {
        format!("\nagain: beringia sim run {}", quoted(&file.display().to_string()))
    });
    let limit = if shrunk.is_smallest {
        ""
    } else {
        ", and stopped there; --runs takes it further"
    };
    output::note(&format!(
        "{}\n  from {} to {} in {} tries{limit}{again}",
        wanted
            .iter()
            .map(|failure| format!("✗ {failure}"))
            .collect::<Vec<_>>()
            .join("\n"),
        size(&first.plan),
        size(&shrunk.plan),
        shrunk.runs,
    ));
    Ok(())
}

fn size(plan: &Plan) -> String {
    let scenario = &plan.scenario;
    let rate: f64 = scenario.workloads.iter().map(|workload| workload.rate).sum();
    format!(
        "{} actions, {} workloads, {rate}/s, {} s",
        plan.timeline.len(),
        scenario.workloads.len(),
        scenario.duration.as_secs()
    )
}

/// What does not hold, without its value, which may change while it is the same failure; or that the run cannot go on.
fn broken(played: &Played) -> BTreeSet<String> {
    match played {
        Ok(outcome) => {
            let failed = outcome.run.verdicts.iter().filter(|verdict| !verdict.holds);
            failed.map(|verdict| verdict.expected.clone()).collect()
        }
        Err(_) => BTreeSet::from(["the run cannot go on".to_owned()]),
    }
}
