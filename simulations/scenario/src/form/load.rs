//! The `[[workload]]`s of a scenario file.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{At, Misplaced, behaviour, bounded, nowhere, number, one_of, out_of_bounds, region_names};
use crate::{
    DURATION_MAX, KeyChoice, Recording, Scenario, ScenarioError, ScenarioProblem, Workload, WorkloadKind, time,
};

/// The greatest rate of operations per second in each region.
pub(super) const RATE_MAX: f64 = 100_000.0;
const KEYS_MAX: u64 = 10_000_000;
const CLIENTS_MAX: u32 = 10_000;
/// An item of DynamoDB has 400 KB at most, and the workload needs some of that itself.
const VALUE_BYTES_MAX: usize = 390_000;
/// The skew of YCSB's zipfian choice.
const THETA: f64 = 0.99;
const MIX_PERCENT: [u8; 4] = [40, 30, 10, 0];
const TTL: Duration = Duration::from_secs(30);

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkloadForm {
    kind: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regions: Option<Vec<Spanned<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<Spanned<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Spanned<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    choice: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    theta: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_bytes: Option<Spanned<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    put_percent: Option<Spanned<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_percent: Option<Spanned<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_percent: Option<Spanned<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    append_percent: Option<Spanned<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_units: Option<Spanned<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_units: Option<Spanned<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consistent_percent: Option<Spanned<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Spanned<String>>,
}

/// The kinds by name, each with default values for its other fields.
fn kinds() -> [(&'static str, WorkloadKind); 14] {
    let [put_percent, update_percent, delete_percent, append_percent] = MIX_PERCENT;
    [
        ("ycsb-a", WorkloadKind::YcsbA),
        ("ycsb-b", WorkloadKind::YcsbB),
        ("ycsb-c", WorkloadKind::YcsbC),
        ("ycsb-d", WorkloadKind::YcsbD),
        ("ycsb-e", WorkloadKind::YcsbE),
        ("ycsb-f", WorkloadKind::YcsbF),
        (
            "mixed",
            WorkloadKind::Mixed {
                put_percent,
                update_percent,
                delete_percent,
                append_percent,
            },
        ),
        ("counters", WorkloadKind::Counters),
        ("carts", WorkloadKind::Carts),
        ("bank", WorkloadKind::Bank),
        ("sessions", WorkloadKind::Sessions { ttl: TTL }),
        ("inventory", WorkloadKind::Inventory),
        ("pairs", WorkloadKind::Pairs),
        (
            "replay",
            WorkloadKind::Replay {
                operations: String::new(),
            },
        ),
    ]
}

fn name_of_kind(kind: &WorkloadKind) -> &'static str {
    let same = |(_, other): &(&str, WorkloadKind)| std::mem::discriminant(other) == std::mem::discriminant(kind);
    kinds().into_iter().find(same).map_or("", |(name, _)| name)
}

/// Reads the workloads; a file without any has one of kind `ycsb-a`.
pub(super) fn read(
    forms: Vec<Spanned<WorkloadForm>>,
    scenario: &Scenario,
    path: &Path,
) -> Result<Vec<Workload>, Misplaced> {
    if forms.is_empty() {
        let usual = nowhere(WorkloadForm::default());
        return Ok(vec![workload(usual, scenario, path)?]);
    }
    let mut workloads: Vec<Workload> = Vec::new();
    for form in forms {
        let start = form
            .get_ref()
            .name
            .as_ref()
            .map_or(form.span().start, |name| name.span().start);
        let workload = workload(form, scenario, path)?;
        if workloads.iter().any(|other| other.name == workload.name) {
            let (what, name) = ("workloads", workload.name);
            return Err(At(start, ScenarioProblem::Duplicate { what, name }).into());
        }
        workloads.push(workload);
    }
    Ok(workloads)
}

fn workload(form: Spanned<WorkloadForm>, scenario: &Scenario, path: &Path) -> Result<Workload, Misplaced> {
    let start = form.span().start;
    let mut form = form.into_inner();
    let kind = match form.kind.take() {
        Some(name) => one_of("kind of workload", &name, &kinds())?,
        None => WorkloadKind::YcsbA,
    };
    let kind_name = name_of_kind(&kind);
    let kind = form.details(kind, start, path)?;
    form.expect_nothing_else(kind_name)?;
    let choice = form.choice(&kind)?;
    let name = form.name.unwrap_or_else(|| nowhere(kind_name.to_owned()));
    let all: Vec<String> = scenario.topology.names().map(str::to_owned).collect();
    let time = |field, text: &Option<Spanned<String>>| {
        let read = |text| bounded(field, text, Duration::ZERO, scenario.duration);
        text.as_ref().map(read).transpose()
    };
    let from = time("from", &form.from)?.unwrap_or(Duration::ZERO);
    let until = time("until", &form.until)?;
    if let Some(text) = form.until.as_ref().filter(|_| until.is_some_and(|until| until <= from)) {
        let expected = format!("more than from = {}", time::show(from));
        return Err(out_of_bounds("until", text.span().start, text.get_ref(), &expected).into());
    }
    let usual = Workload::new(table_name(&name)?, kind);
    Ok(Workload {
        regions: region_names(&form.regions.unwrap_or_default(), &all)?,
        rate: form
            .rate
            .map_or(Ok(usual.rate), |value| number("rate", &value, 0.01, RATE_MAX))?,
        clients: form
            .clients
            .map_or(Ok(usual.clients), |value| number("clients", &value, 1, CLIENTS_MAX))?,
        keys: form
            .keys
            .map_or(Ok(usual.keys), |value| number("keys", &value, 1, KEYS_MAX))?,
        choice,
        value_bytes: form.value_bytes.map_or(Ok(usual.value_bytes), |value| {
            number("value_bytes", &value, 0, VALUE_BYTES_MAX)
        })?,
        from,
        until,
        billing: behaviour::billing(
            form.billing.as_ref(),
            form.read_units.as_ref(),
            form.write_units.as_ref(),
            start,
        )?,
        consistent_percent: form.consistent_percent.map_or(Ok(usual.consistent_percent), |value| {
            number("consistent_percent", &value, 0, 100)
        })?,
        ..usual
    })
}

/// Checks a table's name. DynamoDB allows 255 characters, but reports have no room for them.
pub(super) fn table_name(name: &Spanned<String>) -> Result<String, At<ScenarioProblem>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let text = name.get_ref();
    if (3..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.clone());
    }
    Err(At(name.span().start, ScenarioProblem::WorkloadName(text.clone())))
}

impl WorkloadForm {
    /// Reads the fields that only some kinds have.
    fn details(&mut self, kind: WorkloadKind, start: usize, path: &Path) -> Result<WorkloadKind, Misplaced> {
        Ok(match kind {
            WorkloadKind::Mixed { .. } => self.mix(start)?,
            WorkloadKind::Sessions { ttl } => WorkloadKind::Sessions {
                ttl: match self.ttl.take() {
                    Some(text) => bounded("ttl", &text, Duration::from_secs(1), DURATION_MAX)?,
                    None => ttl,
                },
            },
            WorkloadKind::Replay { .. } => WorkloadKind::Replay {
                operations: match (self.file.take(), self.operations.take()) {
                    (Some(file), None) => recording(path, &file)?,
                    (None, Some(text)) => {
                        Recording::parse(text.get_ref()).map_err(|error| At(text.span().start, error.into()))?;
                        text.into_inner()
                    }
                    (Some(file), Some(_)) => {
                        let (one, other) = ("file", "operations");
                        return Err(At(file.span().start, ScenarioProblem::Either { one, other }).into());
                    }
                    (None, None) => {
                        let (field, expected) = ("file", "the path of a recording, such as file = \"monday.jsonl\"");
                        let action = "replay".to_owned();
                        return Err(At(
                            start,
                            ScenarioProblem::Missing {
                                action,
                                field,
                                expected,
                            },
                        )
                        .into());
                    }
                },
            },
            other => other,
        })
    }

    fn mix(&mut self, start: usize) -> Result<WorkloadKind, At<ScenarioProblem>> {
        let read =
            |field, value: Option<Spanned<u8>>, usual| value.map_or(Ok(usual), |value| number(field, &value, 0, 100));
        let [put, update, delete, append] = MIX_PERCENT;
        let put_percent = read("put_percent", self.put_percent.take(), put)?;
        let update_percent = read("update_percent", self.update_percent.take(), update)?;
        let delete_percent = read("delete_percent", self.delete_percent.take(), delete)?;
        let append_percent = read("append_percent", self.append_percent.take(), append)?;
        let shares = [put_percent, update_percent, delete_percent, append_percent];
        let sum: u32 = shares.map(u32::from).iter().sum();
        if sum > 100 {
            let field = "put_percent + update_percent + delete_percent + append_percent";
            return Err(out_of_bounds(
                field,
                start,
                &sum.to_string(),
                "at most 100; the rest are reads",
            ));
        }
        Ok(WorkloadKind::Mixed {
            put_percent,
            update_percent,
            delete_percent,
            append_percent,
        })
    }

    /// Checks that no field is left that only another kind has.
    fn expect_nothing_else(&self, kind: &str) -> Result<(), At<ScenarioProblem>> {
        let start = |value: &Option<Spanned<u8>>| value.as_ref().map(|value| value.span().start);
        let text = |value: &Option<Spanned<String>>| value.as_ref().map(|value| value.span().start);
        let units = |value: &Option<Spanned<u64>>| value.as_ref().map(|value| value.span().start);
        // Recorded operations bring tables and reads of their own.
        let of_tables = if kind == "replay" {
            [
                ("billing", text(&self.billing)),
                ("read_units", units(&self.read_units)),
                ("write_units", units(&self.write_units)),
                ("consistent_percent", start(&self.consistent_percent)),
            ]
        } else {
            [("", None); 4]
        };
        let left = [
            ("put_percent", start(&self.put_percent)),
            ("update_percent", start(&self.update_percent)),
            ("delete_percent", start(&self.delete_percent)),
            ("append_percent", start(&self.append_percent)),
            ("ttl", text(&self.ttl)),
            ("file", text(&self.file)),
            ("operations", text(&self.operations)),
        ];
        let allowed = match kind {
            "mixed" => vec!["put_percent", "update_percent", "delete_percent", "append_percent"],
            "sessions" => vec!["ttl"],
            "replay" => vec!["file", "operations"],
            _ => vec![
                "name",
                "regions",
                "rate",
                "clients",
                "keys",
                "choice",
                "theta",
                "value_bytes",
                "from",
                "until",
                "billing",
                "read_units",
                "write_units",
                "consistent_percent",
            ],
        };
        match left
            .into_iter()
            .chain(of_tables)
            .find_map(|(field, start)| Some((field, start?)))
        {
            None => Ok(()),
            Some((field, start)) => {
                let action = kind.to_owned();
                Err(At(start, ScenarioProblem::Misfit { field, action, allowed }))
            }
        }
    }

    fn choice(&mut self, kind: &WorkloadKind) -> Result<KeyChoice, At<ScenarioProblem>> {
        let theta_start = self.theta.as_ref().map(|theta| theta.span().start);
        let theta = match self.theta.take() {
            Some(theta) => number("theta", &theta, 0.01, 0.999)?,
            None => THETA,
        };
        let choices = [
            ("uniform", KeyChoice::Uniform),
            ("zipfian", KeyChoice::Zipfian { theta }),
            ("latest", KeyChoice::Latest { theta }),
        ];
        let choice = match (&self.choice, kind) {
            (Some(name), _) => one_of("choice of keys", name, &choices)?,
            (None, WorkloadKind::YcsbD) => KeyChoice::Latest { theta },
            (None, _) => KeyChoice::Zipfian { theta },
        };
        match (choice, theta_start) {
            (KeyChoice::Uniform, Some(start)) => {
                let action = "the choice uniform".to_owned();
                let (field, allowed) = ("theta", Vec::new());
                Err(At(start, ScenarioProblem::Misfit { field, action, allowed }))
            }
            (choice, _) => Ok(choice),
        }
    }

    /// Replaces the recorded operations by the name of a file with them.
    pub(super) fn put_beside(&mut self, recording: &str) {
        if self.operations.take().is_some() {
            self.file = Some(nowhere(recording.to_owned()));
        }
    }

    /// Returns the form of a workload with every setting spelled out.
    pub(super) fn of(workload: &Workload) -> Self {
        let text = |text: &str| Some(nowhere(text.to_owned()));
        let (choice, theta) = match workload.choice {
            KeyChoice::Uniform => ("uniform", None),
            KeyChoice::Zipfian { theta } => ("zipfian", Some(nowhere(theta))),
            KeyChoice::Latest { theta } => ("latest", Some(nowhere(theta))),
        };
        let (billing, read_units, write_units) = behaviour::fields(workload.billing);
        let mut form = Self {
            billing,
            read_units,
            write_units,
            consistent_percent: (!matches!(workload.kind, WorkloadKind::Replay { .. }))
                .then(|| nowhere(workload.consistent_percent)),
            kind: text(name_of_kind(&workload.kind)),
            name: text(&workload.name),
            regions: (!workload.regions.is_empty()).then(|| workload.regions.iter().cloned().map(nowhere).collect()),
            rate: Some(nowhere(workload.rate)),
            clients: Some(nowhere(workload.clients)),
            keys: Some(nowhere(workload.keys)),
            choice: text(choice),
            theta,
            value_bytes: Some(nowhere(workload.value_bytes)),
            from: (!workload.from.is_zero()).then(|| nowhere(time::show(workload.from))),
            until: workload.until.map(|until| nowhere(time::show(until))),
            ..Self::default()
        };
        match &workload.kind {
            WorkloadKind::Mixed {
                put_percent,
                update_percent,
                delete_percent,
                append_percent,
            } => {
                form.put_percent = Some(nowhere(*put_percent));
                form.update_percent = Some(nowhere(*update_percent));
                form.delete_percent = Some(nowhere(*delete_percent));
                form.append_percent = Some(nowhere(*append_percent));
            }
            WorkloadKind::Sessions { ttl } => form.ttl = Some(nowhere(time::show(*ttl))),
            WorkloadKind::Replay { operations } => form.operations = text(operations),
            _ => {}
        }
        form
    }
}

/// Reads the text of a recording beside the scenario.
fn recording(scenario: &Path, name: &Spanned<String>) -> Result<String, Misplaced> {
    let file = scenario.parent().unwrap_or(Path::new("")).join(name.get_ref());
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            let reason = error.to_string();
            let expected = "the path of a recording from where the scenario is".to_owned();
            return Err(At(
                name.span().start,
                ScenarioProblem::Unreadable { file, reason, expected },
            )
            .into());
        }
    };
    match Recording::parse(&text) {
        Ok(_) => Ok(text),
        Err(source) => Err(Misplaced::Elsewhere(ScenarioError::Recording { file, source })),
    }
}
