//! `drill`: scenarios in real time, against regions that run or are started for them.

pub(crate) mod arguments;
mod bar;

use std::sync::Arc;

use arguments::{DrillAction, DrillArguments, DrillRunArguments};
use beringia_drill::{Hook, Progress, Session, Stage, check, hurry, with_probes};
use beringia_report::Run;
use beringia_scenario::{Plan, Scenario};
use serde::Serialize;

use self::bar::Bar;
use super::sim::{self, jobs::failures, prepared, run::tell};
use crate::{
    failure::Failure,
    output::{self, Format},
    signals::Signals,
};

/// A scenario that is built in.
#[derive(Serialize)]
struct ListedJson<'a> {
    name: &'a str,
    about: &'a str,
    duration_s: f64,
}

/// `drill`.
pub(crate) async fn run(arguments: &DrillArguments, format: Format) -> Result<(), Failure> {
    match &arguments.action {
        DrillAction::List => list(format),
        DrillAction::Run(run) => play(run, format).await,
    }
}

fn list(format: Format) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for name in Scenario::shipped_names() {
        let scenario = Scenario::shipped(name).map_err(|error| Failure::wrong(error.to_string()))?;
        let duration_s = scenario.duration.as_secs_f64();
        match format {
            Format::Json => output::json(&ListedJson {
                name,
                about: &scenario.about,
                duration_s,
            })?,
            Format::Text => rows.push([name.to_owned(), format!("{duration_s:.0} s"), scenario.about]),
        }
    }
    if format == Format::Text {
        output::table(["SCENARIO", "LASTS", "ABOUT"], rows)?;
    }
    Ok(())
}

/// Reads the scenario and draws its plan.
fn plan(arguments: &DrillRunArguments) -> Result<Plan, Failure> {
    let scenario = sim::load(&arguments.scenario)?;
    let seed = arguments.seed.or(scenario.seed).unwrap_or(sim::SEED);
    let mut plan = Plan::draw(&scenario, seed);
    if arguments.attach && !arguments.with_load {
        with_probes(&mut plan);
    }
    if (arguments.pace - 1.0).abs() > f64::EPSILON {
        hurry(&mut plan, arguments.pace);
    }
    Ok(plan)
}

async fn play(arguments: &DrillRunArguments, format: Format) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let plan = plan(arguments)?;
    let hook = arguments.hook.as_deref();
    let hook = hook.map(|program| Hook::new(program, &plan.scenario.topology));
    if let Some(hook) = &hook {
        hook.check().await?;
    }
    prepared(arguments.report.as_deref())?;
    let progress: Arc<dyn Progress> = Arc::new(Bar::new());
    let stage = if arguments.attach {
        let fleet = arguments.control.connect().await?;
        Stage::attach(fleet, &arguments.dynamodb, hook, progress)?
    } else {
        Stage::start(&plan.scenario, arguments.data.as_deref(), hook, progress).await?
    };
    let outcome = on_stage(arguments, &plan, &stage, &mut signals).await;
    stage.close().await;
    let run = outcome?;
    tell(&run, arguments.report.as_deref(), format)?;
    match failures(&run) {
        failed if failed.is_empty() => Ok(()),
        failed => Err(Failure::NotSo(failed.join("; "))),
    }
}

/// Plays the plan and undoes it, whatever happens.
async fn on_stage(
    arguments: &DrillRunArguments,
    plan: &Plan,
    stage: &Stage,
    signals: &mut Signals,
) -> Result<Run, Failure> {
    let may_lose_disks = !arguments.attach || arguments.allow_data_loss;
    check(plan, stage, &arguments.scenario.scenario, may_lose_disks).await?;
    let mut session = Session::new(plan, stage, arguments.patience).await?;
    let replay = arguments.replay(plan.seed);
    let played = tokio::select! {
        biased;
        () = signals.next() => Err(Failure::NotSo("interrupted; what the drill had done was undone".to_owned())),
        played = session.play(&replay) => played.map_err(Failure::from),
    };
    tokio::select! {
        biased;
        () = signals.next() => return Err(Failure::Interrupted),
        () = session.undo(arguments.keep_tables) => {}
    }
    played
}
