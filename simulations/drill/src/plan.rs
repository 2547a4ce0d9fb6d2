//! Adapts a scenario's plan to a drill (its pace, probes instead of its load), and checks whether
//! it can be played here.

use std::collections::BTreeSet;

use beringia_scenario::{Action, Disks, Plan, RegionOptions, Workload, WorkloadKind};

use crate::error::{DrillError, NoMeans};
use crate::{
    hook::{self, Answer},
    stage::{Means, Stage},
};

/// The name of the probes' table and of their workload.
pub(crate) const PROBES: &str = "beringia-drill-probes";
/// Probes per second in each region. A probe is a write or a read.
const PROBES_PER_SECOND: f64 = 10.0;
/// Enough keys that probes of two regions hardly ever use the same one.
const PROBE_KEYS: u64 = 100_000;

/// Replaces the load of a plan by probes: applications are the load.
pub fn with_probes(plan: &mut Plan) {
    plan.scenario.workloads = vec![probes()];
}

/// Whether the load of a plan is probes alone.
pub(crate) fn is_probed(plan: &Plan) -> bool {
    plan.scenario.workloads.iter().all(|workload| workload.name == PROBES)
}

/// The workload of probes: writes and reads of a few bytes in every region.
fn probes() -> Workload {
    let kind = WorkloadKind::Mixed {
        put_percent: 50,
        update_percent: 0,
        delete_percent: 0,
        append_percent: 0,
    };
    Workload {
        rate: PROBES_PER_SECOND,
        clients: 8,
        keys: PROBE_KEYS,
        value_bytes: 0,
        ..Workload::new(PROBES, kind)
    }
}

/// Divides all times of a plan by `pace`.
pub fn hurry(plan: &mut Plan, pace: f64) {
    plan.scenario.duration = plan.scenario.duration.div_f64(pace);
    for workload in &mut plan.scenario.workloads {
        workload.from = workload.from.div_f64(pace);
        workload.until = workload.until.map(|until| until.div_f64(pace));
    }
    for planned in &mut plan.timeline {
        planned.at = planned.at.div_f64(pace);
    }
}

/// The options that running regions should have been started with for this scenario.
fn unlike(wanted: &RegionOptions, here: &RegionOptions) -> Vec<String> {
    let mut problems = Vec::new();
    let mut missing = |flag: String| problems.push(format!("start the regions with {flag}"));
    if wanted.throttling && !here.throttling {
        missing("--throttling".to_owned());
    }
    if !wanted.stale_reads.is_zero() && wanted.stale_reads != here.stale_reads {
        missing(format!("--stale-reads {}", wanted.stale_reads.as_millis()));
    }
    if !wanted.slow_changes.is_zero() && wanted.slow_changes != here.slow_changes {
        missing(format!("--slow-changes {}", wanted.slow_changes.as_millis()));
    }
    if let Some(most) = wanted
        .max_unreachable
        .filter(|most| Some(*most) != here.max_unreachable)
    {
        missing(format!("--max-unreachable-ms {}", most.as_millis()));
    }
    problems
}

/// Checks that the plan can be played here, before anything is done.
///
/// # Errors
/// [`DrillError::OtherRegions`] or [`DrillError::Unplayable`], with everything that cannot be
/// played; `scenario` is the user's name for it. Disks are lost only if `may_lose_disks`: that
/// deletes databases.
pub async fn check(plan: &Plan, stage: &Stage, scenario: &str, may_lose_disks: bool) -> Result<(), DrillError> {
    let here = stage.fleet.topology();
    let unknown: Vec<&str> = plan
        .scenario
        .topology
        .names()
        .filter(|name| !here.iter().any(|region| region == name))
        .collect();
    if !unknown.is_empty() {
        return Err(DrillError::OtherRegions {
            wanted: plan.scenario.topology.names().collect::<Vec<_>>().join(", "),
            here: here.join(", "),
        });
    }
    let mut problems = Vec::new();
    let mut words = BTreeSet::new();
    for planned in &plan.timeline {
        let action = &planned.action;
        match stage.means(action) {
            Err(why) => problems.push(format!("{action}: {why}")),
            Ok(Means::Hook) => words.extend(hook::word(action, &plan.scenario.topology)),
            Ok(_) => {}
        }
        let loses = matches!(action, Action::Crash { lose_disk: true, .. });
        if loses && !may_lose_disks {
            problems.push(format!(
                "{action}: this deletes a database; allow it with --allow-data-loss"
            ));
        }
    }
    if plan.scenario.disks == Disks::Faulty {
        let why = NoMeans::Simulated;
        problems.push(format!("disks = \"faulty\": {why}"));
    }
    let beside = [
        ("recreated_table", plan.scenario.recreated_table),
        ("stream_readers", plan.scenario.stream_readers),
    ];
    let asked = beside.into_iter().filter(|(_, is_asked)| *is_asked);
    problems.extend(asked.map(|(field, _)| format!("{field}: only a simulation has these clients")));
    problems.extend(unlike(&plan.scenario.behaviour, &stage.fleet.behaviour()));
    if let Some(hook) = &stage.hook {
        for word in words {
            if let Answer::No(why) = hook.can(&word).await? {
                problems.push(format!("{word}: the hook cannot do it ({why})"));
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    problems.dedup();
    Err(DrillError::Unplayable {
        scenario: scenario.to_owned(),
        problems,
    })
}
