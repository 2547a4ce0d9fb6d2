//! Why a topology cannot be used, with the place and what was expected.

use std::path::PathBuf;

use thiserror::Error;

use crate::{REGION_NAME_BYTES_MAX, REGIONS_MAX};

/// Why a topology cannot be used.
#[derive(Debug, Error)]
pub enum TopologyError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The topology, or the table of latencies that it names.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not say what a topology needs.
    #[error("{}:{line}:{column}: {problem}", file.display())]
    Invalid {
        /// The topology, or the table of latencies that it names.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong there.
        problem: Problem,
    },
}

/// Why a form does not describe a topology, for whoever knows the text that it was read from.
#[derive(Debug, Error)]
pub enum Misplaced {
    /// The form says something wrong.
    #[error("{problem}")]
    Here {
        /// Where, in bytes from the beginning of the text.
        offset: usize,
        /// What.
        problem: Problem,
    },
    /// A file that the form names cannot be used.
    #[error(transparent)]
    Elsewhere(#[from] TopologyError),
}

/// What is wrong with a topology.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Problem {
    /// Not TOML, an unknown field, or a value of another type.
    #[error("{0}")]
    Form(String),
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
    /// A link that ends nowhere.
    #[error("no region is called {name:?}; expected one of {}", known.join(", "))]
    UnknownRegion {
        /// The name in the link.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A link from a region to itself.
    #[error("a link from {0} to itself; expected two different regions")]
    LinkToItself(String),
    /// A link without ends, or with too many.
    #[error("which link is this? expected either between = [A, B], for both directions, or from = A and to = B")]
    LinkEnds,
    /// A number outside its bounds.
    #[error("{field} = {value}; expected {expected}")]
    OutOfBounds {
        /// The field's name.
        field: &'static str,
        /// The value in the file.
        value: f64,
        /// The bounds.
        expected: String,
    },
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
