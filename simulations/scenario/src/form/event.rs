//! The `[[event]]`s of a scenario file.

mod write;

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};
use toml::Spanned;

use super::{
    At, bounded, drift, known_name,
    load::{RATE_MAX, table_name},
    nowhere, number, region_name, signed_ms,
};
use crate::{Action, Ends, Event, Kind, Problem, Scenario, Span, What, When, draw, replay, time};

/// The fields that say what happens, of which an event has one.
pub(crate) const ACTIONS: [&str; 23] = [
    "cut",
    "isolate",
    "heal",
    "delay",
    "loss",
    "bandwidth",
    "crash",
    "restart",
    "slow_disk",
    "disk_full",
    "disk_free",
    "clock_step",
    "clock_drift",
    "pause_replication",
    "resume_replication",
    "add_replica",
    "remove_replica",
    "shift",
    "shift_back",
    "rate",
    "drain",
    "undrain",
    "swarm",
];

const DELAY_MAX: Duration = Duration::from_mins(10);
const SLOWER_MAX: Duration = Duration::from_mins(1);
const FAULTS_MAX: u32 = 10_000;

/// Two regions.
type Pair = Spanned<Vec<Spanned<String>>>;
type Text = Spanned<String>;

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EventForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when_drained: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolate: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heal: Option<Spanned<Healed>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth: Option<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crash: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_disk: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_full: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_free: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_step: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_drift: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_replication: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_replication: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    add_replica: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remove_replica: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift_back: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undrain: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    swarm: Option<Spanned<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    one_way: Option<Spanned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset: Option<Spanned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lose_disk: Option<Spanned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mbit: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ppm: Option<Spanned<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Text>,
}

/// What is open again: `"*"` for every link, or two regions.
#[derive(Serialize)]
#[serde(untagged)]
enum Healed {
    All(String),
    Link(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Healed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// By hand, since what serde derives for untagged enums would lose the positions within.
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Healed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"*\" for every link, or two regions, such as [\"us-east-1\", \"eu-west-1\"]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Healed, E> {
                match text {
                    "*" => Ok(Healed::All(text.to_owned())),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Healed, A::Error> {
                Deserialize::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Healed::Link)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What an event's form needs to be understood.
struct Reading<'a> {
    scenario: &'a Scenario,
    /// The events above it.
    before: &'a [Event],
    regions: Vec<String>,
    /// Where the event begins in the file.
    start: usize,
    form: EventForm,
}

pub(super) fn read(form: Spanned<EventForm>, scenario: &Scenario, before: &[Event]) -> Result<Event, At> {
    let start = form.span().start;
    let mut reading = Reading {
        scenario,
        before,
        regions: scenario.topology.names().map(str::to_owned).collect(),
        start,
        form: form.into_inner(),
    };
    let at = reading.when()?;
    let lasts_start = reading.form.lasts.as_ref().map(|text| text.span().start);
    let lasts = reading.form.lasts.take().map(|text| lasts(&text)).transpose()?;
    let (name, what) = reading.what()?;
    reading.form.expect_nothing_else(name)?;
    match (&what, lasts_start) {
        (What::Do(action), Some(start)) if !can_last(action) => Err(At(start, Problem::NoOpposite(name))),
        (What::Swarm { .. }, None) => {
            let (field, expected) = (
                "lasts",
                "the time within which it draws faults, such as lasts = \"40s\"",
            );
            let action = name.to_owned();
            Err(At(
                start,
                Problem::Missing {
                    action,
                    field,
                    expected,
                },
            ))
        }
        _ => Ok(Event { at, lasts, what }),
    }
}

fn lasts(text: &Text) -> Result<Span, At> {
    let span = span(text)?;
    if span.least.is_zero() {
        return Err(super::out_of_bounds(
            "lasts",
            text.span().start,
            text.get_ref(),
            "more than 0s",
        ));
    }
    Ok(span)
}

fn span(text: &Text) -> Result<Span, At> {
    let wrong = || At(text.span().start, Problem::Span(text.get_ref().clone()));
    time::parse_span(text.get_ref()).ok_or_else(wrong)
}

/// Whether something can follow that undoes it.
fn can_last(action: &Action) -> bool {
    match action {
        Action::Cut { .. }
        | Action::Isolate { .. }
        | Action::Delay { .. }
        | Action::Loss { .. }
        | Action::Bandwidth { .. }
        | Action::SlowDisk { .. }
        | Action::DiskFull { full: true, .. }
        | Action::ClockDrift { .. }
        | Action::Rate { .. } => true,
        action => replay::opposite(action).is_some(),
    }
}

impl Reading<'_> {
    fn when(&mut self) -> Result<When, At> {
        let form = &mut self.form;
        match (form.at.take(), form.after.take(), form.when_drained.take()) {
            (Some(at), None, None) => span(&at).map(When::After),
            (None, Some(after), None) => span(&after).map(When::AfterPrevious),
            (None, after, Some(region)) => self.when_drained(&region, after.as_ref()),
            _ => Err(At(self.start, Problem::EventTime)),
        }
    }

    fn when_drained(&self, region: &Text, after: Option<&Text>) -> Result<When, At> {
        let at_once = Span {
            least: Duration::ZERO,
            most: Duration::ZERO,
        };
        let after = after.map_or(Ok(at_once), span)?;
        let name = region_name(region, &self.regions)?;
        if draw::drain_before(self.before, self.before.len(), &name).is_none() {
            return Err(At(region.span().start, Problem::NoDrain(name)));
        }
        Ok(When::AfterDrain(name, after))
    }

    /// What happens, and the name of the field that says so, with its value where other fields go with others.
    fn what(&mut self) -> Result<(&'static str, What), At> {
        if let Some(faults) = self.form.swarm.take() {
            let faults = number("swarm", &faults, 1, FAULTS_MAX)?;
            let lose_disk = flag(self.form.lose_disk.take());
            return Ok(("swarm", What::Swarm { faults, lose_disk }));
        }
        let action = match self.link_action()? {
            Some(action) => Some(action),
            None => self.region_action()?,
        };
        let (name, action) = action.ok_or(At(self.start, Problem::EventAction))?;
        Ok((name, What::Do(action)))
    }

    fn link_action(&mut self) -> Result<Option<(&'static str, Action)>, At> {
        let form = &mut self.form;
        Ok(Some(if let Some(pair) = form.cut.take() {
            let ends = self.ends(&pair)?;
            let reset = flag(self.form.reset.take());
            ("cut", Action::Cut { ends, reset })
        } else if let Some(healed) = form.heal.take() {
            let start = healed.span().start;
            match healed.into_inner() {
                Healed::All(_) => ("heal = \"*\"", Action::Heal(None)),
                Healed::Link(pair) => {
                    let ends = self.ends(&Spanned::new(start..start, pair))?;
                    ("heal", Action::Heal(Some(ends)))
                }
            }
        } else if let Some(pair) = form.delay.take() {
            let to = form.to.take();
            let to = self.needed(to, "delay", "to", "the delay, such as to = \"300ms\"")?;
            let delay = bounded("to", &to, Duration::ZERO, DELAY_MAX)?;
            let jitter = self.form.jitter.take();
            let jitter = jitter.map_or(Ok(Duration::ZERO), |text| {
                bounded("jitter", &text, Duration::ZERO, DELAY_MAX)
            })?;
            let ends = self.ends(&pair)?;
            ("delay", Action::Delay { ends, delay, jitter })
        } else if let Some(pair) = form.loss.take() {
            let percent = form.percent.take();
            let percent = self.needed(
                percent,
                "loss",
                "percent",
                "the share of lost packets, such as percent = 2",
            )?;
            let percent = number("percent", &percent, 0.0, beringia_regions::LOSS_PERCENT_MAX)?;
            let ends = self.ends(&pair)?;
            ("loss", Action::Loss { ends, percent })
        } else if let Some(pair) = form.bandwidth.take() {
            let mbit = form.mbit.take();
            let mbit = mbit
                .map(|mbit| number("mbit", &mbit, 1e-3, beringia_regions::BANDWIDTH_MBIT_MAX))
                .transpose()?;
            let ends = self.ends(&pair)?;
            ("bandwidth", Action::Bandwidth { ends, mbit })
        } else {
            return Ok(None);
        }))
    }

    fn region_action(&mut self) -> Result<Option<(&'static str, Action)>, At> {
        let form = &mut self.form;
        let named = [
            ("isolate", &mut form.isolate),
            ("crash", &mut form.crash),
            ("restart", &mut form.restart),
            ("slow_disk", &mut form.slow_disk),
            ("disk_full", &mut form.disk_full),
            ("disk_free", &mut form.disk_free),
            ("clock_step", &mut form.clock_step),
            ("clock_drift", &mut form.clock_drift),
            ("pause_replication", &mut form.pause_replication),
            ("resume_replication", &mut form.resume_replication),
            ("add_replica", &mut form.add_replica),
            ("remove_replica", &mut form.remove_replica),
            ("shift", &mut form.shift),
            ("shift_back", &mut form.shift_back),
            ("drain", &mut form.drain),
            ("undrain", &mut form.undrain),
        ];
        let found = named.into_iter().find_map(|(name, field)| Some((name, field.take()?)));
        let Some((name, region)) = found else {
            return self.rate();
        };
        let region = region_name(&region, &self.regions)?;
        let action = match name {
            "isolate" => {
                let reset = flag(self.form.reset.take());
                Action::Isolate { region, reset }
            }
            "crash" => {
                let lose_disk = flag(self.form.lose_disk.take());
                Action::Crash { region, lose_disk }
            }
            "restart" => Action::Restart { region },
            "slow_disk" => {
                let by = self.by(name, "how much longer a commit takes, such as by = \"50ms\"")?;
                let by = bounded("by", &by, Duration::ZERO, SLOWER_MAX)?;
                Action::SlowDisk { region, by }
            }
            "disk_full" | "disk_free" => {
                let full = name == "disk_full";
                Action::DiskFull { region, full }
            }
            "clock_step" => {
                let by = self.by(name, "how far the clock jumps, such as by = \"-3s\"")?;
                let by_ms = signed_ms("by", &by)?;
                Action::ClockStep { region, by_ms }
            }
            "clock_drift" => {
                let ppm = self.form.ppm.take();
                let ppm = self.needed(ppm, name, "ppm", "millionths that the clock gains, such as ppm = 200")?;
                let ppm = drift(&ppm)?;
                Action::ClockDrift { region, ppm }
            }
            "pause_replication" | "resume_replication" => self.pause(name == "pause_replication", region)?,
            "add_replica" => Action::AddReplica { region },
            "remove_replica" => Action::RemoveReplica { region },
            "shift" => {
                let to = self.form.to.take();
                let to = self.needed(to, name, "to", "where the clients go, such as to = \"eu-west-1\"")?;
                let start = to.span().start;
                let to = region_name(&to, &self.regions)?;
                if to == region {
                    return Err(At(start, Problem::ShiftHome(region)));
                }
                Action::Shift { from: region, to }
            }
            "shift_back" => Action::Shift {
                from: region.clone(),
                to: region,
            },
            "drain" => Action::Drain { region },
            _ => Action::Undrain { region },
        };
        Ok(Some((name, action)))
    }

    fn pause(&mut self, is_pause: bool, region: String) -> Result<Action, At> {
        let table = self.table()?;
        Ok(if is_pause {
            Action::PauseReplication { region, table }
        } else {
            Action::ResumeReplication { region, table }
        })
    }

    /// The table that it is about. What a recording has of tables only those know who play it.
    fn table(&mut self) -> Result<Option<String>, At> {
        let Some(table) = self.form.table.take() else {
            return Ok(None);
        };
        let workloads = &self.scenario.workloads;
        if workloads
            .iter()
            .any(|workload| matches!(workload.kind, Kind::Replay { .. }))
        {
            return table_name(table).map(Some);
        }
        let known: Vec<String> = workloads.iter().map(|workload| workload.name.clone()).collect();
        known_name("table", &table, &known).map(Some)
    }

    fn rate(&mut self) -> Result<Option<(&'static str, Action)>, At> {
        let Some(rate) = self.form.rate.take() else {
            return Ok(None);
        };
        let per_second = number("rate", &rate, 0.0, RATE_MAX)?;
        let workloads: Vec<String> = self
            .scenario
            .workloads
            .iter()
            .map(|workload| workload.name.clone())
            .collect();
        let workload = self.form.workload.take();
        let workload = workload
            .map(|name| known_name("workload", &name, &workloads))
            .transpose()?;
        let region = self.form.region.take();
        let region = region.map(|name| region_name(&name, &self.regions)).transpose()?;
        let action = Action::Rate {
            workload,
            region,
            per_second,
        };
        Ok(Some(("rate", action)))
    }

    fn ends(&mut self, pair: &Pair) -> Result<Ends, At> {
        let [from, to] = pair.get_ref().as_slice() else {
            return Err(At(pair.span().start, Problem::LinkEnds));
        };
        let (from, to) = (region_name(from, &self.regions)?, region_name(to, &self.regions)?);
        if from == to {
            return Err(At(pair.span().start, Problem::LinkEnds));
        }
        let one_way = flag(self.form.one_way.take());
        Ok(Ends { from, to, one_way })
    }

    fn by(&mut self, action: &str, expected: &'static str) -> Result<Text, At> {
        let by = self.form.by.take();
        self.needed(by, action, "by", expected)
    }

    fn needed<T>(&self, value: Option<T>, action: &str, field: &'static str, expected: &'static str) -> Result<T, At> {
        let action = action.to_owned();
        value.ok_or(At(
            self.start,
            Problem::Missing {
                action,
                field,
                expected,
            },
        ))
    }
}

fn flag(flag: Option<Spanned<bool>>) -> bool {
    flag.is_some_and(Spanned::into_inner)
}

/// The fields beside `at`, `after` and `lasts` that an event of a kind can have.
fn parameters(action: &str) -> Vec<&'static str> {
    match action {
        "cut" => vec!["one_way", "reset"],
        "isolate" => vec!["reset"],
        "heal" => vec!["one_way"],
        "delay" => vec!["to", "jitter", "one_way"],
        "loss" => vec!["percent", "one_way"],
        "bandwidth" => vec!["mbit", "one_way"],
        "crash" | "swarm" => vec!["lose_disk"],
        "slow_disk" | "clock_step" => vec!["by"],
        "clock_drift" => vec!["ppm"],
        "shift" => vec!["to"],
        "rate" => vec!["workload", "region"],
        "pause_replication" | "resume_replication" => vec!["table"],
        _ => Vec::new(),
    }
}

impl EventForm {
    /// That every field was taken out while the event was read.
    fn expect_nothing_else(&self, action: &'static str) -> Result<(), At> {
        let left = self.left().into_iter().find_map(|(field, start)| Some((field, start?)));
        match left {
            None => Ok(()),
            Some((field, start)) if ACTIONS.contains(&field) => Err(At(start, Problem::EventAction)),
            Some((field, start)) => {
                let (allowed, action) = (parameters(action), action.to_owned());
                Err(At(start, Problem::Misfit { field, action, allowed }))
            }
        }
    }

    /// Where each field is that says what happens, if it is there.
    fn left(&self) -> [(&'static str, Option<usize>); 35] {
        fn start<T>(field: &Option<Spanned<T>>) -> Option<usize> {
            field.as_ref().map(|field| field.span().start)
        }
        [
            ("cut", start(&self.cut)),
            ("isolate", start(&self.isolate)),
            ("heal", start(&self.heal)),
            ("delay", start(&self.delay)),
            ("loss", start(&self.loss)),
            ("bandwidth", start(&self.bandwidth)),
            ("crash", start(&self.crash)),
            ("restart", start(&self.restart)),
            ("slow_disk", start(&self.slow_disk)),
            ("disk_full", start(&self.disk_full)),
            ("disk_free", start(&self.disk_free)),
            ("clock_step", start(&self.clock_step)),
            ("clock_drift", start(&self.clock_drift)),
            ("pause_replication", start(&self.pause_replication)),
            ("resume_replication", start(&self.resume_replication)),
            ("add_replica", start(&self.add_replica)),
            ("remove_replica", start(&self.remove_replica)),
            ("shift", start(&self.shift)),
            ("shift_back", start(&self.shift_back)),
            ("rate", start(&self.rate)),
            ("drain", start(&self.drain)),
            ("undrain", start(&self.undrain)),
            ("swarm", start(&self.swarm)),
            ("one_way", start(&self.one_way)),
            ("reset", start(&self.reset)),
            ("lose_disk", start(&self.lose_disk)),
            ("to", start(&self.to)),
            ("by", start(&self.by)),
            ("jitter", start(&self.jitter)),
            ("percent", start(&self.percent)),
            ("mbit", start(&self.mbit)),
            ("ppm", start(&self.ppm)),
            ("workload", start(&self.workload)),
            ("table", start(&self.table)),
            ("region", start(&self.region)),
        ]
    }
}
