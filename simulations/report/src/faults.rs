//! The faults of a plan's timeline, with their times.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use beringia_scenario::{Action, Ends, Plan};

use crate::{FaultKind, FaultSpan};

/// A directed link: the sending and the receiving region.
type Way = (String, String);

/// A fault of the timeline, and the condition that ends it.
struct Open {
    span: FaultSpan,
    over: Over,
}

/// The condition that ends a fault.
enum Over {
    /// All of these links are open again.
    Links(BTreeSet<Way>),
    /// Another setting of the same kind on the same link, region or workload.
    Setting(Setting),
    /// The region is started again.
    Restart(String),
    /// The fault takes no time.
    AtOnce,
}

/// A kind of setting, and what it is set on. Each has one value at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    Delay(Ends),
    Loss(Ends),
    Bandwidth(Ends),
    Disk(String),
    Room(String),
    Failures(String),
    Drift(String),
    /// A region, and a table; `None`: all tables.
    Pause(String, Option<String>),
    Drain(String),
    Rate(Option<String>, Option<String>),
}

/// The faults and changes of a plan with their beginnings and ends, in the order of their
/// beginnings.
///
/// An action that undoes an earlier one (a heal, a restart, the link's own delay) ends the earlier
/// span and makes none itself.
#[must_use]
pub fn fault_spans(plan: &Plan) -> Vec<FaultSpan> {
    follow(plan).0.into_iter().map(|fault| fault.span).collect()
}

/// For each action of a plan, whether it repairs something, so that regions have to converge: it
/// opens links or restores their usual settings, starts a region, makes a disk normal, resumes
/// replication, or sets a clock back.
#[must_use]
pub fn heals(plan: &Plan) -> Vec<bool> {
    follow(plan).1
}

/// The times during which something kept regions apart, and which ended. A fault that never ends
/// belongs to the scenario.
pub(crate) fn disturbances(plan: &Plan) -> Vec<(u64, u64)> {
    let faults = follow(plan).0.into_iter().filter(Open::keeps_apart);
    faults
        .filter_map(|fault| Some((fault.span.from_ms, fault.span.until_ms?)))
        .collect()
}

/// The faults, and for each action whether it repairs something.
fn follow(plan: &Plan) -> (Vec<Open>, Vec<bool>) {
    let mut faults: Vec<Open> = Vec::new();
    let mut heals = Vec::new();
    let mut stepped_ms: BTreeMap<&str, i64> = BTreeMap::new();
    for planned in &plan.timeline {
        let at_ms = millis(planned.at);
        let ended = end(&mut faults, &planned.action, at_ms);
        let begun = begin(plan, &planned.action);
        heals.push(match &planned.action {
            Action::ClockStep { region, by_ms } => {
                let stepped_ms = stepped_ms.entry(region).or_default();
                *stepped_ms += by_ms;
                *stepped_ms == 0
            }
            _ => ended && begun.is_none(),
        });
        if let Some((label, over)) = begun {
            let until_ms = matches!(over, Over::AtOnce).then_some(at_ms);
            let regions = regions_of(plan, &planned.action);
            let span = FaultSpan {
                from_ms: at_ms,
                until_ms,
                label,
                regions,
                kind: kind_of(&planned.action),
            };
            faults.push(Open { span, over });
        }
    }
    (faults, heals)
}

impl Open {
    /// Whether the fault keeps writes from arriving in other regions, or slows them.
    fn keeps_apart(&self) -> bool {
        match self.span.kind {
            FaultKind::Partition | FaultKind::Network | FaultKind::Region | FaultKind::Disk => true,
            FaultKind::Operation => matches!(self.over, Over::Setting(Setting::Pause(..))),
            FaultKind::Clock | FaultKind::Traffic => false,
        }
    }
}

/// Ends the faults that the action undoes or replaces; returns whether one of them was a fault or
/// kept regions apart.
fn end(faults: &mut [Open], action: &Action, at_ms: u64) -> bool {
    let mut has_ended = false;
    for fault in faults.iter_mut().filter(|fault| fault.span.until_ms.is_none()) {
        let over = match (&mut fault.over, action) {
            (Over::Links(links), Action::Heal(None)) => {
                links.clear();
                true
            }
            (Over::Links(links), Action::Heal(Some(ends))) => {
                for way in ways(ends) {
                    links.remove(&way);
                }
                links.is_empty()
            }
            (Over::Restart(region), Action::Restart { region: started }) => region == started,
            (Over::Setting(Setting::Pause(paused, _)), Action::ResumeReplication { region, table: None }) => {
                paused == region
            }
            (Over::Setting(setting), action) => setting_of(action).is_some_and(|other| other == *setting),
            _ => false,
        };
        if over {
            fault.span.until_ms = Some(at_ms);
            has_ended |= fault.span.kind.is_fault() || fault.keeps_apart();
        }
    }
    has_ended
}

/// The label of an action and the condition that ends it; `None` if the action only undoes
/// something.
fn begin(plan: &Plan, action: &Action) -> Option<(String, Over)> {
    let link = |ends: &Ends| plan.scenario.topology.link(&ends.from, &ends.to);
    let label = match action {
        Action::Delay { ends, delay, jitter } => {
            let usual = link(ends).map(|link| (link.delay_ms, link.jitter_ms));
            if usual.is_some_and(|(d, j)| same(d, delay.as_secs_f64() * 1e3) && same(j, jitter.as_secs_f64() * 1e3)) {
                return None;
            }
            format!("delay {} ms {}", short(delay.as_secs_f64() * 1e3), arrow(ends))
        }
        Action::Loss { ends, percent } => {
            if link(ends).is_some_and(|link| same(link.loss_percent, *percent)) {
                return None;
            }
            format!("loss {} % {}", short(*percent), arrow(ends))
        }
        Action::Bandwidth { ends, mbit } => {
            if link(ends).is_some_and(|link| link.bandwidth_mbit == *mbit) {
                return None;
            }
            match mbit {
                Some(mbit) => format!("{} Mbit/s {}", short(*mbit), arrow(ends)),
                None => format!("no bandwidth limit {}", arrow(ends)),
            }
        }
        Action::Cut { ends, reset } => format!("{} {}", if *reset { "reset" } else { "cut" }, arrow(ends)),
        Action::Isolate { region, .. } => format!("isolate {region}"),
        Action::Crash { region, lose_disk } if *lose_disk => format!("crash {region}, disk lost"),
        Action::Crash { region, .. } => format!("crash {region}"),
        Action::CopyDisk { region } => format!("disk copied {region}"),
        Action::RestoreDisk { region } => format!("disk put back {region}"),
        Action::SlowDisk { region, by } if !by.is_zero() => {
            format!("disk {} ms slower {region}", short(by.as_secs_f64() * 1e3))
        }
        Action::DiskFull { region, full: true } => format!("disk full {region}"),
        Action::LosePower { region } => format!("power lost {region}"),
        Action::FailingDisk { region, failing } if !failing.is_none() => format!("failing disk {region}"),
        Action::FlipBits { region, bits } => format!("{bits} bits changed {region}"),
        Action::ClockStep { region, by_ms } => format!("clock {by_ms:+} ms {region}"),
        Action::ClockDrift { region, ppm } if *ppm != 0 => format!("clock drift {ppm:+} ppm {region}"),
        Action::PauseReplication { region, table } => {
            let table = table.as_ref().map(|table| format!("of {table} "));
            format!("replication {}paused {region}", table.unwrap_or_default())
        }
        Action::AddReplica { region } => format!("replica added {region}"),
        Action::RemoveReplica { region } => format!("replica removed {region}"),
        Action::Shift { from, to } if from == to => format!("traffic of {from} back home"),
        Action::Shift { from, to } => format!("traffic of {from} to {to}"),
        Action::Rate {
            workload,
            region,
            per_second,
        } => {
            let of = [workload.as_deref(), region.as_deref()];
            let of: Vec<&str> = of.into_iter().flatten().collect();
            format!("rate {}/s {}", short(*per_second), of.join(" in "))
                .trim_end()
                .to_owned()
        }
        Action::Drain { region } => format!("drain {region}"),
        Action::SlowDisk { .. }
        | Action::DiskFull { .. }
        | Action::FailingDisk { .. }
        | Action::ClockDrift { .. }
        | Action::Heal(_)
        | Action::Restart { .. }
        | Action::ResumeReplication { .. }
        | Action::Undrain { .. } => return None,
    };
    Some((label, over_of(plan, action)))
}

/// The condition that ends the action.
fn over_of(plan: &Plan, action: &Action) -> Over {
    match action {
        Action::Cut { ends, .. } => Over::Links(ways(ends).collect()),
        Action::Isolate { region, .. } => {
            let links = plan.scenario.topology.links().iter();
            let touching = links.filter(|link| link.from == *region || link.to == *region);
            Over::Links(touching.map(|link| (link.from.clone(), link.to.clone())).collect())
        }
        Action::Crash { region, .. } | Action::RestoreDisk { region } | Action::LosePower { region } => {
            Over::Restart(region.clone())
        }
        action => setting_of(action).map_or(Over::AtOnce, Over::Setting),
    }
}

/// The setting that an action changes, if it is a lasting one.
fn setting_of(action: &Action) -> Option<Setting> {
    Some(match action {
        Action::Delay { ends, .. } => Setting::Delay(ends.clone()),
        Action::Loss { ends, .. } => Setting::Loss(ends.clone()),
        Action::Bandwidth { ends, .. } => Setting::Bandwidth(ends.clone()),
        Action::SlowDisk { region, .. } => Setting::Disk(region.clone()),
        Action::DiskFull { region, .. } => Setting::Room(region.clone()),
        Action::FailingDisk { region, .. } => Setting::Failures(region.clone()),
        Action::ClockDrift { region, .. } => Setting::Drift(region.clone()),
        Action::PauseReplication { region, table } | Action::ResumeReplication { region, table } => {
            Setting::Pause(region.clone(), table.clone())
        }
        Action::Drain { region } | Action::Undrain { region } => Setting::Drain(region.clone()),
        Action::Rate { workload, region, .. } => Setting::Rate(workload.clone(), region.clone()),
        _ => return None,
    })
}

fn kind_of(action: &Action) -> FaultKind {
    match action {
        Action::Cut { .. } | Action::Isolate { .. } | Action::Heal(_) => FaultKind::Partition,
        Action::Delay { .. } | Action::Loss { .. } | Action::Bandwidth { .. } => FaultKind::Network,
        Action::Crash { .. } | Action::RestoreDisk { .. } | Action::LosePower { .. } | Action::Restart { .. } => {
            FaultKind::Region
        }
        Action::SlowDisk { .. } | Action::DiskFull { .. } | Action::FailingDisk { .. } | Action::FlipBits { .. } => {
            FaultKind::Disk
        }
        Action::ClockStep { .. } | Action::ClockDrift { .. } => FaultKind::Clock,
        Action::CopyDisk { .. }
        | Action::PauseReplication { .. }
        | Action::ResumeReplication { .. }
        | Action::AddReplica { .. }
        | Action::RemoveReplica { .. }
        | Action::Drain { .. }
        | Action::Undrain { .. } => FaultKind::Operation,
        Action::Shift { .. } | Action::Rate { .. } => FaultKind::Traffic,
    }
}

/// The regions that an action affects; if it affects all, in the order of the topology.
fn regions_of(plan: &Plan, action: &Action) -> Vec<String> {
    match action {
        Action::Delay { ends, .. }
        | Action::Loss { ends, .. }
        | Action::Bandwidth { ends, .. }
        | Action::Cut { ends, .. }
        | Action::Heal(Some(ends)) => vec![ends.from.clone(), ends.to.clone()],
        Action::Isolate { region, .. }
        | Action::Crash { region, .. }
        | Action::Restart { region }
        | Action::CopyDisk { region }
        | Action::RestoreDisk { region }
        | Action::SlowDisk { region, .. }
        | Action::DiskFull { region, .. }
        | Action::LosePower { region }
        | Action::FailingDisk { region, .. }
        | Action::FlipBits { region, .. }
        | Action::ClockStep { region, .. }
        | Action::ClockDrift { region, .. }
        | Action::PauseReplication { region, .. }
        | Action::ResumeReplication { region, .. }
        | Action::AddReplica { region }
        | Action::RemoveReplica { region }
        | Action::Drain { region }
        | Action::Undrain { region }
        | Action::Rate {
            region: Some(region), ..
        } => vec![region.clone()],
        Action::Shift { from, to } if from == to => vec![from.clone()],
        Action::Shift { from, to } => vec![from.clone(), to.clone()],
        Action::Heal(None) | Action::Rate { region: None, .. } => {
            plan.scenario.topology.names().map(str::to_owned).collect()
        }
    }
}

/// The directed links of a pair.
fn ways(ends: &Ends) -> impl Iterator<Item = Way> {
    ends.ways().map(|(from, to)| (from.to_owned(), to.to_owned()))
}

fn arrow(ends: &Ends) -> String {
    format!("{} {} {}", ends.from, if ends.one_way { "→" } else { "↔" }, ends.to)
}

/// A number with at most two decimals, without zeros at the end.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whether two settings are equal, to within a thousandth of their unit.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-3
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
