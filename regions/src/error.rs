//! What can be wrong with a topology.

use thiserror::Error;

use crate::{
    REGION_NAME_BYTES_MAX, REGIONS_MAX,
    form::{self, FileError, Mistake},
};

/// Why a topology, or the table of latencies that it names, cannot be used.
pub type TopologyError = FileError<Problem>;

/// Why a form does not describe a topology.
pub type Misplaced = form::Misplaced<Problem, TopologyError>;

/// What is wrong with a topology.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Problem {
    /// What can be wrong with any file.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// Nothing to run.
    #[error("no region; expected at least one [[region]] with a name")]
    NoRegion,
    /// More regions than a group can have.
    #[error("{0} regions; expected at most {REGIONS_MAX}")]
    TooManyRegions(usize),
    /// A name that cannot be a region's.
    #[error(
        "{0:?} cannot name a region; expected 1 to {REGION_NAME_BYTES_MAX} characters of a-z, 0-9 and -, beginning with a letter"
    )]
    RegionName(String),
    /// Two regions of one name.
    #[error("region {0} is there twice; expected each name once")]
    DuplicateRegion(String),
    /// A link from a region to itself.
    #[error("a link from {0} to itself; expected two different regions")]
    LinkToItself(String),
    /// A link without ends, or with too many.
    #[error("which link is this? expected either between = [A, B], for both directions, or from = A and to = B")]
    LinkEnds,
    /// A pair of regions about whose link nothing says how long it takes.
    #[error(
        "no delay from {from} to {to}; expected a [[link]] with delay_ms, latencies that have the pair, or delay_ms \
         under [defaults]"
    )]
    NoDelay {
        /// Where the link begins.
        from: String,
        /// Where it ends.
        to: String,
    },
    /// An empty host.
    #[error("an empty host; expected a host name or an address")]
    EmptyHost,
}
