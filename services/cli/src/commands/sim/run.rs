//! `sim run`: plays a scenario, with one seed or many.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use beringia_report::{Comparison, Run, summary, write};
use clap::Args;
use serde::Serialize;

use super::{
    check,
    features::FeatureCounts,
    jobs::{PlayArguments, count, failures, job, play_all, seeds},
    prepared,
    runner::{Ending, Job, Played},
    scenario::{ScenarioArguments, load},
};
use crate::{
    error::CommandError,
    output::{self, Format},
    style::verdicts,
};

/// Play a scenario, with one seed or many.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play a scenario, with one seed or many, and check its expectations. For each \
        failure, print the expectation, the measured value, and the command that repeats the run.",
    after_help = "Examples:\n  \
        beringia sim run partition\n  \
        beringia sim run my.toml --seed 42 --report out --trace trace.txt\n  \
        beringia sim run swarm --seeds 0..2000 --jobs 2\n  \
        beringia sim run swarm --profile disks --seeds 0..100\n  \
        beringia sim run split-brain --set policy=merge --format json | jq .anomalies\n  \
        beringia sim run --check out/report.json        is it the same run again?",
    mut_arg("scenario", |scenario| scenario.required(false).required_unless_present("check"))
)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) scenario: Option<ScenarioArguments>,
    #[command(flatten)]
    pub(crate) play: PlayArguments,
    /// Write reports into this directory: a page of charts, its numbers as JSON, and the series as
    /// CSV. With --seeds, write these into one directory per seed, and a comparison of all seeds.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Write the full trace into this file: every event with its virtual time. Not with --seeds.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    pub(crate) trace: Option<PathBuf>,
    /// Play the run of this JSON report again, with its scenario, seed and storage backend, and
    /// compare: the fingerprint, the verdicts, and every figure.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["scenario", "settings", "seed", "seeds", "store", "report", "trace"]
    )]
    pub(crate) check: Option<PathBuf>,
}

pub(super) fn run(arguments: &RunArguments, format: Format) -> Result<(), CommandError> {
    if let Some(file) = &arguments.check {
        return check::run(file, &arguments.play.jobs, format);
    }
    let named = arguments
        .scenario
        .as_ref()
        .ok_or_else(|| CommandError::usage("a scenario is required"))?;
    let scenario = load(named)?;
    arguments.play.store.check(&scenario)?;
    let seeds = seeds(&arguments.play.seeds, &scenario);
    let is_one = arguments.play.seeds.seeds.is_none();
    let count = count(&seeds);
    let jobs = seeds.map(|seed| Job {
        is_traced: arguments.trace.is_some(),
        ..job(named, &arguments.play.store, &[], &scenario, seed)
    });
    // Created before the runs, so that a missing permission shows at once.
    let trace = arguments.trace.as_deref().map(create).transpose()?;
    prepared(arguments.report.as_deref())?;
    let mut all = All::new(&scenario.name, arguments.report.as_deref(), format);
    let mut trace = trace;
    let ending = play_all(jobs, count, &arguments.play.jobs, &scenario.name, |job, played| {
        if let (Some((file, out)), Ok(outcome)) = (&mut trace, &played) {
            write_trace(out, &outcome.trace)
                .map_err(|error| CommandError::usage(format!("cannot write {}: {error}", file.display())))?;
        }
        if is_one {
            all.only(job, played)
        } else {
            all.one_of_many(job, played)
        }
    })?;
    if let (Some((file, _)), Format::Text, Ending::Done) = (&trace, format, ending) {
        output::line(&format!("\ntrace: {}", file.display()))?;
    }
    match ending {
        Ending::Done if is_one => all.end_of_one(),
        Ending::Stopped if is_one => Err(CommandError::Unfinished("the run had not finished".to_owned())),
        Ending::Done | Ending::Stopped => all.end_of_many(count),
    }
}

type TraceFile<'a> = (&'a Path, BufWriter<File>);

fn create(path: &Path) -> Result<TraceFile<'_>, CommandError> {
    let file =
        File::create(path).map_err(|error| CommandError::usage(format!("cannot write {}: {error}", path.display())))?;
    Ok((path, BufWriter::new(file)))
}

fn write_trace(out: &mut BufWriter<File>, lines: &[String]) -> std::io::Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// A run that did not finish.
#[derive(Serialize)]
struct BrokenJson<'a> {
    scenario: &'a str,
    seed: u64,
    error: &'a str,
    replay: &'a str,
}

/// Writes the report of a run, if there is a directory for it, and prints the result.
pub(crate) fn write_report(run: &Run, directory: Option<&Path>, format: Format) -> Result<(), CommandError> {
    let page = directory.map(|directory| report(directory, run)).transpose()?;
    match format {
        Format::Json => output::json(run)?,
        Format::Text => {
            output::line(&verdicts(summary(run).trim_end()))?;
            if let Some(page) = page {
                output::line(&format!("\nreport: {page}"))?;
            }
        }
    }
    Ok(())
}

/// Prints the results of runs as they arrive, and collects the totals.
struct All<'a> {
    scenario: &'a str,
    report: Option<&'a Path>,
    format: Format,
    compared: Comparison,
    /// How many runs were played, including those that did not finish.
    played: u64,
    failed: Vec<String>,
    features: FeatureCounts,
}

impl<'a> All<'a> {
    fn new(scenario: &'a str, report: Option<&'a Path>, format: Format) -> Self {
        Self {
            scenario,
            report,
            format,
            compared: Comparison::new(scenario, Vec::new()),
            played: 0,
            failed: Vec::new(),
            features: FeatureCounts::default(),
        }
    }

    fn only(&mut self, job: &Job, played: Played) -> Result<(), CommandError> {
        let run = match played {
            Ok(outcome) => outcome.run,
            Err(error) => return self.broken(job, &error.to_string()),
        };
        write_report(&run, self.report, self.format)?;
        self.failed.extend(failures(&run));
        Ok(())
    }

    fn end_of_one(self) -> Result<(), CommandError> {
        if self.failed.is_empty() {
            return Ok(());
        }
        Err(CommandError::CheckFailed(self.failed.join("; ")))
    }

    fn one_of_many(&mut self, job: &Job, played: Played) -> Result<(), CommandError> {
        self.played += 1;
        self.features.count(&job.plan);
        let run = match played {
            Ok(outcome) => outcome.run,
            Err(error) => return self.broken(job, &error.to_string()),
        };
        if let Some(directory) = self.report {
            report(&directory.join(format!("seed-{}", run.seed)), &run)?;
        }
        self.compared.add(Vec::new(), &run);
        let failures = failures(&run);
        match self.format {
            Format::Json => output::json(&run)?,
            Format::Text if failures.is_empty() => {}
            Format::Text => {
                output::line(&verdicts(&format!("seed {} FAILED", run.seed)))?;
                for failure in &failures {
                    output::line(&verdicts(&format!("  ✗ {failure}")))?;
                }
                output::line(&format!("  again: {}\n", job.replay))?;
            }
        }
        if !failures.is_empty() {
            self.failed.push(format!("seed {}", run.seed));
        }
        Ok(())
    }

    /// Prints the totals of `wanted` runs or, after a stop, of those that had finished.
    fn end_of_many(self, wanted: u64) -> Result<(), CommandError> {
        let page = match self.report {
            Some(directory) if !self.compared.runs.is_empty() => Some(self.compared.write(directory)?),
            _ => None,
        };
        let runs = self.played;
        let passed = runs - self.failed.len() as u64;
        if self.format == Format::Text {
            output::line(&format!("{}: {passed} of {runs} seeds passed", self.scenario))?;
            self.features.lines().iter().try_for_each(|line| output::line(line))?;
            if !self.compared.runs.is_empty() {
                output::line(&format!("\n{}", self.compared.distribution_table()))?;
            }
            if let Some(page) = page {
                output::line(&format!("\nreport: {}", page.display()))?;
            }
        }
        if runs < wanted {
            return Err(CommandError::Unfinished(format!(
                "{runs} of {wanted} seeds were played"
            )));
        }
        if self.failed.is_empty() {
            return Ok(());
        }
        /// The most failed seeds that the message names.
        const NAMED_MAX: usize = 10;
        let named = self
            .failed
            .iter()
            .take(NAMED_MAX)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = if self.failed.len() > NAMED_MAX { ", …" } else { "" };
        Err(CommandError::CheckFailed(format!(
            "{} of {runs} seeds failed: {named}{more}",
            self.failed.len()
        )))
    }

    fn broken(&mut self, job: &Job, error: &str) -> Result<(), CommandError> {
        let seed = job.plan.seed;
        match self.format {
            Format::Json => output::json(&BrokenJson {
                scenario: self.scenario,
                seed,
                error,
                replay: &job.replay,
            })?,
            Format::Text => {
                let text = format!("seed {seed} FAILED\n  ✗ {error}\n  again: {}\n", job.replay);
                output::line(&verdicts(&text))?;
            }
        }
        self.failed.push(format!("seed {seed}"));
        Ok(())
    }
}

fn report(directory: &Path, run: &Run) -> Result<String, CommandError> {
    let page = write(directory, run)?;
    Ok(page.display().to_string())
}
