//! Topologies: which regions there are, and what the links between them do.

mod error;
mod file;
pub mod form;
mod latency;
mod shipped;
mod words;

use std::{path::Path, time::Duration};

pub use error::{Misplaced, Problem, TopologyError};
pub use file::{LinkForm, TopologyForm};

/// The names of the topologies that are built in, for [`Topology::shipped`].
pub const SHIPPED: [&str; 3] = ["two", "three", "ten"];
/// The most regions a topology may have.
pub const REGIONS_MAX: usize = 32;
/// The longest name of a region, in bytes.
pub const REGION_NAME_BYTES_MAX: usize = 32;
/// The longest one-way delay or jitter.
pub const DELAY_MAX: Duration = Duration::from_mins(10);
/// The same in milliseconds.
pub const DELAY_MS_MAX: f64 = DELAY_MAX.as_secs_f64() * 1e3;
/// The least bandwidth, in megabits per second.
pub const BANDWIDTH_MBIT_MIN: f64 = 1e-3;
/// The greatest bandwidth, in megabits per second.
pub const BANDWIDTH_MBIT_MAX: f64 = 1_000_000.0;
/// The greatest loss, in percent. Beyond it a link is as good as cut, which is its own setting.
pub const LOSS_PERCENT_MAX: f64 = 99.0;

/// A place that holds a replica of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionSite {
    /// Its name: 1 to 32 characters of a–z, 0–9 and `-`, beginning with a letter.
    pub name: String,
    /// The host at which other processes reach it, when each region is a process of its own.
    pub host: Option<String>,
    /// Its DynamoDB port, when each region is a process of its own.
    pub dynamodb_port: Option<u16>,
    /// Its replication port, when each region is a process of its own.
    pub replication_port: Option<u16>,
}

/// A directed path between two regions.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Where bytes enter.
    pub from: String,
    /// Where bytes leave.
    pub to: String,
    /// One-way delay in milliseconds, 0 to [`DELAY_MS_MAX`].
    pub delay_ms: f64,
    /// A packet's delay is increased by up to so many milliseconds, 0 to [`DELAY_MS_MAX`].
    pub jitter_ms: f64,
    /// Megabits (10^6 bits) per second, [`BANDWIDTH_MBIT_MIN`] to [`BANDWIDTH_MBIT_MAX`]; `None`: unlimited.
    pub bandwidth_mbit: Option<f64>,
    /// Share of packets that must be sent again, 0 to [`LOSS_PERCENT_MAX`].
    pub loss_percent: f64,
}

/// Regions in their order, and one link for every ordered pair of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    regions: Vec<RegionSite>,
    links: Vec<Link>,
}

impl Topology {
    /// The topology in the file at `path`.
    ///
    /// # Errors
    /// [`TopologyError::Unreadable`] if it, or the file that its `latencies` names, cannot be read;
    /// [`TopologyError::Invalid`], with the place and what was expected, if either does not say what a topology needs.
    pub fn load(path: &Path) -> Result<Self, TopologyError> {
        file::load(path)
    }

    /// The topology that `text` describes. `file` is its name in errors; a relative `latencies` is looked for in the
    /// same directory.
    ///
    /// # Errors
    /// As [`Topology::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, TopologyError> {
        file::parse(text, file)
    }

    /// The built-in topology of that name, one of [`SHIPPED`].
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        match name {
            "two" => Some(Self::two()),
            "three" => Some(Self::three()),
            "ten" => Some(Self::ten()),
            _ => None,
        }
    }

    /// us-east-1, eu-west-1 and ap-northeast-1: the file `regions/three.toml`, built in.
    #[must_use]
    pub fn three() -> Self {
        shipped::three()
    }

    /// us-east-1 and eu-west-1: the file `regions/two.toml`, built in.
    #[must_use]
    pub fn two() -> Self {
        shipped::two()
    }

    /// Ten regions on five continents: the file `regions/ten.toml`, built in.
    #[must_use]
    pub fn ten() -> Self {
        shipped::ten()
    }

    /// The regions in the order of the file, at least one and at most [`REGIONS_MAX`].
    #[must_use]
    pub fn regions(&self) -> &[RegionSite] {
        &self.regions
    }

    /// The regions' names in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.regions.iter().map(|region| region.name.as_str())
    }

    /// The region of that name.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<&RegionSite> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// One link for every ordered pair of different regions, by the order of the regions.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The link from one region to another.
    #[must_use]
    pub fn link(&self, from: &str, to: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.from == from && link.to == to)
    }

    /// What a data directory is marked with, so that one of another topology is recognised: the names of the regions,
    /// sorted, with commas between. Neither their order nor the links matter, since data does not depend on them.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        names.join(",")
    }
}
