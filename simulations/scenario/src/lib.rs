//! Scenarios: files that say which regions and load a run has, what goes wrong when, and what is
//! expected of it.
//!
//! A [`Scenario`] is what a file says. A [`Plan`] is one run of it: every random time and every
//! fault drawn from the seed, in the order in which they happen. All players (simulation, drill,
//! containers) play plans.

mod action;
mod behaviour;
mod check;
mod draw;
mod error;
mod expectation;
mod fleet;
mod form;
mod objective;
mod plan;
mod recording;
mod replay;
mod settings;
mod shipped;
mod shrink;
mod swarm;
mod time;
mod timeline;
mod workload;

use std::{collections::BTreeMap, path::Path, time::Duration};

pub use action::{Action, DiskFailures, Ends};
pub use behaviour::{RegionOptions, TableThroughput};
use beringia_regions::Topology;
pub use error::{ScenarioError, ScenarioProblem};
pub use expectation::{ANOMALIES, Availability, Count, Expectations};
pub use fleet::Senseless;
pub use objective::Objective;
pub use plan::{Plan, Planned};
pub use recording::{Recorded, RecordedItems, RecordedTable, Recording, RecordingError};
pub use settings::SettingError;
pub use shrink::{Shrunk, shrink};
pub use swarm::{SwarmDraw, SwarmFeature, SwarmProfile};
pub use timeline::TimelineCursor;
pub use workload::{KeyChoice, Policy, Workload, WorkloadKind};

/// The longest duration of a load: a day.
pub const DURATION_MAX: Duration = Duration::from_hours(24);

/// The contents of a scenario file.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The name: that of the file without `.toml`.
    pub name: String,
    /// What the scenario teaches, in a paragraph.
    pub about: String,
    /// The default seed of a run. A plan that was written to a file has its own seed here.
    pub seed: Option<u64>,
    /// The regions and the links between them.
    pub topology: Topology,
    /// How long clients send operations, 1 s to 24 h.
    pub duration: Duration,
    /// What a correct clock shows when a simulation begins, in milliseconds since the Unix epoch;
    /// `None` for the beginning of 2025. A drill uses the present time.
    pub starts_ms: Option<u64>,
    /// Options that every region is started with. A drill against running regions requires that
    /// they were started with them.
    pub behaviour: RegionOptions,
    /// The disks of the regions.
    pub disks: Disks,
    /// How wrong the clocks are from the beginning, by region. A region that is not listed has a
    /// correct clock.
    pub clocks: BTreeMap<String, ClockDeviation>,
    /// The conflict policy of the workloads' tables.
    pub policy: Policy,
    /// The regions with replicas when the load begins, in the order of the topology.
    pub replicas: Vec<String>,
    /// The workloads that make up the load.
    pub workloads: Vec<Workload>,
    /// Whether clients also create a table during the load, write to it, delete it, and create it
    /// again under its name. Only in simulations.
    pub recreated_table: bool,
    /// Whether clients in each region read the DynamoDB streams of the workloads' tables. Only in
    /// simulations.
    pub stream_readers: bool,
    /// The events as written; their times may be relative or random.
    pub events: Vec<TimelineEvent>,
    /// The expected results of a run.
    pub expect: Expectations,
}

impl Scenario {
    /// Loads the scenario in the file at `path`.
    ///
    /// # Errors
    /// [`ScenarioError::File`] if the file cannot be read or is not a valid scenario, with the
    /// place and what was expected; [`ScenarioError::Topology`] and [`ScenarioError::Recording`]
    /// for files that it names.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = beringia_regions::form::read::<ScenarioProblem>(path)?;
        form::parse(&text, path)
    }

    /// Parses the scenario in `text`. `file` is its name in errors, and the part before `.toml` is
    /// the scenario's name. Topologies and recordings are looked up in the same directory.
    ///
    /// # Errors
    /// The same as those of [`Scenario::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ScenarioError> {
        form::parse(text, file)
    }

    /// Writes the scenario as a file from which [`Scenario::parse`] makes the same scenario, given
    /// the same name.
    #[must_use]
    pub fn to_toml(&self) -> String {
        form::write(self)
    }

    /// Like [`Scenario::to_toml`], with the operations of its recordings in a file beside it, which
    /// [`Scenario::parse`] reads.
    #[must_use]
    pub fn to_toml_beside(&self, recording: &str) -> String {
        form::write_beside(self, recording)
    }

    /// The regions in which a workload's clients live: those that it names, otherwise those with
    /// replicas when the load begins.
    #[must_use]
    pub fn regions_of<'a>(&'a self, workload: &'a Workload) -> &'a [String] {
        if workload.regions.is_empty() {
            &self.replicas
        } else {
            &workload.regions
        }
    }
}

/// The disks of the regions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Disks {
    /// Disks that keep everything that was written to them.
    #[default]
    Reliable,
    /// Disks that lose what was not synced when power is lost, and that can fail. Only simulations
    /// have them, under SQLite.
    Faulty,
}

impl Disks {
    /// Every kind, in the order in which messages list them.
    pub const ALL: [Self; 2] = [Self::Reliable, Self::Faulty];

    /// The name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reliable => "reliable",
            Self::Faulty => "faulty",
        }
    }
}

/// The error of a wall clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockDeviation {
    /// Milliseconds ahead of the correct time; negative if behind.
    pub offset_ms: i64,
    /// Parts per million that the clock gains over the time since the beginning; negative if it
    /// loses.
    pub drift_ppm: i64,
}

/// An entry of the timeline, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineEvent {
    /// When it happens, as a length or a span from which one is drawn.
    pub at: When,
    /// For how long the event lasts. At its end the opposite happens (heal, restart, resume, the
    /// setting before).
    pub lasts: Option<Span>,
    /// The action, or the swarm of faults.
    pub what: What,
}

/// When an event happens, relative to another time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// This long after the load began.
    After(Span),
    /// This long after the previous event in the file.
    AfterPrevious(Span),
    /// This long after the proof that every other region has the last write of this region. The
    /// region is drained by the last earlier event with that action.
    AfterDrain(String, Span),
}

/// A length of time, fixed or drawn from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The shortest length that can be drawn.
    pub least: Duration,
    /// The longest possible length; equal to `least` if the length is fixed.
    pub most: Duration,
}

/// What happens at the time of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// One action, which takes effect at once.
    Do(Action),
    /// Performs faults of all kinds, drawn from the seed, within the event's time. At the end they
    /// leave every region running and every link open.
    Swarm {
        /// The number of faults, 1 to 10,000.
        faults: u32,
        /// Whether crashes may take the disk with them.
        lose_disk: bool,
        /// The features that the seed draws from.
        profile: SwarmProfile,
    },
}
