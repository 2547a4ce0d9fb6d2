//! Turns arguments into runs: the seeds, the number of threads, the command that repeats each run,
//! and the progress of all.

use std::{
    io::IsTerminal as _,
    num::NonZero,
    ops::{Range, RangeInclusive},
    process::exit,
    thread,
    time::Duration,
};

use beringia_report::Run;
use beringia_scenario::{Disks, Plan, Scenario};
use beringia_simulator::{SimulationError, StoreKind};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    SEED,
    runner::{self, Ending, Job},
    scenario::ScenarioArguments,
};
use crate::{commands::quantity::Expected, error::CommandError, signals::Signals};

/// The option for one seed.
#[derive(Debug, Clone, Args)]
pub(crate) struct SeedArgument {
    /// The seed of all random choices. [default: the scenario's own, else 1]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// The options for one seed or a range of seeds.
#[derive(Debug, Clone, Args)]
pub(crate) struct SeedArguments {
    #[command(flatten)]
    pub(crate) one: SeedArgument,
    /// A range of seeds: from A up to, but not including, B.
    #[arg(long, value_name = "A..B", value_parser = parse_seeds, conflicts_with = "seed")]
    pub(crate) seeds: Option<Range<u64>>,
}

/// The option for the storage backend of simulated regions.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct StoreArguments {
    /// The storage backend of every region. Regions decide the same with both; `memory` is faster.
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t = BackendArgument::Sqlite)]
    pub(crate) store: BackendArgument,
}

/// A storage backend of simulated regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArgument {
    /// SQLite, as `up` and `region` use it, but in memory.
    Sqlite,
    /// Ordered maps in memory.
    Memory,
}

impl StoreArguments {
    fn kind(self) -> StoreKind {
        match self.store {
            BackendArgument::Sqlite => StoreKind::Sqlite,
            BackendArgument::Memory => StoreKind::Memory,
        }
    }

    /// Checks that this storage backend can have the disks that a scenario asks for.
    pub(super) fn check(self, scenario: &Scenario) -> Result<(), CommandError> {
        match (self.store, scenario.disks) {
            (BackendArgument::Memory, Disks::Faulty) => {
                Err(CommandError::usage(SimulationError::FaultyMemory.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// The option that a repeating command needs; empty for the default.
    const fn words(self) -> &'static str {
        match self.store {
            BackendArgument::Sqlite => "",
            BackendArgument::Memory => " --store memory",
        }
    }
}

/// The option for the number of threads.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobArguments {
    /// How many runs to play at once, each on a thread of its own. [default: one per processor]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZero<usize>>,
}

/// The arguments that `sim run` and `sim sweep` share beside the scenario: which runs to play, and
/// how.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlayArguments {
    #[command(flatten)]
    pub(crate) seeds: SeedArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) jobs: JobArguments,
}

fn parse_seeds(text: &str) -> Result<Range<u64>, Expected> {
    let parts = text.split_once("..");
    let range = parts.and_then(|(from, to)| Some(from.trim().parse().ok()?..to.trim().parse().ok()?));
    match range {
        Some(range) if !range.is_empty() => Ok(range),
        _ => Err(Expected("two numbers, the lesser first, such as 0..100")),
    }
}

/// The seeds to play, at least one.
pub(super) fn seeds(arguments: &SeedArguments, scenario: &Scenario) -> RangeInclusive<u64> {
    match &arguments.seeds {
        Some(seeds) => seeds.start..=seeds.end.saturating_sub(1),
        None => {
            let seed = seed(arguments.one.seed, scenario);
            seed..=seed
        }
    }
}

/// The number of seeds in the range; `u64::MAX` where it is greater.
pub(super) fn count(seeds: &RangeInclusive<u64>) -> u64 {
    (seeds.end() - seeds.start()).saturating_add(1)
}

/// The seed of a single run: the named one, else the scenario's own, else [`SEED`].
pub(crate) fn seed(named: Option<u64>, scenario: &Scenario) -> u64 {
    named.or(scenario.seed).unwrap_or(SEED)
}

/// A run of the scenario, which has the settings `more` already.
pub(super) fn job(
    arguments: &ScenarioArguments,
    store: &StoreArguments,
    more: &[(String, String)],
    scenario: &Scenario,
    seed: u64,
) -> Job {
    Job {
        plan: Plan::draw(scenario, seed),
        replay: replay("sim", arguments, more, seed) + store.words(),
        store: store.kind(),
        values: more.iter().map(|(_, value)| value.clone()).collect(),
        is_traced: false,
    }
}

/// The command that repeats a run; `player` is `sim` or `drill`.
pub(crate) fn replay(player: &str, arguments: &ScenarioArguments, more: &[(String, String)], seed: u64) -> String {
    let mut words = vec![format!("beringia {player} run"), quoted(&arguments.scenario)];
    for (path, value) in arguments.settings.iter().chain(more) {
        words.push("--set".to_owned());
        words.push(quoted(&format!("{path}={value}")));
    }
    words.extend(arguments.profile.iter().map(|profile| format!("--profile {profile}")));
    words.push(format!("--seed {seed}"));
    words.join(" ")
}

/// A word quoted for a shell, if it needs quotes.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@+%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Plays all jobs, with a progress bar of `count` steps, and passes each with its result to `take`,
/// in their order. Ctrl-C stops it.
pub(super) fn play_all(
    jobs: impl Iterator<Item = Job>,
    count: u64,
    arguments: &JobArguments,
    name: &str,
    take: impl FnMut(&Job, runner::Played) -> Result<(), CommandError>,
) -> Result<Ending, CommandError> {
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    let at_once = arguments.jobs.map_or_else(processors, NonZero::get);
    let threads = usize::try_from(count).map_or(at_once, |count| at_once.min(count));
    let progress = progress(name, count);
    let result = runner::in_order(
        jobs,
        threads,
        runner::play,
        on_signal,
        |done| progress.set_position(done),
        take,
    );
    progress.finish_and_clear();
    result
}

/// Calls `stop` at the first signal, and ends the process at the second.
pub(super) fn on_signal(stop: Box<dyn Fn() + Send>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::usage(format!("cannot start: {error}")))?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    thread::spawn(move || {
        runtime.block_on(async {
            signals.next().await;
            stop();
            signals.next().await;
            // The user asked to end at once: files may be left half written.
            exit(CommandError::INTERRUPTED.into());
        });
    });
    Ok(())
}

/// A progress bar; hidden where standard error is not a terminal.
pub(super) fn progress(name: &str, length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let progress = ProgressBar::new(length).with_message(name.to_owned());
    let template = if length > 1 {
        "{spinner} {msg}  {wide_bar}  {pos}/{len} runs, {eta} to go"
    } else {
        "{spinner} {msg}  {elapsed}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

/// The expectations of a run that do not hold, one line each.
pub(crate) fn failures(run: &Run) -> Vec<String> {
    let failed = run.verdicts.iter().filter(|verdict| !verdict.holds);
    failed
        .map(|verdict| format!("{}: {}", verdict.expected, verdict.measured))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_is_quoted_for_a_shell() {
        assert_eq!(quoted("link.delay_ms=5"), "link.delay_ms=5");
        assert_eq!(quoted("my file.toml"), "'my file.toml'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        let arguments = ScenarioArguments {
            scenario: "partition".to_owned(),
            settings: vec![("duration".to_owned(), "50 s".to_owned())],
            profile: None,
        };
        let scenario = Scenario::shipped("partition").unwrap();
        let more = [("policy".to_owned(), "merge".to_owned())];
        let store = StoreArguments {
            store: BackendArgument::Sqlite,
        };
        let job = job(&arguments, &store, &more, &scenario, 7);
        assert_eq!(
            job.replay,
            "beringia sim run partition --set 'duration=50 s' --set policy=merge --seed 7"
        );
        assert_eq!(job.plan.seed, 7);
        let arguments = ScenarioArguments {
            scenario: "swarm".to_owned(),
            settings: Vec::new(),
            profile: Some("disks".to_owned()),
        };
        assert_eq!(
            replay("sim", &arguments, &[], 3),
            "beringia sim run swarm --profile disks --seed 3"
        );
    }

    #[test]
    fn faulty_disks_are_refused_for_the_memory_backend() {
        let scenario = Scenario::shipped("power-loss").unwrap();
        let [sqlite, memory] =
            [BackendArgument::Sqlite, BackendArgument::Memory].map(|store| StoreArguments { store }.check(&scenario));
        assert!(sqlite.is_ok());
        let refused = memory.unwrap_err();
        assert!(matches!(&refused, CommandError::UsageError(_)), "{refused}");
        assert!(refused.to_string().contains("--store memory"), "{refused}");
        let steady = Scenario::shipped("steady").unwrap();
        let memory = StoreArguments {
            store: BackendArgument::Memory,
        };
        assert!(memory.check(&steady).is_ok());
    }

    #[test]
    fn seeds_may_reach_u64_max() {
        let scenario = Scenario::shipped("partition").unwrap();
        let of = |seed, seeds| {
            let one = SeedArgument { seed };
            super::seeds(&SeedArguments { one, seeds }, &scenario)
        };
        assert_eq!(of(None, Some(3..5)), 3..=4);
        assert_eq!(count(&of(None, Some(0..u64::MAX))), u64::MAX);
        assert_eq!(count(&of(Some(u64::MAX), None)), 1);
    }

    #[test]
    fn rejects_empty_ranges_of_seeds() {
        assert_eq!(parse_seeds("3..5"), Ok(3..5));
        for wrong in ["5", "5..5", "6..5", "a..b", "1..=2", ".."] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
    }
}
