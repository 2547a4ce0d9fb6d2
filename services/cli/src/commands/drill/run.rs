//! `drill run`: plays a scenario in real time.

use std::{path::PathBuf, sync::Arc, time::Duration};

use beringia_drill::{AbortWhen, DrillError, DrillProgress, Hook, RunningDrill, Stage, check, hurry, with_probes};
use beringia_host::{LEASE_MAX, LEASE_MIN};
use beringia_report::Run;
use beringia_scenario::Plan;
use clap::Args;

use super::bar::Bar;
use crate::{
    commands::{
        control::ControlArguments,
        quantity::{Expected, parse_seconds},
        sim::{
            jobs::{self, SeedArgument, failures, quoted, seed},
            prepared,
            run::write_report,
            scenario::{ScenarioArguments, load},
        },
    },
    error::CommandError,
    output::Format,
    signals::Signals,
};

/// How long regions may take to converge after the load, in seconds.
const PATIENCE_S: &str = "120";
/// The time that is allowed for the machine, in seconds.
const ALLOWANCE_S: &str = "0";
/// The time after which regions undo the changes of a drill that they no longer hear from, in
/// seconds.
const LEASE_S: &str = "10";

/// Play a scenario in real time.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Play a scenario in real time.\n\n\
        Without --attach, the drill starts regions on free ports, and stops them at its end.\n\n\
        With --attach, it uses regions that already run, and your applications are the load. To \
        measure availability, the drill writes and reads a small table in every region. With \
        --with-load, it plays the scenario's load in tables of its own instead. A pause of replication \
        applies to all global tables; replicas are added to and removed from the drill's tables only. \
        `shift` also moves applications that use the endpoint for all regions (see `up \
        --shift-policy`).\n\n\
        If the drill is killed or loses its connection, the regions undo its changes by themselves \
        after the time of --lease; `beringia status` shows what they undid. They cannot undo what a \
        hook did, nor bring back a deleted database.\n\n\
        With --hook, a program of yours does what the control services cannot, such as cutting the \
        links between containers. The drill calls it with arguments such as `isolate eu-west-1 \
        silent`, `heal`, `crash us-east-1 keep-disk`, `restart us-east-1`, \
        `delay us-east-1 eu-west-1 both 300 0` (milliseconds to add to the network's own delay, \
        and jitter). Before the drill starts, it calls the program with `can` and the name of each \
        action, such as `can isolate` (exit code 0: it can); at the end, with `undo`.",
    after_help = "Examples:\n  \
        beringia drill run partition\n  \
        beringia drill run failover-and-failback --report out --pace 2\n  \
        beringia drill run region-loss --attach --abort-when errors=5%\n  \
        beringia drill run my.toml --attach --with-load --control http://127.0.0.1:9090\n  \
        beringia drill run region-loss --attach --control http://h1:9090,http://h2:9090 --hook ./in-docker.sh"
)]
pub(crate) struct DrillRunArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    #[command(flatten)]
    pub(crate) scenario: ScenarioArguments,
    #[command(flatten)]
    pub(crate) seed: SeedArgument,
    /// Use the regions that already run, instead of starting some.
    #[arg(long)]
    pub(crate) attach: bool,
    /// With --attach: add the scenario's own load, on tables of its own.
    #[arg(long, requires = "attach")]
    pub(crate) with_load: bool,
    /// With --attach: the address of a region's DynamoDB endpoint, where it differs from the one
    /// that the region reports (containers).
    #[arg(long, value_name = "NAME=HOST:PORT", requires = "attach")]
    pub(crate) dynamodb: Vec<String>,
    /// With --attach: allow a scenario that loses disks to delete databases.
    #[arg(long, requires = "attach")]
    pub(crate) allow_data_loss: bool,
    /// With --attach: keep the drill's tables at the end.
    #[arg(long, requires = "attach")]
    pub(crate) keep_tables: bool,
    /// With --attach: when the regions have not heard from the drill for this time, 1 to 3600
    /// seconds, they undo its changes.
    #[arg(long, value_name = "SECONDS", default_value = LEASE_S, value_parser = parse_lease)]
    pub(crate) lease: Duration,
    /// With --attach: stop the drill, undo its changes and exit with code 1 when more requests of
    /// applications than this fail in 10 seconds: errors=5% (of at least 20), or errors=100.
    /// Another window: errors=5%/30s. Throttled requests and those without an answer count,
    /// and an estimate of those that killed regions refused.
    #[arg(long, value_name = "LIMIT", requires = "attach")]
    pub(crate) abort_when: Option<AbortWhen>,
    /// A program that carries out the actions that the control services cannot.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) hook: Option<PathBuf>,
    /// Without --attach: keep the regions' databases in this directory, rather than in memory.
    #[arg(long, value_name = "DIR", conflicts_with = "attach")]
    pub(crate) data: Option<PathBuf>,
    /// Play the timeline faster by this factor, 0.1 to 100. Expectations stay as they are.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_pace)]
    pub(crate) pace: f64,
    /// How long regions may take to converge after the load, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = PATIENCE_S, value_parser = parse_seconds)]
    pub(crate) patience: Duration,
    /// Time that is allowed for this machine, in seconds: added to the scenario's bounds of
    /// recovery time, drains, convergence and lag. Of availability, its share in the duration of
    /// the load may be missing. The report says so.
    #[arg(long, value_name = "SECONDS", default_value = ALLOWANCE_S, value_parser = parse_seconds)]
    pub(crate) allowance: Duration,
    /// Write a report into this directory: a page of charts, its numbers as JSON, and the series as
    /// CSV.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
}

impl DrillRunArguments {
    /// The command that repeats this run from any directory.
    pub(crate) fn replay(&self, seed: u64) -> String {
        let mut words = vec![jobs::replay("drill", &self.scenario, &[], seed)];
        let mut flag = |name: &str, value: &str| words.push(format!("{name} {}", quoted(value)));
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        if self.attach {
            flag("--attach --control", &self.control.addresses.join(","));
        }
        for address in &self.dynamodb {
            flag("--dynamodb", address);
        }
        if let Some(hook) = &self.hook {
            flag("--hook", &path(hook));
        }
        if let Some(data) = &self.data {
            flag("--data", &path(data));
        }
        if (self.pace - 1.0).abs() > f64::EPSILON {
            flag("--pace", &self.pace.to_string());
        }
        let patience = self.patience.as_secs_f64().to_string();
        if patience != PATIENCE_S {
            flag("--patience", &patience);
        }
        let allowance = self.allowance.as_secs_f64().to_string();
        if allowance != ALLOWANCE_S {
            flag("--allowance", &allowance);
        }
        let lease = self.lease.as_secs_f64().to_string();
        if let Some(limit) = self.abort_when {
            flag("--abort-when", &limit.to_string());
        }
        if self.attach && lease != LEASE_S {
            flag("--lease", &lease);
        }
        let switches = [
            (self.with_load, "--with-load"),
            (self.allow_data_loss, "--allow-data-loss"),
            (self.keep_tables, "--keep-tables"),
        ];
        words.extend(
            switches
                .into_iter()
                .filter(|(on, _)| *on)
                .map(|(_, name)| name.to_owned()),
        );
        words.join(" ")
    }
}

fn parse_lease(text: &str) -> Result<Duration, Expected> {
    let lease = parse_seconds(text)?;
    if (LEASE_MIN..=LEASE_MAX).contains(&lease) {
        Ok(lease)
    } else {
        Err(Expected("1 to 3600 seconds"))
    }
}

fn parse_pace(text: &str) -> Result<f64, Expected> {
    let pace: f64 = text.parse().map_err(|_| Expected("a number"))?;
    if (0.1..=100.0).contains(&pace) {
        Ok(pace)
    } else {
        Err(Expected("0.1 to 100"))
    }
}

/// Reads the scenario and draws its plan.
fn plan(arguments: &DrillRunArguments) -> Result<Plan, CommandError> {
    let scenario = load(&arguments.scenario)?;
    let seed = seed(arguments.seed.seed, &scenario);
    let mut plan = Plan::draw(&scenario, seed);
    if arguments.attach && !arguments.with_load {
        with_probes(&mut plan);
    }
    if (arguments.pace - 1.0).abs() > f64::EPSILON {
        hurry(&mut plan, arguments.pace);
    }
    Ok(plan)
}

pub(super) async fn run(arguments: &DrillRunArguments, format: Format) -> Result<(), CommandError> {
    let mut signals = Signals::new()?;
    let plan = plan(arguments)?;
    let hook = arguments.hook.as_deref();
    let hook = hook.map(|program| Hook::new(program, &plan.scenario.topology));
    if let Some(hook) = &hook {
        hook.check().await?;
    }
    prepared(arguments.report.as_deref())?;
    let progress: Arc<dyn DrillProgress> = Arc::new(Bar::new());
    let stage = if arguments.attach {
        let fleet = arguments.control.connect().await?;
        Stage::attach(fleet, &arguments.dynamodb, hook, progress)?.leased(arguments.lease)
    } else {
        Stage::start(&plan.scenario, arguments.data.as_deref(), hook, progress).await?
    };
    let outcome = on_stage(arguments, &plan, &stage, &mut signals).await;
    stage.close().await;
    let run = outcome?;
    write_report(&run, arguments.report.as_deref(), format)?;
    match failures(&run) {
        failed if failed.is_empty() => Ok(()),
        failed => Err(CommandError::CheckFailed(failed.join("; "))),
    }
}

/// Plays the plan and undoes its actions, also after a failure or a signal.
async fn on_stage(
    arguments: &DrillRunArguments,
    plan: &Plan,
    stage: &Stage,
    signals: &mut Signals,
) -> Result<Run, CommandError> {
    let may_lose_disks = !arguments.attach || arguments.allow_data_loss;
    check(plan, stage, &arguments.scenario.scenario, may_lose_disks).await?;
    let session = RunningDrill::new(plan, stage, arguments.patience).await?;
    let mut session = session.abort_when(arguments.abort_when).allowing(arguments.allowance);
    let replay = arguments.replay(plan.seed);
    let played = tokio::select! {
        biased;
        () = signals.next() => Err(CommandError::CheckFailed("interrupted; the drill's changes were undone".to_owned())),
        played = session.play(&replay) => played.map_err(|failure| match failure {
            DrillError::Aborted(passed) => CommandError::CheckFailed(format!("aborted: {passed}; the drill's changes were undone")),
            failure => failure.into(),
        }),
    };
    tokio::select! {
        biased;
        () = signals.next() => return Err(CommandError::Interrupted),
        () = session.undo(arguments.keep_tables) => {}
    }
    played
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        run: DrillRunArguments,
    }

    /// The command that a report prints to repeat the run.
    fn replay(words: &[&str]) -> String {
        let words = std::iter::once(&"run").chain(words);
        Command::try_parse_from(words).unwrap().run.replay(7)
    }

    #[test]
    fn replay_repeats_the_options_of_the_drill() {
        assert_eq!(replay(&["partition"]), "beringia drill run partition --seed 7");
        assert_eq!(
            replay(&["partition", "--data", "my data", "--pace", "2.5", "--report", "out"]),
            "beringia drill run partition --seed 7 --data 'my data' --pace 2.5"
        );
        let attached = [
            "my.toml",
            "--set",
            "duration=5s",
            "--seed",
            "7",
            "--attach",
            "--control",
            "http://h1:9090,http://h2:9090",
            "--dynamodb",
            "a=h1:8000",
            "--hook",
            "./in docker.sh",
            "--patience",
            "30",
            "--allowance",
            "2.5",
            "--lease",
            "60",
            "--abort-when",
            "errors=5%",
            "--with-load",
            "--allow-data-loss",
            "--keep-tables",
        ];
        assert_eq!(
            replay(&attached),
            "beringia drill run my.toml --set duration=5s --seed 7 --attach --control http://h1:9090,http://h2:9090 \
             --dynamodb a=h1:8000 --hook './in docker.sh' --patience 30 --allowance 2.5 --abort-when errors=5%/10s --lease 60 --with-load --allow-data-loss --keep-tables"
        );
    }
}
