//! The promises that can be broken.

use std::fmt;

use beringia_item::Version;

use super::{Committed, Intent, Journalled};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A write that a client was told of is not in the log of the region that took it.
    Lost {
        /// Who acknowledged it.
        region: String,
        /// The key.
        key: String,
        /// The write.
        intent: Intent,
    },
    /// A region committed what no client asked for.
    Invented {
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// What.
        committed: Committed,
    },
    /// Two writes have one version.
    SharedVersion {
        /// The key of the second.
        key: String,
        /// The version.
        version: Version,
    },
    /// A region's later write to a key has a lower version than an earlier one.
    VersionWentDown {
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The later write.
        committed: Committed,
    },
    /// A region's journal has an entry of two writes that are not concurrent, or not there.
    NoConflict {
        /// Who.
        region: String,
        /// The entry.
        entry: Journalled,
    },
    /// A write was displaced by one that did not know of it, and a region's journal does not say so.
    UnseenConflict {
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The write that was displaced.
        committed: Committed,
    },
    /// A region does not hold the greatest version.
    Wrong {
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// What it must hold.
        expected: Option<Committed>,
        /// What it holds.
        found: Option<Committed>,
    },
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(mark) => write!(f, "put {mark}"),
            Self::Delete => f.write_str("delete"),
        }
    }
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.intent, self.version)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { region, key, intent } => write!(f, "{region} acknowledged and lost: {key}, {intent}"),
            Self::Invented { region, key, committed } => {
                write!(f, "{region} committed what nobody asked for: {key}, {committed}")
            }
            Self::SharedVersion { key, version } => write!(f, "two writes share the version {version:?}, one to {key}"),
            Self::VersionWentDown { region, key, committed } => {
                write!(f, "the version of {key} went down in {region} with {committed}")
            }
            Self::NoConflict {
                region,
                entry: Journalled { key, winner, loser },
            } => {
                write!(
                    f,
                    "{region} journalled a conflict that was none: {key}, {loser:?} lost against {winner:?}"
                )
            }
            Self::UnseenConflict { region, key, committed } => {
                write!(
                    f,
                    "{region} did not journal that {key} lost {committed} to a write that did not know of it"
                )
            }
            Self::Wrong {
                region,
                key,
                expected,
                found,
            } => {
                let show = |committed: &Option<Committed>| {
                    committed
                        .as_ref()
                        .map_or_else(|| "nothing".to_owned(), ToString::to_string)
                };
                write!(
                    f,
                    "{region} holds {} under {key}, and should hold {}",
                    show(found),
                    show(expected)
                )
            }
        }
    }
}
