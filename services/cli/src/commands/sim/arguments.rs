//! The command line of `sim`.

use std::{num::NonZero, ops::Range, path::PathBuf};

use clap::{Args, Subcommand};

/// Play scenarios in virtual time: whole groups of regions, clients and faults as functions of a seed.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play scenarios in virtual time: whole groups of regions, their clients and what goes wrong, in this process, everything \
        drawn from a seed. An hour of traffic takes seconds to minutes, and the same seed gives the same run, byte for byte.\n\n\
        A scenario is a TOML file, or one of those that are built in; simulations/scenarios/README.md explains the form.",
    after_help = "Examples:\n  \
        beringia sim list                                       the scenarios that are built in\n  \
        beringia sim run partition --report out                 one run, with a page of charts\n  \
        beringia sim run swarm --seeds 0..200                   two hundred different days\n  \
        beringia sim sweep partition --vary link.delay_ms=5,80,320 --vary policy=item,merge\n  \
        beringia sim shrink swarm --seed 17 --out small.toml    the smallest that still fails\n\n\
        Exit codes: 0 all that was expected holds; 1 it does not; 2 a wrong file, or cannot start; 130 interrupted: what had ended by then is \
        printed and written."
)]
pub(crate) struct SimArguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: SimAction,
}

/// What can be done with scenarios; what each is for stands at its arguments, where clap takes it from.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SimAction {
    /// List the scenarios that are built in.
    List,
    Show(ShowArguments),
    Run(RunArguments),
    Sweep(SweepArguments),
    Shrink(ShrinkArguments),
}

/// Which scenario, and what in it is other than the file says.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScenarioArguments {
    /// The path of a scenario file, or the name of a scenario that is built in.
    #[arg(value_name = "FILE|NAME")]
    pub(crate) scenario: String,
    /// Change a setting of the scenario, such as `duration=5m`, `link.loss_percent=1` or `event.1.lasts=40s`. May be given several
    /// times.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = parse_assignment)]
    pub(crate) settings: Vec<(String, String)>,
}

/// Print a scenario's file, or what a seed makes of it.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Print a scenario as a file. With --seed: what that seed makes of it, every random time and fault drawn. Either can be edited \
        and run.",
    after_help = "Examples:\n  beringia sim show partition > mine.toml\n  beringia sim show swarm --seed 17"
)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    /// Show the plan of this seed.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// Play a scenario, with one seed or many.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play a scenario, with one seed or many, and say whether all that it expects holds. What fails is named with its value, and with \
        the command that runs it again.",
    after_help = "Examples:\n  \
        beringia sim run partition\n  \
        beringia sim run my.toml --seed 42 --report out --trace trace.txt\n  \
        beringia sim run swarm --seeds 0..2000 --jobs 2\n  \
        beringia sim run split-brain --set policy=merge --format json | jq .anomalies"
)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    #[command(flatten)]
    pub(crate) seeds: SeedArguments,
    #[command(flatten)]
    pub(crate) jobs: JobArguments,
    /// Write reports into this directory: a page of charts, its numbers as JSON, the series as CSV. With --seeds: these of each seed in a
    /// directory of its own, and a comparison of all.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Write the full trace, every event with its virtual time; of one seed only.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    pub(crate) trace: Option<PathBuf>,
}

/// Play a scenario for every combination of some settings, and compare.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play a scenario for every combination of the values of some settings, and compare conflicts, lost updates, convergence, lag and \
        bytes. `beringia sim sweep FILE --vary nothing=1` names the settings that the scenario has.",
    after_help = "Examples:\n  \
        beringia sim sweep partition --vary link.delay_ms=5,20,80,320\n  \
        beringia sim sweep split-brain --vary policy=item,attribute,merge --seeds 0..5\n  \
        beringia sim sweep partition --vary event.1.lasts=5s,10s,20s --vary workload.rate=10,40 --report out"
)]
pub(crate) struct SweepArguments {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    /// A setting, and its values. Given several times: every combination.
    #[arg(long, value_name = "PATH=VALUE,…", required = true, value_parser = parse_variation)]
    pub(crate) vary: Vec<Variation>,
    #[command(flatten)]
    pub(crate) seeds: SeedArguments,
    #[command(flatten)]
    pub(crate) jobs: JobArguments,
    /// Write the comparison into this directory: a page of charts, and its numbers, a line for each run, as JSON and CSV. Of a single run
    /// `sim run --set PATH=VALUE --report DIR` writes a page.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
}

/// Reduce a failing seed to the smallest plan that still fails.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Reduce a failing seed to the smallest plan that still fails in the same way: fewer faults, workloads, seconds, operations \
        (recorded ones too), clients and keys. Prints the plan as a scenario file, which `sim run` \
        plays again. It may fail fewer expectations: one is enough, or, where promises are broken, these. JSON has `failed`, what did not hold \
        before, and `fails`, what does not hold in the plan.",
    after_help = "Example:\n  beringia sim shrink swarm --seed 17 --out small.toml && beringia sim run small.toml"
)]
pub(crate) struct ShrinkArguments {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    /// The seed that fails. [default: the scenario's own, else 1]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Write the plan into this file, rather than to standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Try at most so many plans.
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(crate) runs: u32,
}

/// Which seeds.
#[derive(Debug, Clone, Args)]
pub(crate) struct SeedArguments {
    /// The seed from which everything random is drawn. [default: the scenario's own, else 1]
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// Several seeds: from A up to, and without, B.
    #[arg(long, value_name = "A..B", value_parser = parse_seeds)]
    pub(crate) seeds: Option<Range<u64>>,
}

/// How runs are done.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobArguments {
    /// How many runs at once, each on a thread of its own. [default: one per processor]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZero<usize>>,
}

/// A setting that varies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variation {
    /// Its path.
    pub(crate) path: String,
    /// Its values, at least one.
    pub(crate) values: Vec<String>,
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err("expected a setting and its value, such as duration=5m".to_owned()),
    }
}

fn parse_variation(text: &str) -> Result<Variation, String> {
    let expected = || "expected a setting and its values, such as link.delay_ms=5,20,80".to_owned();
    let (path, values) = parse_assignment(text).map_err(|_| expected())?;
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    if values.iter().any(String::is_empty) {
        return Err(expected());
    }
    Ok(Variation { path, values })
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let parts = text.split_once("..");
    let range = parts.and_then(|(from, to)| Some(from.trim().parse().ok()?..to.trim().parse().ok()?));
    match range {
        Some(range) if !range.is_empty() => Ok(range),
        _ => Err("expected two numbers, the lesser first, such as 0..100".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_that_is_not_empty() {
        assert_eq!(parse_seeds("3..5"), Ok(3..5));
        for wrong in ["5", "5..5", "6..5", "a..b", "1..=2", ".."] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
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
