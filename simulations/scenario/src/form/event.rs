//! The meaning of the `[[event]]`s of a scenario file.

mod fields;
mod form;
mod write;

use std::time::Duration;

use beringia_regions::{BANDWIDTH_MBIT_MAX, BANDWIDTH_MBIT_MIN, DELAY_MAX, LOSS_PERCENT_MAX};
use toml::Spanned;

pub(crate) use self::fields::actions;
pub(super) use self::form::EventForm;
use self::{
    fields::{ActionKind, ActionType, HEAL_ALL, Lasts, LinkAction, RegionAction},
    form::{FieldValue, LinkOrAll, Pair, Text},
};
use super::{
    At, bounded, drift, known_name,
    load::{RATE_MAX, table_name},
    number, one_of, out_of_bounds, region_name, signed_ms,
};
use crate::{
    Action, DiskFailures, Disks, Ends, Scenario, ScenarioProblem, Span, SwarmProfile, TimelineEvent, What, When,
    Workload, WorkloadKind, draw, time,
};

const SLOWER_MAX: Duration = Duration::from_mins(1);
const FAULTS_MAX: u32 = 10_000;
const BITS_MAX: i64 = 10_000;

/// An event whose kind is known, while it is read.
struct EventReading<'a> {
    scenario: &'a Scenario,
    regions: &'a [String],
    /// Where the event begins in the file.
    start: usize,
    form: &'a EventForm,
    kind: &'static ActionKind,
}

pub(super) fn read(
    form: &Spanned<EventForm>,
    scenario: &Scenario,
    before: &[TimelineEvent],
) -> Result<TimelineEvent, At<ScenarioProblem>> {
    let start = form.span().start;
    let form = form.get_ref();
    let regions: Vec<String> = scenario.topology.names().map(str::to_owned).collect();
    let at = when(form, start, &regions, before)?;
    let lasts = form.text("lasts").map(lasts).transpose()?;
    let (kind, value) = action(form, start)?;
    let reading = EventReading {
        scenario,
        regions: &regions,
        start,
        form,
        kind,
    };
    let what = reading.what(value)?;
    reading.expect_nothing_else()?;
    Ok(TimelineEvent { at, lasts, what })
}

fn when(
    form: &EventForm,
    start: usize,
    regions: &[String],
    before: &[TimelineEvent],
) -> Result<When, At<ScenarioProblem>> {
    match (form.text("at"), form.text("after"), form.text("when_drained")) {
        (Some(at), None, None) => span(at).map(When::After),
        (None, Some(after), None) => span(after).map(When::AfterPrevious),
        (None, after, Some(region)) => when_drained(region, after, regions, before),
        _ => Err(At(start, ScenarioProblem::EventTime)),
    }
}

fn when_drained(
    region: &Text,
    after: Option<&Text>,
    regions: &[String],
    before: &[TimelineEvent],
) -> Result<When, At<ScenarioProblem>> {
    let at_once = Span {
        least: Duration::ZERO,
        most: Duration::ZERO,
    };
    let after = after.map_or(Ok(at_once), span)?;
    let name = region_name(region, regions)?;
    if draw::drain_before(before, before.len(), &name).is_none() {
        return Err(At(region.span().start, ScenarioProblem::NoDrain(name)));
    }
    Ok(When::AfterDrain(name, after))
}

fn lasts(text: &Text) -> Result<Span, At<ScenarioProblem>> {
    let span = span(text)?;
    if span.least.is_zero() {
        return Err(out_of_bounds(
            "lasts",
            text.span().start,
            text.get_ref(),
            "more than 0s",
        ));
    }
    Ok(span)
}

fn span(text: &Text) -> Result<Span, At<ScenarioProblem>> {
    let wrong = || At(text.span().start, ScenarioProblem::Span(text.get_ref().clone()));
    time::parse_span(text.get_ref()).ok_or_else(wrong)
}

fn profile(text: &Text) -> Result<SwarmProfile, At<ScenarioProblem>> {
    one_of(
        "profile",
        text,
        &SwarmProfile::ALL.map(|profile| (profile.name(), profile)),
    )
}

/// Finds the one field that says what happens: the kind of action, and the field's value.
fn action(form: &EventForm, start: usize) -> Result<(&'static ActionKind, &FieldValue), At<ScenarioProblem>> {
    let mut actions = form.actions();
    let (kind, value) = actions.next().ok_or(At(start, ScenarioProblem::EventAction))?;
    if let Some((_, second)) = actions.next() {
        return Err(At(second.start(), ScenarioProblem::EventAction));
    }
    let is_for_all = matches!(value, FieldValue::LinkOrAll(link) if matches!(link.get_ref(), LinkOrAll::All(_)));
    Ok((if is_for_all { &HEAL_ALL } else { kind }, value))
}

impl EventReading<'_> {
    fn what(&self, value: &FieldValue) -> Result<What, At<ScenarioProblem>> {
        let action = match (self.kind.action, value) {
            (ActionType::Swarm, FieldValue::Count(faults)) => {
                let faults = number("swarm", faults, 1, FAULTS_MAX)?;
                let lose_disk = self.form.flag("lose_disk");
                let profile = self.form.text("profile").map(profile).transpose()?.unwrap_or_default();
                return Ok(What::Swarm {
                    faults,
                    lose_disk,
                    profile,
                });
            }
            (ActionType::Rate, FieldValue::Number(rate)) => self.rate(rate)?,
            (ActionType::Heal, FieldValue::LinkOrAll(link)) => match link.get_ref() {
                LinkOrAll::All(_) => Action::Heal(None),
                LinkOrAll::Link(pair) => Action::Heal(Some(self.ends(pair, link.span().start)?)),
            },
            (ActionType::Link(action), FieldValue::Link(pair)) => self.link_action(action, pair)?,
            (ActionType::Region(action), FieldValue::Text(region)) => {
                self.region_action(action, region_name(region, self.regions)?)?
            }
            // Unreachable: a value is read in the shape of its action's type. The types are listed
            // so that the compiler asks for a new one.
            (
                ActionType::Link(_) | ActionType::Region(_) | ActionType::Heal | ActionType::Rate | ActionType::Swarm,
                _,
            ) => return Err(At(self.start, ScenarioProblem::EventAction)),
        };
        Ok(What::Do(action))
    }

    fn link_action(&self, action: LinkAction, pair: &Pair) -> Result<Action, At<ScenarioProblem>> {
        let ends = || self.ends(pair.get_ref(), pair.span().start);
        Ok(match action {
            LinkAction::Cut => Action::Cut {
                ends: ends()?,
                reset: self.form.flag("reset"),
            },
            LinkAction::Delay => {
                let length = |field, text| bounded(field, text, Duration::ZERO, DELAY_MAX);
                let delay = length("to", self.needed("to", EventForm::text)?)?;
                let jitter = self
                    .form
                    .text("jitter")
                    .map(|text| length("jitter", text))
                    .transpose()?;
                Action::Delay {
                    ends: ends()?,
                    delay,
                    jitter: jitter.unwrap_or_default(),
                }
            }
            LinkAction::Loss => {
                let percent = self.needed("percent", EventForm::number)?;
                let percent = number("percent", percent, 0.0, LOSS_PERCENT_MAX)?;
                Action::Loss { ends: ends()?, percent }
            }
            LinkAction::Bandwidth => {
                let bounds = |mbit| number("mbit", mbit, BANDWIDTH_MBIT_MIN, BANDWIDTH_MBIT_MAX);
                let mbit = self.form.number("mbit").map(bounds).transpose()?;
                Action::Bandwidth { ends: ends()?, mbit }
            }
        })
    }

    fn region_action(&self, action: RegionAction, region: String) -> Result<Action, At<ScenarioProblem>> {
        Ok(match action {
            RegionAction::Isolate => Action::Isolate {
                region,
                reset: self.form.flag("reset"),
            },
            RegionAction::Crash => Action::Crash {
                region,
                lose_disk: self.form.flag("lose_disk"),
            },
            RegionAction::Restart => Action::Restart { region },
            RegionAction::CopyDisk => Action::CopyDisk { region },
            RegionAction::RestoreDisk => Action::RestoreDisk { region },
            RegionAction::LosePower | RegionAction::FailingDisk | RegionAction::FlipBits
                if self.scenario.disks == Disks::Reliable =>
            {
                return Err(At(self.start, ScenarioProblem::ReliableDisks(self.kind.name)));
            }
            RegionAction::LosePower => Action::LosePower { region },
            RegionAction::FailingDisk => Action::FailingDisk {
                region,
                failing: self.failures()?,
            },
            RegionAction::FlipBits => {
                let bits = number("bits", self.needed("bits", EventForm::whole)?, 1, BITS_MAX)?;
                let bits = u32::try_from(bits).unwrap_or(1);
                Action::FlipBits { region, bits }
            }
            RegionAction::SlowDisk => {
                let by = bounded("by", self.needed("by", EventForm::text)?, Duration::ZERO, SLOWER_MAX)?;
                Action::SlowDisk { region, by }
            }
            RegionAction::DiskFull => Action::DiskFull { region, full: true },
            RegionAction::DiskFree => Action::DiskFull { region, full: false },
            RegionAction::ClockStep => {
                let by_ms = signed_ms("by", self.needed("by", EventForm::text)?)?;
                Action::ClockStep { region, by_ms }
            }
            RegionAction::ClockDrift => {
                let ppm = drift(self.needed("ppm", EventForm::whole)?)?;
                Action::ClockDrift { region, ppm }
            }
            RegionAction::PauseReplication => Action::PauseReplication {
                region,
                table: self.table()?,
            },
            RegionAction::ResumeReplication => Action::ResumeReplication {
                region,
                table: self.table()?,
            },
            RegionAction::AddReplica => Action::AddReplica { region },
            RegionAction::RemoveReplica => Action::RemoveReplica { region },
            RegionAction::Shift => {
                let to = self.needed("to", EventForm::text)?;
                let start = to.span().start;
                let to = region_name(to, self.regions)?;
                if to == region {
                    return Err(At(start, ScenarioProblem::ShiftHome(region)));
                }
                Action::Shift { from: region, to }
            }
            RegionAction::ShiftBack => Action::Shift {
                from: region.clone(),
                to: region,
            },
            RegionAction::Drain => Action::Drain { region },
            RegionAction::Undrain => Action::Undrain { region },
        })
    }

    fn failures(&self) -> Result<DiskFailures, At<ScenarioProblem>> {
        let share = |name: &'static str| {
            let percent = self.form.number(name);
            percent.map_or(Ok(0.0), |percent| number(name, percent, 0.0, 100.0))
        };
        Ok(DiskFailures {
            reads: share("reads")?,
            writes: share("writes")?,
            syncs: share("syncs")?,
        })
    }

    fn rate(&self, per_second: &Spanned<f64>) -> Result<Action, At<ScenarioProblem>> {
        let per_second = number("rate", per_second, 0.0, RATE_MAX)?;
        let workload = |name| known_name("workload", name, &self.workloads());
        let region = |name| region_name(name, self.regions);
        Ok(Action::Rate {
            workload: self.form.text("workload").map(workload).transpose()?,
            region: self.form.text("region").map(region).transpose()?,
            per_second,
        })
    }

    /// The table that the event concerns. Only a player knows the tables of a recording.
    fn table(&self) -> Result<Option<String>, At<ScenarioProblem>> {
        let Some(table) = self.form.text("table") else {
            return Ok(None);
        };
        let is_replay = |workload: &Workload| matches!(workload.kind, WorkloadKind::Replay { .. });
        if self.scenario.workloads.iter().any(is_replay) {
            return table_name(table).map(Some);
        }
        known_name("table", table, &self.workloads()).map(Some)
    }

    fn workloads(&self) -> Vec<String> {
        let workloads = self.scenario.workloads.iter();
        workloads.map(|workload| workload.name.clone()).collect()
    }

    /// The two ends of a link that is written at `start`.
    fn ends(&self, pair: &[Text], start: usize) -> Result<Ends, At<ScenarioProblem>> {
        let [from, to] = pair else {
            return Err(At(start, ScenarioProblem::LinkEnds));
        };
        let (from, to) = (region_name(from, self.regions)?, region_name(to, self.regions)?);
        if from == to {
            return Err(At(start, ScenarioProblem::LinkEnds));
        }
        let one_way = self.form.flag("one_way");
        Ok(Ends { from, to, one_way })
    }

    /// Returns a parameter that the kind needs.
    fn needed<'a, T>(
        &'a self,
        name: &'static str,
        get: impl Fn(&'a EventForm, &'static str) -> Option<&'a T>,
    ) -> Result<&'a T, At<ScenarioProblem>> {
        get(self.form, name).ok_or_else(|| {
            let spec = self.kind.takes.iter().find(|parameter| parameter.name == name);
            self.missing(name, spec.and_then(|parameter| parameter.needed).unwrap_or_default())
        })
    }

    fn missing(&self, field: &'static str, expected: &'static str) -> At<ScenarioProblem> {
        let action = self.kind.name.to_owned();
        At(
            self.start,
            ScenarioProblem::Missing {
                action,
                field,
                expected,
            },
        )
    }

    /// Checks that the event has only the fields that its kind takes, and `lasts` as its kind
    /// allows.
    fn expect_nothing_else(&self) -> Result<(), At<ScenarioProblem>> {
        let takes = self.kind.takes.iter().map(|parameter| parameter.name);
        let takes: Vec<&'static str> = takes.collect();
        let misfit = self.form.parameters().find(|(field, _)| !takes.contains(field));
        if let Some((field, value)) = misfit {
            let (allowed, action) = (takes, self.kind.name.to_owned());
            return Err(At(value.start(), ScenarioProblem::Misfit { field, action, allowed }));
        }
        match (self.kind.lasts, self.form.text("lasts")) {
            (Lasts::Never, Some(lasts)) => Err(At(lasts.span().start, ScenarioProblem::NoOpposite(self.kind.name))),
            (Lasts::Needed(expected), None) => Err(self.missing("lasts", expected)),
            _ => Ok(()),
        }
    }
}
