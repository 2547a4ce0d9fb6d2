//! Scenarios: the file that says which regions, which load, what goes wrong when, and what is expected of it.
//!
//! A [`Scenario`] is what a file says. A [`Plan`] is what one run of it does: every random time and every fault drawn from the seed,
//! in the order in which they happen. All players (simulation, drill, containers) play plans.

mod action;
mod behaviour;
mod check;
mod course;
mod draw;
mod error;
mod expectation;
mod fleet;
mod form;
mod plan;
mod recording;
mod replay;
mod settings;
mod shipped;
mod shrink;
mod swarm;
mod time;
mod workload;

use std::{collections::BTreeMap, path::Path, time::Duration};

pub use action::{Action, Ends};
pub use behaviour::{Behaviour, Billing};
use beringia_regions::Topology;
pub use course::Course;
pub use error::{Problem, ScenarioError};
pub use expectation::{ANOMALIES, Availability, Count, Expectations};
pub use fleet::Senseless;
pub use plan::{Plan, Planned};
pub use recording::{Recorded, RecordedItems, RecordedTable, Recording, RecordingError};
pub use settings::SettingError;
pub use shrink::{Shrunk, shrink};
pub use workload::{KeyChoice, Kind, Policy, Workload};

/// How long a load may last: a day.
pub const DURATION_MAX: Duration = Duration::from_hours(24);

/// What a scenario file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name: the file's without `.toml`.
    pub name: String,
    /// What it teaches, in a paragraph.
    pub about: String,
    /// The seed of a run for which none is named. A plan that was written to a file has its own here.
    pub seed: Option<u64>,
    /// The regions and the links between them.
    pub topology: Topology,
    /// How long the load lasts.
    pub duration: Duration,
    /// What a right clock shows when a simulation begins, milliseconds since the Unix epoch; `None`: the beginning of 2025. A drill has the time
    /// that it is.
    pub starts_ms: Option<u64>,
    /// What every region is started with. A drill against regions that run needs them to run like this.
    pub behaviour: Behaviour,
    /// By region, how wrong its clock is from the beginning. A region that is not here has a right one.
    pub clocks: BTreeMap<String, ClockError>,
    /// How the tables of the workloads decide between concurrent writes.
    pub policy: Policy,
    /// Which regions hold replicas when the load begins, in the order of the topology.
    pub replicas: Vec<String>,
    /// The load.
    pub workloads: Vec<Workload>,
    /// What happens, as written: times may be relative or random.
    pub events: Vec<Event>,
    /// What must come of it.
    pub expect: Expectations,
}

impl Scenario {
    /// The scenario in the file at `path`.
    ///
    /// # Errors
    /// [`ScenarioError::File`] if it cannot be read, or, with the place and what was expected, if
    /// it does not say what a scenario needs; [`ScenarioError::Topology`] and
    /// [`ScenarioError::Recording`] for files that it names.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = beringia_regions::form::read::<Problem>(path)?;
        form::parse(&text, path)
    }

    /// The scenario that `text` describes. `file` is its name in errors, and what comes before `.toml` the scenario's; topologies and
    /// recordings are looked for in the same directory.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ScenarioError> {
        form::parse(text, file)
    }

    /// The file that says this: what [`Scenario::parse`] makes the same scenario of, given the same name.
    #[must_use]
    pub fn to_toml(&self) -> String {
        form::write(self)
    }

    /// The same where the operations of its recordings are in a file beside it, which [`Scenario::parse`] reads.
    #[must_use]
    pub fn to_toml_beside(&self, recording: &str) -> String {
        form::write_beside(self, recording)
    }

    /// In which regions a workload's clients live: those that it names, else those that hold replicas when the load begins.
    #[must_use]
    pub fn regions_of<'a>(&'a self, workload: &'a Workload) -> &'a [String] {
        if workload.regions.is_empty() {
            &self.replicas
        } else {
            &workload.regions
        }
    }
}

/// How wrong a wall clock is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockError {
    /// Milliseconds ahead of the right time; negative: behind.
    pub offset_ms: i64,
    /// Millionths of the time since the beginning that it gains; negative: loses.
    pub drift_ppm: i64,
}

/// An entry of the timeline, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub at: When,
    /// For how long; at the end of it the event's opposite happens (heal, restart, resume, the setting before).
    pub lasts: Option<Span>,
    /// What.
    pub what: What,
}

/// A time in a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// So long after the load began.
    After(Span),
    /// So long after the event before it in the file.
    AfterPrevious(Span),
    /// So long after it is proven that every other region has the last write of this one, which the last event before with that action drains.
    AfterDrain(String, Span),
}

/// A length of time, fixed or drawn from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// At least.
    pub least: Duration,
    /// At most; equal to `least` where it is fixed.
    pub most: Duration,
}

/// What an event does.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// One action.
    Do(Action),
    /// Faults of all kinds drawn from the seed, so many within the event's time, that leave every region running and every link open at the end.
    Swarm {
        /// How many.
        faults: u32,
        /// Whether crashes may take the disk with them.
        lose_disk: bool,
    },
}
