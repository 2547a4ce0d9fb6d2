//! Settings of a scenario by path, so that runs can vary them: `link.delay_ms`, `workload.rate`,
//! `policy` and so on.
//!
//! A setting is changed in the scenario's file form, which is then read like any other file. So it
//! has the same bounds and the same errors.

use std::path::Path;

use beringia_regions::form::FileError;
use thiserror::Error;
use toml::{Table, Value};

use crate::{Scenario, ScenarioError, ScenarioProblem, form};

/// The reason why a setting cannot be changed.
#[derive(Debug, Error)]
pub enum SettingError {
    /// The scenario has no setting with this path.
    #[error("no setting is called {path:?}; expected one of {}", known.join(", "))]
    Unknown {
        /// The path, as the user wrote it.
        path: String,
        /// The paths that this scenario has.
        known: Vec<String>,
    },
    /// The value is not a number.
    #[error("{path} = {value}; expected a number")]
    NotANumber {
        /// The path of the setting, such as `link.delay_ms`.
        path: String,
        /// The value, as the user wrote it.
        value: String,
    },
    /// The value is neither true nor false.
    #[error("{path} = {value}; expected true or false")]
    NotAFlag {
        /// The path of the setting, such as `link.delay_ms`.
        path: String,
        /// The value, as the user wrote it.
        value: String,
    },
    /// The scenario cannot have these values, or not together.
    #[error("{settings}: {problem}")]
    Refused {
        /// Each path with its value.
        settings: String,
        /// The reason, as for the same values in a scenario file.
        problem: ScenarioProblem,
    },
    /// The changed scenario cannot be read for a reason outside of it.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

/// The type of a value in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Number,
    Text,
    Flag,
    /// Milliseconds, which the file has as a length of time.
    Milliseconds,
}

const LINK: [&str; 4] = ["delay_ms", "jitter_ms", "loss_percent", "bandwidth_mbit"];
const WORKLOAD: [(&str, Form); 17] = [
    ("rate", Form::Number),
    ("clients", Form::Number),
    ("keys", Form::Number),
    ("choice", Form::Text),
    ("theta", Form::Number),
    ("value_bytes", Form::Number),
    ("put_percent", Form::Number),
    ("update_percent", Form::Number),
    ("delete_percent", Form::Number),
    ("append_percent", Form::Number),
    ("ttl", Form::Text),
    ("from", Form::Text),
    ("until", Form::Text),
    ("billing", Form::Text),
    ("read_units", Form::Number),
    ("write_units", Form::Number),
    ("consistent_percent", Form::Number),
];
const BEHAVIOUR: [(&str, &str, Form); 4] = [
    ("throttling", "throttling", Form::Flag),
    ("stale_reads_ms", "stale_reads", Form::Milliseconds),
    ("slow_changes_ms", "slow_changes", Form::Milliseconds),
    ("max_unreachable_ms", "max_unreachable", Form::Milliseconds),
];
const CLOCK: [(&str, &str, Form); 2] = [
    ("offset_ms", "offset", Form::Milliseconds),
    ("drift_ppm", "drift_ppm", Form::Number),
];
const EVENT: [(&str, Form); 16] = [
    ("at", Form::Text),
    ("after", Form::Text),
    ("lasts", Form::Text),
    ("to", Form::Text),
    ("by", Form::Text),
    ("jitter", Form::Text),
    ("percent", Form::Number),
    ("reads", Form::Number),
    ("writes", Form::Number),
    ("syncs", Form::Number),
    ("bits", Form::Number),
    ("mbit", Form::Number),
    ("ppm", Form::Number),
    ("rate", Form::Number),
    ("swarm", Form::Number),
    ("profile", Form::Text),
];

impl Scenario {
    /// Returns this scenario with other values of some settings, given as paths and values. They
    /// are checked after all are changed, so a shorter duration and an earlier event may come in
    /// any order. Known paths are
    /// - `link.FIELD`: a field of every link, as in topology files (`delay_ms`, `jitter_ms`,
    ///   `loss_percent`, `bandwidth_mbit`);
    /// - `workload.FIELD`, and `workload.NAME.FIELD` for one of several;
    /// - `behaviour.throttling`, `behaviour.stale_reads_ms`, `behaviour.slow_changes_ms`,
    ///   `behaviour.max_unreachable_ms`;
    /// - `clocks.REGION.offset_ms`, `clocks.REGION.drift_ppm`;
    /// - `event.N.FIELD`: a time or a number of the N-th event, counted from 1;
    /// - `policy`, `duration`, `disks`.
    ///
    /// # Errors
    /// [`SettingError`] with the paths that there are, or with what is wrong with the values.
    pub fn with<'a>(&self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, SettingError> {
        let mut table = form::write_table(self);
        let mut changed = Vec::new();
        let mut settings: Vec<(&str, &str)> = settings.into_iter().collect();
        // A choice may remove the scenario's skew, which another setting may then set.
        settings.sort_by_key(|(path, _)| !path.ends_with(".choice"));
        for (path, value) in settings {
            self.change(&mut table, path, value)?;
            changed.push(format!("{path} = {value}"));
        }
        if changed.is_empty() {
            return Ok(self.clone());
        }
        let text = table.to_string();
        let named = format!("{}.toml", self.name);
        form::parse(&text, Path::new(&named)).map_err(|error| match error {
            ScenarioError::File(FileError::Invalid { problem, .. }) => SettingError::Refused {
                settings: changed.join(", "),
                problem,
            },
            error => error.into(),
        })
    }

    /// The paths that [`Scenario::with`] knows in this scenario; for events, only the fields that
    /// are there.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        let mut paths = ["policy", "duration", "disks"].map(str::to_owned).to_vec();
        paths.extend(LINK.map(|field| format!("link.{field}")));
        paths.extend(WORKLOAD.map(|(field, _)| format!("workload.{field}")));
        if self.workloads.len() > 1 {
            let names = self.workloads.iter().map(|workload| &workload.name);
            paths.extend(names.map(|name| format!("workload.{name}.FIELD")));
        }
        paths.extend(BEHAVIOUR.map(|(field, ..)| format!("behaviour.{field}")));
        paths.extend(CLOCK.map(|(field, ..)| format!("clocks.REGION.{field}")));
        let table = form::write_table(self);
        let events = table.get("event").and_then(Value::as_array).into_iter().flatten();
        for (index, event) in events.enumerate() {
            let has = |(field, _): &&(&str, Form)| event.get(field).is_some();
            paths.extend(
                EVENT
                    .iter()
                    .filter(has)
                    .map(|(field, _)| format!("event.{}.{field}", index + 1)),
            );
        }
        paths
    }

    fn change(&self, table: &mut Table, path: &str, value: &str) -> Result<(), SettingError> {
        let unknown = || SettingError::Unknown {
            path: path.to_owned(),
            known: self.settings(),
        };
        let read = |form| read(path, value, form);
        let parts: Vec<&str> = path.split('.').collect();
        match parts[..] {
            ["policy" | "duration" | "disks"] => {
                table.insert(path.to_owned(), Value::String(value.to_owned()));
            }
            ["link", field] if LINK.contains(&field) => {
                let value = read(Form::Number)?;
                let links = self.topology.links().iter();
                let links = links.map(|link| {
                    let mut entry = Table::new();
                    entry.insert("from".to_owned(), Value::String(link.from.clone()));
                    entry.insert("to".to_owned(), Value::String(link.to.clone()));
                    entry.insert(field.to_owned(), value.clone());
                    Value::Table(entry)
                });
                let entries = table.entry("link").or_insert_with(|| Value::Array(Vec::new()));
                entries.as_array_mut().ok_or_else(unknown)?.extend(links);
            }
            ["workload", ref name @ .., field] => {
                let (field, form) = field_of(&WORKLOAD, field).ok_or_else(unknown)?;
                // A name may contain dots itself.
                let name = name.join(".");
                let named = |entry: &&mut Value| {
                    name.is_empty() || entry.get("name").and_then(Value::as_str) == Some(name.as_str())
                };
                let mut changed = false;
                for entry in entries(table, "workload").iter_mut().filter(named) {
                    put(entry, field, read(form)?);
                    // The skew of the scenario's own choice does not apply to this one.
                    if (field, value) == ("choice", "uniform") {
                        remove(entry, "theta");
                    }
                    changed = true;
                }
                if !changed {
                    return Err(unknown());
                }
            }
            ["behaviour", field] => {
                let found = BEHAVIOUR.into_iter().find(|(name, ..)| *name == field);
                let (_, field, form) = found.ok_or_else(unknown)?;
                let value = read(form)?;
                let behaviour = table.entry("behaviour").or_insert_with(|| Value::Table(Table::new()));
                put(behaviour, field, value);
            }
            ["clocks", region, field] => {
                let found = CLOCK.into_iter().find(|(name, ..)| *name == field);
                let (_, field, form) = found.ok_or_else(unknown)?;
                let value = read(form)?;
                let clocks = table.entry("clocks").or_insert_with(|| Value::Table(Table::new()));
                let clocks = clocks.as_table_mut().ok_or_else(unknown)?;
                let clock = clocks.entry(region).or_insert_with(|| Value::Table(Table::new()));
                put(clock, field, value);
            }
            ["event", number, field] => {
                let (field, form) = field_of(&EVENT, field).ok_or_else(unknown)?;
                let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let event = index
                    .and_then(|index| entries(table, "event").get_mut(index))
                    .ok_or_else(unknown)?;
                put(event, field, read(form)?);
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

fn field_of(fields: &[(&'static str, Form)], name: &str) -> Option<(&'static str, Form)> {
    fields.iter().copied().find(|(field, _)| *field == name)
}

/// The tables of an array of tables; empty if there is no such array.
fn entries<'a>(table: &'a mut Table, name: &str) -> &'a mut [Value] {
    table
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .map_or(&mut [], Vec::as_mut_slice)
}

fn put(entry: &mut Value, field: &str, value: Value) {
    if let Some(entry) = entry.as_table_mut() {
        entry.insert(field.to_owned(), value);
    }
}

fn remove(entry: &mut Value, field: &str) {
    if let Some(entry) = entry.as_table_mut() {
        entry.remove(field);
    }
}

fn read(path: &str, value: &str, form: Form) -> Result<Value, SettingError> {
    let number = || {
        let whole = value.parse().ok().map(Value::Integer);
        let number = whole.or_else(|| value.parse().ok().map(Value::Float));
        number.ok_or_else(|| SettingError::NotANumber {
            path: path.to_owned(),
            value: value.to_owned(),
        })
    };
    match form {
        Form::Number => number(),
        Form::Flag => value.parse().map(Value::Boolean).map_err(|_| SettingError::NotAFlag {
            path: path.to_owned(),
            value: value.to_owned(),
        }),
        Form::Text => Ok(Value::String(value.to_owned())),
        Form::Milliseconds => number().map(|_| Value::String(format!("{value}ms"))),
    }
}
