//! From arguments to runs: which seeds, on how many threads, with which command to do each again; and the progress of all.

use std::{
    io::IsTerminal as _,
    num::NonZero,
    ops::{Range, RangeInclusive},
    process::exit,
    thread,
    time::Duration,
};

use beringia_report::Run;
use beringia_scenario::{Plan, Scenario};
use beringia_simulator::StoreKind;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    SEED,
    runner::{self, Ending, Job},
    scenario::ScenarioArguments,
};
use crate::{commands::quantity::Expected, failure::Failure, signals::Signals};

/// Which seed.
#[derive(Debug, Clone, Args)]
pub(crate) struct SeedArgument {
    /// The seed from which everything random is drawn. [default: the scenario's own, else 1]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// Which seeds.
#[derive(Debug, Clone, Args)]
pub(crate) struct SeedArguments {
    #[command(flatten)]
    pub(crate) one: SeedArgument,
    /// Several seeds: from A up to, and without, B.
    #[arg(long, value_name = "A..B", value_parser = parse_seeds, conflicts_with = "seed")]
    pub(crate) seeds: Option<Range<u64>>,
}

/// Where simulated regions keep their state.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct StoreArguments {
    /// The storage backend of every region. What regions decide is the same; memory is faster.
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t = Backend::Sqlite)]
    pub(crate) store: Backend,
}

/// A storage backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// SQLite, as `up` and `region` use it, but in memory.
    Sqlite,
    /// Ordered maps in memory.
    Memory,
}

impl StoreArguments {
    fn kind(self) -> StoreKind {
        match self.store {
            Backend::Sqlite => StoreKind::Sqlite,
            Backend::Memory => StoreKind::Memory,
        }
    }

    /// What a command that runs it again says of it.
    const fn words(self) -> &'static str {
        match self.store {
            Backend::Sqlite => "",
            Backend::Memory => " --store memory",
        }
    }
}

/// How runs are done.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobArguments {
    /// How many runs at once, each on a thread of its own. [default: one per processor]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZero<usize>>,
}

/// What `sim run` and `sim sweep` have in common beside the scenario: which runs, and how they are done.
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

/// The seeds that are meant, at least one.
pub(super) fn seeds(arguments: &SeedArguments, scenario: &Scenario) -> RangeInclusive<u64> {
    match &arguments.seeds {
        Some(seeds) => seeds.start..=seeds.end.saturating_sub(1),
        None => {
            let seed = seed(arguments.one.seed, scenario);
            seed..=seed
        }
    }
}

/// How many they are.
pub(super) fn count(seeds: &RangeInclusive<u64>) -> u64 {
    (seeds.end() - seeds.start()).saturating_add(1)
}

/// The seed that is meant where there is one.
pub(crate) fn seed(named: Option<u64>, scenario: &Scenario) -> u64 {
    named.or(scenario.seed).unwrap_or(SEED)
}

/// A run of the scenario with these further settings.
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

/// The command that runs it again.
pub(crate) fn replay(player: &str, arguments: &ScenarioArguments, more: &[(String, String)], seed: u64) -> String {
    let mut words = vec![format!("beringia {player} run"), quoted(&arguments.scenario)];
    for (path, value) in arguments.settings.iter().chain(more) {
        words.push("--set".to_owned());
        words.push(quoted(&format!("{path}={value}")));
    }
    words.push(format!("--seed {seed}"));
    words.join(" ")
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@+%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Plays all jobs, of which there are so many, with a bar of progress, and hands over each with what came of it, in their order. Ctrl-C
/// stops it.
pub(super) fn play_all(
    jobs: impl Iterator<Item = Job>,
    count: u64,
    arguments: &JobArguments,
    name: &str,
    take: impl FnMut(&Job, runner::Played) -> Result<(), Failure>,
) -> Result<Ending, Failure> {
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

/// Has the first signal stop something, and the second end the process.
pub(super) fn on_signal(stop: Box<dyn Fn() + Send>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::wrong(format!("cannot start: {error}")))?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    thread::spawn(move || {
        runtime.block_on(async {
            signals.next().await;
            stop();
            signals.next().await;
            // What is being written cannot be waited for: that is what was asked.
            exit(Failure::INTERRUPTED.into());
        });
    });
    Ok(())
}

/// Progress for whoever watches a terminal; hidden otherwise.
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

/// What of a run does not hold, a line each.
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
    fn a_replay_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("link.delay_ms=5"), "link.delay_ms=5");
        assert_eq!(quoted("my file.toml"), "'my file.toml'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        let arguments = ScenarioArguments {
            scenario: "partition".to_owned(),
            settings: vec![("duration".to_owned(), "50 s".to_owned())],
        };
        let scenario = Scenario::shipped("partition").unwrap();
        let more = [("policy".to_owned(), "merge".to_owned())];
        let store = StoreArguments { store: Backend::Sqlite };
        let job = job(&arguments, &store, &more, &scenario, 7);
        assert_eq!(
            job.replay,
            "beringia sim run partition --set 'duration=50 s' --set policy=merge --seed 7"
        );
        assert_eq!(job.plan.seed, 7);
    }

    #[test]
    fn seeds_reach_to_the_last_that_there_is() {
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
    fn seeds_are_a_range_that_is_not_empty() {
        assert_eq!(parse_seeds("3..5"), Ok(3..5));
        for wrong in ["5", "5..5", "6..5", "a..b", "1..=2", ".."] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
    }
}
