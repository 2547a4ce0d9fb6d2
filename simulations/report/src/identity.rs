//! What identifies a run, what a replay of it needs, and whether a replay was the same run.

use beringia_scenario::{Plan, SwarmDraw};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Run;

/// What identifies a run, and what is needed to play it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunIdentity {
    /// The fingerprint of a simulated run: a hash of every event, delivery, commit and operation.
    /// `None` for a drill, which no seed repeats.
    pub fingerprint: Option<String>,
    /// The fingerprint of the plan: a hash of what was to be played, with every time and fault
    /// drawn. It says nothing about what happened.
    pub plan_fingerprint: String,
    /// The version of Beringia that played the scenario.
    pub version: String,
    /// The storage backend of simulated regions: `sqlite` or `memory`. `None` for a drill.
    pub store: Option<String>,
    /// The scenario as a file, with all settings that replaced those of its own file.
    pub scenario_toml: String,
    /// What the seed drew for each swarm of the scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swarms: Vec<DrawnSwarm>,
}

/// What a seed drew for a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnSwarm {
    /// The name of the profile that it drew from.
    pub profile: String,
    /// The names of the features that the swarm has.
    pub features: Vec<String>,
}

impl From<&SwarmDraw> for DrawnSwarm {
    fn from(draw: &SwarmDraw) -> Self {
        Self {
            profile: draw.profile.name().to_owned(),
            features: draw.features.iter().map(|feature| feature.name().to_owned()).collect(),
        }
    }
}

impl RunIdentity {
    /// The version of Beringia that runs now.
    pub const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The identity of a run of this plan by this version of Beringia. Its player sets the
    /// fingerprint and the storage backend.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            fingerprint: None,
            plan_fingerprint: plan.fingerprint(),
            version: Self::VERSION.to_owned(),
            store: None,
            scenario_toml: plan.scenario.to_toml(),
            swarms: plan.swarms().iter().map(DrawnSwarm::from).collect(),
        }
    }
}

/// The first value in which a replay differs from a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunDifference {
    /// The place of the value in the JSON report, such as `verdicts/2/holds`.
    pub place: String,
    /// The value in the report as JSON; `None` where it has none.
    pub reported: Option<String>,
    /// The value of the replay as JSON; `None` where it has none.
    pub replayed: Option<String>,
}

/// The parts that are compared first, in this order.
const FIRST: [&str; 4] = [
    "/identity/plan_fingerprint",
    "/identity/fingerprint",
    "/verdicts",
    "/violations",
];

/// Compares a JSON report with a replay of its run: the fingerprints, then the verdicts, then every
/// other value. Returns the first value that differs; `None` if the replay was the same run. The
/// version of Beringia and the words of the command are no part of a run.
#[must_use]
pub fn first_difference(report: &Value, replay: &Run) -> Option<RunDifference> {
    let (mut report, mut replay) = (report.clone(), as_report(replay)?);
    for run in [&mut report, &mut replay] {
        if let Some(fields) = run.as_object_mut() {
            fields.remove("replay");
        }
        if let Some(identity) = run.pointer_mut("/identity").and_then(Value::as_object_mut) {
            identity.remove("version");
        }
    }
    let of_part = |pointer: &&str| differing(&pointer[1..], report.pointer(pointer), replay.pointer(pointer));
    let first = FIRST.iter().find_map(of_part);
    first.or_else(|| differing("", Some(&report), Some(&replay)))
}

/// A run as a reader of its report sees it: numbers are read from their text.
fn as_report(run: &Run) -> Option<Value> {
    serde_json::from_str(&serde_json::to_string(run).ok()?).ok()
}

/// The first difference of two values at a place.
fn differing(place: &str, reported: Option<&Value>, replayed: Option<&Value>) -> Option<RunDifference> {
    let within = |name: &str| match place {
        "" => name.to_owned(),
        _ => format!("{place}/{name}"),
    };
    match (reported, replayed) {
        (one, other) if one == other => None,
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names
                .into_iter()
                .find_map(|name| differing(&within(name), one.get(name), other.get(name)))
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => (0..one.len().max(other.len()))
            .find_map(|index| differing(&within(&index.to_string()), one.get(index), other.get(index))),
        (reported, replayed) => Some(RunDifference {
            place: place.to_owned(),
            reported: reported.map(Value::to_string),
            replayed: replayed.map(Value::to_string),
        }),
    }
}
