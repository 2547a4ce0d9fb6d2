//! The errors of topologies.

use thiserror::Error;

use crate::{
    REGION_NAME_BYTES_MAX, REGIONS_MAX,
    aws::known_regions,
    form::{self, FileError, Mistake},
};

/// Why a topology, or the latency table that it names, cannot be used.
pub type TopologyError = FileError<TopologyProblem>;

/// Why a form does not describe a topology.
pub type Misplaced = form::Misplaced<TopologyProblem, TopologyError>;

/// An error in a topology.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TopologyProblem {
    /// A mistake that any file can have.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// The topology has no region.
    #[error("no region; expected at least one [[region]] with a name")]
    NoRegion,
    /// The topology has more than [`REGIONS_MAX`] regions.
    #[error("{0} regions; expected at most {REGIONS_MAX}")]
    TooManyRegions(usize),
    /// A name that is not a valid name of a region.
    #[error(
        "{0:?} cannot name a region; expected 1 to {REGION_NAME_BYTES_MAX} characters of a-z, 0-9 and -, beginning with a letter"
    )]
    RegionName(String),
    /// A name that is not of an AWS region whose delays are known.
    #[error("{name:?} is no AWS region whose delays are known; {}", known_names(similar))]
    UnknownAwsRegion {
        /// The name that is not known.
        name: String,
        /// The known names that are similar.
        similar: Vec<&'static str>,
    },
    /// Two regions with one name.
    #[error("two regions are called {0}; expected each name once")]
    DuplicateRegion(String),
    /// A link from a region to itself.
    #[error("a link from {0} to itself; expected two different regions")]
    LinkToItself(String),
    /// A link that names neither `between` nor both `from` and `to`, or names all of them.
    #[error("a link needs its ends; expected either between = [A, B], for both directions, or from = A and to = B")]
    LinkEnds,
    /// A pair of regions whose link has no delay from any source.
    #[error(
        "no delay from {from} to {to}; expected a [[link]] with delay_ms, latencies that have the pair \
         (\"aws\", the default, has pairs of AWS regions), or delay_ms under [defaults]"
    )]
    NoDelay {
        /// The region that the link begins at.
        from: String,
        /// The region that the link ends at.
        to: String,
    },
    /// The `host` of a region is empty.
    #[error("an empty host; expected a host name or an address")]
    EmptyHost,
}

/// The names that a person may have meant: the similar ones, or all if none is similar.
fn known_names(similar: &[&str]) -> String {
    if similar.is_empty() {
        let known: Vec<&str> = known_regions().collect();
        format!("expected names of {}", known.join(", "))
    } else {
        format!("similar names: {}", similar.join(", "))
    }
}
