//! `sim shrink`: reduces a failing seed to the smallest plan that still fails in the same way.

use std::{
    collections::BTreeSet,
    mem::{Discriminant, discriminant},
    path::PathBuf,
};

use beringia_oracle::Violation;
use beringia_report::{Run, judge};
use beringia_scenario::{Expectations, Plan, Recording, Scenario, Shrunk, WorkloadKind, shrink};
use clap::Args;
use serde::Serialize;

use super::{
    jobs::{StoreArguments, job, on_signal, progress, quoted, seed},
    runner::{Job, OneByOne, Played},
    scenario::{ScenarioArguments, load},
};
use crate::{
    error::CommandError,
    output::{self, Format},
    style::verdicts,
};

/// Reduce a failing seed to the smallest plan that still fails.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Reduce a failing seed to the smallest plan that still fails in the same way: \
        with fewer faults, workloads, seconds, operations (recorded ones, too), clients and keys. \
        Prints the plan as a scenario file, which `sim run` plays. The plan may fail fewer \
        expectations than the seed: one of them is enough or, where the run breaks promises, all \
        of those. The JSON output has `failed`, the expectations that did not hold before, and \
        `fails`, those that do not hold in the plan.",
    after_help = "Example:\n  beringia sim shrink swarm --seed 17 --out small.toml && beringia sim run small.toml"
)]
pub(crate) struct ShrinkArguments {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    /// The seed that fails. [default: the scenario's own, else 1]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Write the plan into this file, instead of to standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Try at most this many plans.
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(crate) runs: u32,
}

#[derive(Serialize)]
struct ShrunkJson<'a> {
    scenario: &'a str,
    seed: u64,
    /// The expectations that did not hold in the original plan.
    failed: &'a BTreeSet<String>,
    /// The expectations that do not hold in the shrunken plan: at least one of `failed`.
    fails: &'a BTreeSet<String>,
    actions: usize,
    workloads: usize,
    duration_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_operations: Option<usize>,
    runs: u32,
    is_smallest: bool,
    toml: &'a str,
}

pub(super) fn run(arguments: &ShrinkArguments, format: Format) -> Result<(), CommandError> {
    let scenario = load(&arguments.scenario)?;
    arguments.store.check(&scenario)?;
    let first = job(
        &arguments.scenario,
        &arguments.store,
        &[],
        &scenario,
        seed(arguments.seed, &scenario),
    );
    let runs = OneByOne::new(on_signal)?;
    let progress = progress(&format!("{}: does it fail?", scenario.name), 1);
    let played = runs.play(first.clone());
    let Some(wanted) = played.map(Broken::of) else {
        progress.finish_and_clear();
        let message = "the first run had not finished, so there is nothing to shrink yet";
        return Err(CommandError::Unfinished(message.to_owned()));
    };
    if wanted.expected.is_empty() {
        progress.finish_and_clear();
        return Err(CommandError::CheckFailed(format!(
            "nothing to shrink: all expectations hold in `{}`",
            first.replay
        )));
    }
    progress.suspend(|| output::note(&verdicts(&lines(&wanted.expected))));
    let mut is_stopped = false;
    let mut tried = 0;
    let mut fails = wanted.expected.clone();
    let shrunk = shrink(&first.plan, arguments.runs, |plan| {
        tried += 1;
        let (actions, seconds) = (plan.timeline.len(), plan.scenario.duration.as_secs());
        progress.set_message(format!(
            "{}: try {tried}, {actions} actions in {seconds} s",
            scenario.name
        ));
        let job = Job {
            plan: plan.clone(),
            ..first.clone()
        };
        let played = runs.play(job);
        is_stopped = played.is_none();
        let broken = Broken::of(played?);
        let is_like = broken.is_like(&wanted);
        if is_like {
            // The smallest plan so far.
            fails = broken.expected;
        }
        Some(is_like)
    });
    progress.finish_and_clear();
    write(arguments, format, &shrunk, &wanted.expected, &fails)?;
    let (before, after) = (size(&first.plan), size(&shrunk.plan));
    let summary = format!("from {before} to {after} in {} tries", shrunk.runs);
    let left = if fails == wanted.expected {
        String::new()
    } else {
        format!("\nthe smaller plan fails:\n{}", lines(&fails))
    };
    let again = again(arguments);
    if is_stopped {
        return Err(CommandError::Unfinished(format!("{summary}{left}{again}")));
    }
    let limit = if shrunk.is_smallest {
        ""
    } else {
        ", the limit; a greater --runs may shrink it further"
    };
    output::note(&format!("  {summary}{limit}{left}{again}"));
    Ok(())
}

/// How to play the written plan; empty where it is in no file.
fn again(arguments: &ShrinkArguments) -> String {
    arguments.out.as_ref().map_or_else(String::new, |file| {
        format!("\nagain: beringia sim run {}", quoted(&file.display().to_string()))
    })
}

/// Writes the shrunken plan. `failed` are the failures of the original plan, `fails` those of the
/// shrunken one.
fn write(
    arguments: &ShrinkArguments,
    format: Format,
    shrunk: &Shrunk,
    failed: &BTreeSet<String>,
    fails: &BTreeSet<String>,
) -> Result<(), CommandError> {
    let text = shrunk.plan.to_toml();
    if let Some(file) = &arguments.out {
        std::fs::write(file, &text)
            .map_err(|error| CommandError::usage(format!("cannot write {}: {error}", file.display())))?;
    }
    let scenario = &shrunk.plan.scenario;
    match format {
        Format::Json => output::json(&ShrunkJson {
            scenario: &scenario.name,
            seed: shrunk.plan.seed,
            failed,
            fails,
            actions: shrunk.plan.timeline.len(),
            workloads: scenario.workloads.len(),
            duration_ms: scenario.duration.as_millis(),
            recorded_operations: recorded(scenario),
            runs: shrunk.runs,
            is_smallest: shrunk.is_smallest,
            toml: &text,
        }),
        Format::Text if arguments.out.is_none() => output::line(text.trim_end()),
        Format::Text => Ok(()),
    }
}

/// The failed expectations, one line each.
fn lines(failed: &BTreeSet<String>) -> String {
    let lines: Vec<String> = failed.iter().map(|failure| format!("✗ {failure}")).collect();
    lines.join("\n")
}

fn size(plan: &Plan) -> String {
    let scenario = &plan.scenario;
    let rate: f64 = scenario.workloads.iter().map(|workload| workload.rate).sum();
    let recorded = recorded(scenario).map_or_else(String::new, |count| format!(", {count} recorded operations"));
    format!(
        "{} actions, {} workloads, {rate}/s, {} s{recorded}",
        plan.timeline.len(),
        scenario.workloads.len(),
        scenario.duration.as_secs()
    )
}

/// The number of recorded operations; `None` where there is no recording.
fn recorded(scenario: &Scenario) -> Option<usize> {
    let count = |kind: &WorkloadKind| match kind {
        WorkloadKind::Replay { operations } => {
            Some(Recording::parse(operations).map_or(0, |read| read.operations.len()))
        }
        _ => None,
    };
    let counts = scenario.workloads.iter().filter_map(|workload| count(&workload.kind));
    counts.reduce(|all, more| all + more)
}

/// The failures of a run, without values, which may change while the failure stays the same.
struct Broken {
    /// All expectations that do not hold, including what every run promises; or that the run cannot
    /// continue.
    expected: BTreeSet<String>,
    /// Of these, the promises of every run, regardless of its scenario's expectations.
    promised: BTreeSet<String>,
    /// The kinds of violations by which promises were broken.
    ways: Vec<Discriminant<Violation>>,
}

impl Broken {
    fn of(played: Played) -> Self {
        match played {
            Ok(mut outcome) => {
                let expected = failed(&outcome.run);
                judge(&Expectations::default(), &mut outcome.run);
                Self {
                    expected,
                    promised: failed(&outcome.run),
                    ways: outcome.violations.iter().map(discriminant).collect(),
                }
            }
            Err(_) => {
                let stopped = BTreeSet::from(["the run cannot continue".to_owned()]);
                Self {
                    expected: stopped.clone(),
                    promised: stopped,
                    ways: Vec::new(),
                }
            }
        }
    }

    /// Whether this is the same failure as `wanted`. If `wanted` breaks promises, this must break
    /// them, too, with a violation of one of the same kinds: an expectation alone often fails in a
    /// plan in which nothing happens. Otherwise one expectation in common is enough.
    fn is_like(&self, wanted: &Self) -> bool {
        if wanted.promised.is_empty() {
            return !wanted.expected.is_disjoint(&self.expected);
        }
        let same_way = wanted.ways.is_empty() || wanted.ways.iter().any(|way| self.ways.contains(way));
        wanted.promised.is_subset(&self.promised) && same_way
    }
}

/// The expectations of a run that do not hold.
fn failed(run: &Run) -> BTreeSet<String> {
    let failed = run.verdicts.iter().filter(|verdict| !verdict.holds);
    failed.map(|verdict| verdict.expected.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(expected: &[&str], promised: &[&str], ways: &[&Violation]) -> Broken {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Broken {
            expected: set(&[expected, promised].concat()),
            promised: set(promised),
            ways: ways.iter().map(|way| discriminant(*way)).collect(),
        }
    }

    fn lost(key: &str) -> Violation {
        Violation::Lost {
            table: "carts".to_owned(),
            region: "us-east-1".to_owned(),
            key: key.to_owned(),
            marker: "m1".to_owned(),
        }
    }

    #[test]
    fn a_broken_promise_must_stay_broken_in_the_same_way() {
        let (promise, expectation) = ("no promise broken", "conflicts: at least 1");
        let wanted = broken(&[expectation], &[promise], &[&lost("a")]);
        assert!(broken(&[], &[promise], &[&lost("b")]).is_like(&wanted), "another key");
        assert!(
            !broken(&[expectation], &[], &[]).is_like(&wanted),
            "nothing happened in it"
        );
        let other = Violation::SeenInvented {
            table: "carts".to_owned(),
            region: "us-east-1".to_owned(),
            key: "a".to_owned(),
            marker: "m1".to_owned(),
        };
        assert!(
            !broken(&[expectation], &[promise], &[&other]).is_like(&wanted),
            "another way"
        );
        let both = broken(&[], &[promise, "no durability loss"], &[&lost("a")]);
        assert!(both.is_like(&wanted));
        assert!(!wanted.is_like(&both), "no write is lost any more");
    }

    #[test]
    fn one_common_expectation_suffices_without_broken_promises() {
        let wanted = broken(&["lag at most 1 s", "RTO at most 5 s"], &[], &[]);
        assert!(broken(&["RTO at most 5 s"], &[], &[]).is_like(&wanted));
        assert!(!broken(&["conflicts: 0"], &[], &[]).is_like(&wanted));
        assert!(!broken(&[], &["no promise broken"], &[&lost("a")]).is_like(&wanted));
    }
}
