//! The form of a scenario file: reading and writing it. Both use the same structures, so that what
//! is written can be read.

mod behaviour;
mod event;
mod expect;
mod load;
mod objective;

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use beringia_regions::{
    LinkForm, SHIPPED, Topology, TopologyError, TopologyForm,
    form::{self, At, Mistake, nowhere},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use toml::{Spanned, value::Datetime};

pub(crate) use self::event::actions;
use self::{behaviour::BehaviourForm, event::EventForm, expect::ExpectForm, load::WorkloadForm};
use crate::{
    ClockDeviation, DURATION_MAX, Disks, Policy, Scenario, ScenarioError, ScenarioProblem, TimelineEvent, check, time,
};

/// The greatest offset of a clock, in milliseconds: a day.
const CLOCK_MS_MAX: i64 = 86_400_000;
/// The greatest drift of a clock, in parts per million: a tenth.
const DRIFT_PPM_MAX: i64 = 100_000;

/// The latest beginning, in milliseconds since the Unix epoch: in 2200.
const STARTS_MS_MAX: u64 = 7_258_118_400_000;

/// The reason why a form is not a scenario.
type Misplaced = form::Misplaced<ScenarioProblem, ScenarioError>;

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts: Option<Spanned<Datetime>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disks: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recreated_table: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_readers: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topology: Option<Spanned<TopologyField>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    link: Vec<Spanned<LinkForm>>,
    #[serde(default, skip_serializing_if = "BehaviourForm::is_empty")]
    behaviour: BehaviourForm,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    clocks: BTreeMap<Spanned<String>, ClockForm>,
    #[serde(default)]
    workload: Vec<Spanned<WorkloadForm>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    event: Vec<Spanned<EventForm>>,
    #[serde(default, skip_serializing_if = "ExpectForm::is_empty")]
    expect: ExpectForm,
}

/// The name of a built-in topology, the path of a file, or a topology itself.
#[derive(Serialize)]
#[serde(untagged)]
enum TopologyField {
    Named(String),
    Written(Box<TopologyForm>),
}

impl<'de> Deserialize<'de> for TopologyField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Implemented manually because serde's derived code for untagged enums would lose the
        /// positions of inner values.
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TopologyField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "a topology: one of {}, the path of a file, or a table as in one",
                    SHIPPED.join(", ")
                )
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<TopologyField, E> {
                Ok(TopologyField::Named(name.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<TopologyField, A::Error> {
                let form = TopologyForm::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(TopologyField::Written(Box::new(form)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ClockForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift_ppm: Option<Spanned<i64>>,
}

/// Reads a scenario from a file's text.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Scenario, ScenarioError> {
    let says_nothing = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let scenario = if text.trim_start_matches('\u{feff}').lines().all(says_nothing) {
        Err(At(0, ScenarioProblem::Empty).into())
    } else {
        let form = form::parse(text).map_err(Misplaced::from);
        form.and_then(|form: Form| read(form, path))
    };
    scenario.map_err(|misplaced| misplaced.in_file(path, text))
}

fn read(form: Form, path: &Path) -> Result<Scenario, Misplaced> {
    let mut topology = match form.topology {
        None => Topology::three(),
        Some(field) => topology(field, path)?,
    };
    topology.change_links(form.link).map_err(form::Misplaced::within)?;
    let regions: Vec<String> = topology.names().map(str::to_owned).collect();
    let duration = match &form.duration {
        None => Duration::from_secs(60),
        Some(text) => bounded("duration", text, Duration::from_secs(1), DURATION_MAX)?,
    };
    let policy = match &form.policy {
        None => Policy::default(),
        Some(name) => one_of("policy", name, &Policy::ALL.map(|policy| (policy.name(), policy)))?,
    };
    let disks = match &form.disks {
        None => Disks::default(),
        Some(name) => one_of("disks", name, &Disks::ALL.map(|disks| (disks.name(), disks)))?,
    };
    let replicas = match form.replicas {
        None => regions.clone(),
        Some(names) => replicas(&names, &regions)?,
    };
    let mut scenario = Scenario {
        name: path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default(),
        about: form.about.unwrap_or_default(),
        seed: form.seed,
        topology,
        duration,
        starts_ms: form.starts.as_ref().map(starts).transpose()?,
        behaviour: form.behaviour.read()?,
        disks,
        clocks: clocks(&form.clocks, &regions)?,
        policy,
        replicas,
        workloads: Vec::new(),
        recreated_table: form.recreated_table.unwrap_or(false),
        stream_readers: form.stream_readers.unwrap_or(false),
        events: Vec::new(),
        expect: form.expect.read(&regions)?,
    };
    scenario.workloads = load::read(form.workload, &scenario, path)?;
    let starts: Vec<usize> = form.event.iter().map(|event| event.span().start).collect();
    let mut events: Vec<TimelineEvent> = Vec::new();
    for event in &form.event {
        events.push(event::read(event, &scenario, &events)?);
    }
    scenario.events = events;
    check::events(&scenario).map_err(|(index, problem)| At(starts.get(index).copied().unwrap_or(0), problem))?;
    Ok(scenario)
}

/// Writes a scenario as a file's text.
#[expect(
    clippy::expect_used,
    reason = "every part of the form is one that TOML has; a property test writes scenarios of all kinds"
)]
pub(crate) fn write(scenario: &Scenario) -> String {
    toml::to_string(&form_of(scenario)).expect("a scenario can be written")
}

/// Writes a scenario with the operations of its recordings in this file beside it.
#[expect(clippy::expect_used, reason = "as above")]
pub(crate) fn write_beside(scenario: &Scenario, recording: &str) -> String {
    let mut form = form_of(scenario);
    for workload in &mut form.workload {
        workload.get_mut().put_beside(recording);
    }
    toml::to_string(&form).expect("a scenario can be written")
}

/// Returns what [`write`] writes, as a table.
#[expect(clippy::expect_used, reason = "as above")]
pub(crate) fn write_table(scenario: &Scenario) -> toml::Table {
    toml::Table::try_from(form_of(scenario)).expect("a scenario can be written")
}

fn form_of(scenario: &Scenario) -> Form {
    let (topology, link) = topology_form(&scenario.topology);
    let all: Vec<&str> = scenario.topology.names().collect();
    let clock = |error: &ClockDeviation| ClockForm {
        offset: Some(nowhere(time::show_signed_ms(error.offset_ms))),
        drift_ppm: Some(nowhere(error.drift_ppm)),
    };
    let replicas = scenario.replicas.iter().cloned().map(nowhere).collect();
    Form {
        about: Some(scenario.about.clone()).filter(|about| !about.is_empty()),
        seed: scenario.seed,
        duration: Some(nowhere(time::show(scenario.duration))),
        starts: scenario.starts_ms.and_then(datetime).map(nowhere),
        policy: Some(nowhere(scenario.policy.name().to_owned())),
        recreated_table: scenario.recreated_table.then_some(true),
        stream_readers: scenario.stream_readers.then_some(true),
        replicas: (scenario.replicas != all).then(|| nowhere(replicas)),
        disks: (scenario.disks != Disks::default()).then(|| nowhere(scenario.disks.name().to_owned())),
        topology: Some(nowhere(topology)),
        link: link.into_iter().map(nowhere).collect(),
        behaviour: BehaviourForm::of(&scenario.behaviour),
        clocks: scenario
            .clocks
            .iter()
            .map(|(region, error)| (nowhere(region.clone()), clock(error)))
            .collect(),
        workload: scenario
            .workloads
            .iter()
            .map(|workload| nowhere(WorkloadForm::of(workload)))
            .collect(),
        event: scenario
            .events
            .iter()
            .map(|event| nowhere(EventForm::of(event)))
            .collect(),
        expect: ExpectForm::of(&scenario.expect),
    }
}

/// Returns a built-in topology of the same regions with the links that differ, if there is one, and
/// otherwise the whole topology.
fn topology_form(topology: &Topology) -> (TopologyField, Vec<LinkForm>) {
    for name in SHIPPED {
        let Some(shipped) = Topology::shipped(name) else {
            continue;
        };
        // A link of a built-in topology can replace what the topology defines, but not remove it.
        let changed = topology
            .links()
            .iter()
            .zip(shipped.links())
            .filter(|(link, usual)| link != usual);
        if shipped.regions() == topology.regions() {
            let links = changed.map(|(link, _)| LinkForm::of(link)).collect();
            return (TopologyField::Named(name.to_owned()), links);
        }
    }
    (TopologyField::Written(Box::new(TopologyForm::of(topology))), Vec::new())
}

/// Reads a time with its offset from UTC, which a clock needs to start from.
fn starts(at: &Spanned<Datetime>) -> Result<u64, At<ScenarioProblem>> {
    let text = at.get_ref().to_string();
    let parsed = text.parse::<jiff::Timestamp>().ok();
    let ms = parsed.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    ms.filter(|ms| *ms <= STARTS_MS_MAX).ok_or_else(|| {
        let expected = "a date and a time with its offset from UTC, 1970 to 2200, such as 2026-07-14T12:00:00Z";
        out_of_bounds("starts", at.span().start, &text, expected)
    })
}

fn datetime(ms: u64) -> Option<Datetime> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    at.to_string().parse().ok()
}

fn topology(field: Spanned<TopologyField>, path: &Path) -> Result<Topology, Misplaced> {
    let start = field.span().start;
    match field.into_inner() {
        TopologyField::Named(name) => match Topology::shipped(&name) {
            Some(topology) => Ok(topology),
            None => {
                let named = path.parent().unwrap_or(Path::new("")).join(&name);
                Topology::load(&named).map_err(|error| match error {
                    TopologyError::Unreadable { file, source } if file == named => {
                        let reason = source.to_string();
                        let expected = format!(
                            "one of {}, or the path of a file from where the scenario is",
                            SHIPPED.join(", ")
                        );
                        Misplaced::Here(At(start, ScenarioProblem::Unreadable { file, reason, expected }))
                    }
                    error => Misplaced::Elsewhere(error.into()),
                })
            }
        },
        TopologyField::Written(form) => form.topology(path).map_err(form::Misplaced::within),
    }
}

fn replicas(names: &Spanned<Vec<Spanned<String>>>, regions: &[String]) -> Result<Vec<String>, At<ScenarioProblem>> {
    let chosen = region_names(names.get_ref(), regions)?;
    if chosen.is_empty() {
        return Err(out_of_bounds(
            "replicas",
            names.span().start,
            "[]",
            "at least one region",
        ));
    }
    Ok(regions
        .iter()
        .filter(|region| chosen.contains(region))
        .cloned()
        .collect())
}

fn clocks(
    forms: &BTreeMap<Spanned<String>, ClockForm>,
    regions: &[String],
) -> Result<BTreeMap<String, ClockDeviation>, At<ScenarioProblem>> {
    let mut clocks = BTreeMap::new();
    for (region, form) in forms {
        let region = region_name(region, regions)?;
        let offset_ms = form.offset.as_ref().map(|text| signed_ms("offset", text)).transpose()?;
        let drift_ppm = form.drift_ppm.as_ref().map(drift).transpose()?;
        let error = ClockDeviation {
            offset_ms: offset_ms.unwrap_or(0),
            drift_ppm: drift_ppm.unwrap_or(0),
        };
        clocks.insert(region, error);
    }
    Ok(clocks)
}

fn region_name(name: &Spanned<String>, regions: &[String]) -> Result<String, At<ScenarioProblem>> {
    known_name("region", name, regions)
}

/// Reads names of regions, each of which may appear once.
fn region_names(names: &[Spanned<String>], regions: &[String]) -> Result<Vec<String>, At<ScenarioProblem>> {
    let mut seen = Vec::new();
    for name in names {
        let region = region_name(name, regions)?;
        if seen.contains(&region) {
            return Err(At(
                name.span().start,
                ScenarioProblem::Duplicate {
                    what: "regions",
                    name: region,
                },
            ));
        }
        seen.push(region);
    }
    Ok(seen)
}

fn known_name(what: &'static str, name: &Spanned<String>, known: &[String]) -> Result<String, At<ScenarioProblem>> {
    form::known_name(what, name, known)
}

fn one_of<T: Clone>(what: &'static str, name: &Spanned<String>, known: &[(&str, T)]) -> Result<T, At<ScenarioProblem>> {
    let names: Vec<String> = known.iter().map(|(name, _)| (*name).to_owned()).collect();
    let name = known_name(what, name, &names)?;
    let found = known.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, value)| value.clone())
        .ok_or(At(0, Mistake::Form(name).into()))
}

fn length(text: &Spanned<String>) -> Result<Duration, At<ScenarioProblem>> {
    let wrong = || At(text.span().start, ScenarioProblem::Length(text.get_ref().clone()));
    time::parse(text.get_ref()).ok_or_else(wrong)
}

/// Reads a length of time within bounds.
fn bounded(
    field: &'static str,
    text: &Spanned<String>,
    least: Duration,
    most: Duration,
) -> Result<Duration, At<ScenarioProblem>> {
    let length = length(text)?;
    if (least..=most).contains(&length) {
        return Ok(length);
    }
    let expected = format!("{} to {}", time::show(least), time::show(most));
    Err(out_of_bounds(field, text.span().start, text.get_ref(), &expected))
}

fn signed_ms(field: &'static str, text: &Spanned<String>) -> Result<i64, At<ScenarioProblem>> {
    let wrong = || At(text.span().start, ScenarioProblem::Length(text.get_ref().clone()));
    let ms = time::parse_signed_ms(text.get_ref()).ok_or_else(wrong)?;
    if (-CLOCK_MS_MAX..=CLOCK_MS_MAX).contains(&ms) {
        return Ok(ms);
    }
    Err(out_of_bounds(field, text.span().start, text.get_ref(), "-24h to 24h"))
}

fn drift(ppm: &Spanned<i64>) -> Result<i64, At<ScenarioProblem>> {
    number("ppm", ppm, -DRIFT_PPM_MAX, DRIFT_PPM_MAX)
}

/// Checks that a number is within bounds.
fn number<T>(field: &'static str, value: &Spanned<T>, least: T, most: T) -> Result<T, At<ScenarioProblem>>
where
    T: Copy + PartialOrd + fmt::Display,
{
    form::number(field, value, least, most)
}

fn out_of_bounds(field: &'static str, start: usize, value: &str, expected: &str) -> At<ScenarioProblem> {
    form::out_of_bounds(field, start, value, expected)
}
