//! `sim run --check`: plays the run of a report again and says whether it was the same run.

use std::path::Path;

use beringia_report::{Player, RunDifference, RunIdentity, first_difference};
use beringia_scenario::{Plan, Scenario};
use beringia_simulator::StoreKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    jobs::{JobArguments, play_all},
    runner::{Ending, Job},
};
use crate::{
    error::CommandError,
    output::{self, Format},
};

/// The fields of a report that its replay needs. Reports of other versions may differ in the rest.
#[derive(Deserialize)]
struct Reported {
    scenario: String,
    player: Player,
    seed: u64,
    identity: RunIdentity,
}

#[derive(Serialize)]
struct CheckedJson<'a> {
    same: bool,
    /// The fingerprint of the replay.
    fingerprint: Option<&'a str>,
    version: &'a str,
    /// The version of Beringia that wrote the report.
    reported_version: &'a str,
    difference: Option<&'a RunDifference>,
}

/// Plays the run of the report in this file again.
pub(super) fn run(file: &Path, jobs: &JobArguments, format: Format) -> Result<(), CommandError> {
    let (report, reported) = read(file)?;
    let job = job(file, &reported)?;
    let mut checked = Ok(());
    let ending = play_all(std::iter::once(job), 1, jobs, &reported.scenario, |_, played| {
        checked = match played {
            Ok(outcome) => {
                let fingerprint = outcome.run.identity.fingerprint.as_deref();
                let difference = first_difference(&report, &outcome.run);
                print(&reported.identity.version, fingerprint, difference.as_ref(), format)
            }
            Err(error) => Err(CommandError::CheckFailed(format!(
                "the replay did not finish: {error}{}",
                of_another_version(&reported.identity.version)
            ))),
        };
        Ok::<(), CommandError>(())
    })?;
    match ending {
        Ending::Done => checked,
        Ending::Stopped => Err(CommandError::Unfinished("the replay had not finished".to_owned())),
    }
}

/// Reads a report as JSON, and what a replay needs of it.
fn read(file: &Path) -> Result<(Value, Reported), CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CommandError::usage(format!("cannot read {}: {error}", file.display())))?;
    let not_a_report = |error: serde_json::Error| {
        CommandError::usage(format!(
            "{} is not the JSON report of a simulated run: {error}; give a report.json of `sim run --report`, or what \
             `sim run --format json` printed",
            file.display()
        ))
    };
    let report: Value = serde_json::from_str(&text).map_err(not_a_report)?;
    let reported = Reported::deserialize(&report).map_err(not_a_report)?;
    Ok((report, reported))
}

fn job(file: &Path, reported: &Reported) -> Result<Job, CommandError> {
    let unusable = |why: &str| CommandError::usage(format!("{}: {why}", file.display()));
    if reported.player != Player::Sim {
        return Err(unusable(
            "only a simulated run can be played again as it was; this is the report of a drill",
        ));
    }
    let store = StoreKind::ALL
        .into_iter()
        .find(|store| Some(store.name()) == reported.identity.store.as_deref())
        .ok_or_else(|| unusable("the field identity.store is neither \"sqlite\" nor \"memory\""))?;
    let name = format!("{}.toml", reported.scenario);
    let scenario = Scenario::parse(&reported.identity.scenario_toml, Path::new(&name))?;
    Ok(Job {
        plan: Plan::draw(&scenario, reported.seed),
        replay: format!(
            "beringia sim run --check {}",
            super::jobs::quoted(&file.to_string_lossy())
        ),
        values: Vec::new(),
        store,
        is_traced: false,
    })
}

fn print(
    reported_version: &str,
    fingerprint: Option<&str>,
    difference: Option<&RunDifference>,
    format: Format,
) -> Result<(), CommandError> {
    match format {
        Format::Json => output::json(&CheckedJson {
            same: difference.is_none(),
            fingerprint,
            version: RunIdentity::VERSION,
            reported_version,
            difference,
        })?,
        Format::Text if difference.is_none() => output::line(&format!(
            "same run: fingerprint {}{}",
            fingerprint.unwrap_or("none"),
            of_another_version(reported_version)
        ))?,
        Format::Text => {}
    }
    let Some(RunDifference {
        place,
        reported,
        replayed,
    }) = difference
    else {
        return Ok(());
    };
    let shown = |value: &Option<String>| value.as_deref().unwrap_or("nothing").to_owned();
    Err(CommandError::CheckFailed(format!(
        "not the same run: {place} is {} in the report and {} in the replay{}",
        shown(reported),
        shown(replayed),
        of_another_version(reported_version)
    )))
}

/// A remark where another version of Beringia wrote the report.
fn of_another_version(reported: &str) -> String {
    if reported == RunIdentity::VERSION {
        return String::new();
    }
    format!(
        "; the report is of Beringia {reported}, and this is {}, so the runs may differ",
        RunIdentity::VERSION
    )
}
