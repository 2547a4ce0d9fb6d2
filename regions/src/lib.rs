//! Topologies: the regions, and the delay, jitter, bandwidth and loss of the links between them.

mod aws;
mod distance;
mod error;
mod file;
pub mod form;
mod latency;
mod shipped;
mod toml_errors;

use std::{path::Path, time::Duration};

pub use aws::{has_aws_form, known_regions};
pub use error::{Misplaced, TopologyError, TopologyProblem};
pub use file::{LinkForm, TopologyForm};

/// The names of the built-in topologies, for [`Topology::shipped`].
pub const SHIPPED: [&str; 3] = ["two", "three", "ten"];
/// The most regions a topology may have.
pub const REGIONS_MAX: usize = 32;
/// The longest name of a region, in bytes.
pub const REGION_NAME_BYTES_MAX: usize = 32;
/// The longest one-way delay or jitter.
pub const DELAY_MAX: Duration = Duration::from_mins(10);
/// The longest one-way delay or jitter, in milliseconds.
pub const DELAY_MS_MAX: f64 = DELAY_MAX.as_secs_f64() * 1e3;
/// The least bandwidth, in megabits per second.
pub const BANDWIDTH_MBIT_MIN: f64 = 1e-3;
/// The greatest bandwidth, in megabits per second.
pub const BANDWIDTH_MBIT_MAX: f64 = 1_000_000.0;
/// The greatest loss, in percent. To lose everything, cut the link instead.
pub const LOSS_PERCENT_MAX: f64 = 99.0;

/// A region of a topology, and its addresses where it runs as a process of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionSite {
    /// The name: 1 to 32 characters of a–z, 0–9 and `-`, beginning with a letter.
    pub name: String,
    /// The host at which the other regions' processes reach it; `None`: this machine.
    pub host: Option<String>,
    /// The DynamoDB port of the region's own process; `None`: 8000 plus its position, from 1.
    pub dynamodb_port: Option<u16>,
    /// The replication port of the region's own process; `None`: 9000 plus its position, from 1.
    pub replication_port: Option<u16>,
}

/// A directed link between two regions.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The name of the region in which bytes enter the link.
    pub from: String,
    /// The name of the region in which they leave it.
    pub to: String,
    /// One-way delay in milliseconds, 0 to [`DELAY_MS_MAX`].
    pub delay_ms: f64,
    /// Whether `delay_ms` is estimated from a distance, not measured or set in the file.
    pub is_delay_estimated: bool,
    /// The greatest random extra delay of a packet in milliseconds, 0 to [`DELAY_MS_MAX`].
    pub jitter_ms: f64,
    /// Bandwidth in megabits (10^6 bits) per second, [`BANDWIDTH_MBIT_MIN`] to
    /// [`BANDWIDTH_MBIT_MAX`]; `None`: unlimited.
    pub bandwidth_mbit: Option<f64>,
    /// Share of packets that are lost and sent again, in percent, 0 to [`LOSS_PERCENT_MAX`].
    pub loss_percent: f64,
}

/// The regions in order, and one link for every ordered pair of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    regions: Vec<RegionSite>,
    links: Vec<Link>,
}

impl Topology {
    /// Reads the topology file at `path`.
    ///
    /// # Errors
    /// [`TopologyError::Unreadable`] if the file, or the file that its `latencies` names, cannot be
    /// read; [`TopologyError::Invalid`], with the place and what was expected, if either is
    /// invalid.
    pub fn load(path: &Path) -> Result<Self, TopologyError> {
        file::load(path)
    }

    /// Parses a topology. `file` is its name in errors; a relative `latencies` is looked up in the
    /// directory of `file`.
    ///
    /// # Errors
    /// As [`Topology::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, TopologyError> {
        file::parse(text, file)
    }

    /// The AWS regions with these names, in this order, with the delays and the jitter of the
    /// built-in topologies.
    ///
    /// # Errors
    /// [`TopologyProblem::UnknownAwsRegion`] for a name that is not in [`known_regions`], and the
    /// problems of a topology without regions, with too many or with one of them twice.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, TopologyProblem> {
        file::named(names)
    }

    /// The built-in topology with this name, one of [`SHIPPED`].
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

    /// The region with this name.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<&RegionSite> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// One link for every ordered pair of different regions, in the order of the regions.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The link from one region to another.
    #[must_use]
    pub fn link(&self, from: &str, to: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.from == from && link.to == to)
    }

    /// Whether any link has a delay that is estimated from a distance.
    #[must_use]
    pub fn has_estimated_delays(&self) -> bool {
        self.links.iter().any(|link| link.is_delay_estimated)
    }

    /// The identity that a data directory is marked with, to detect a directory of another
    /// topology: the names of the regions, sorted and separated by commas. Neither their order nor
    /// the links matter, because data does not depend on them.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        names.join(",")
    }
}
