//! Conflicts: two writes neither of which knew of the other, and which one stayed.

use std::fmt;

use beringia_item::{Item, KeyBytes, TableId, Version, VersionVector};

/// Two concurrent writes to an item and which won, as one region saw them.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Grows with every conflict that this region sees.
    pub id: u64,
    /// The table.
    pub table: TableId,
    /// The item's stored key.
    pub key: KeyBytes,
    /// What stayed, then.
    pub winner: ConflictSide,
    /// What was replaced or never came to be.
    pub loser: ConflictSide,
    /// What decided.
    pub rule: ConflictRule,
    /// Wall time of this region when it saw the conflict, ms since the epoch.
    pub seen_ms: u64,
}

/// One of the two writes.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictSide {
    /// Its version.
    pub version: Version,
    /// The whole item as it wrote it; `None` for a delete.
    pub image: Option<Item>,
}

/// What decided a conflict: the first difference in the order of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictRule {
    /// The winner's hybrid time is later.
    LaterTime,
    /// The times are equal; the winner's region is greater by name.
    GreaterRegion,
    /// Times and regions are equal. (Only a region that lost its disk can be in conflict with itself.)
    GreaterSequence,
}

impl ConflictRule {
    /// What makes one of the versions the greater.
    #[must_use]
    pub fn between(a: &Version, b: &Version) -> Self {
        if a.time != b.time {
            Self::LaterTime
        } else if a.origin != b.origin {
            Self::GreaterRegion
        } else {
            Self::GreaterSequence
        }
    }
}

impl fmt::Display for ConflictRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LaterTime => "later time",
            Self::GreaterRegion => "greater region",
            Self::GreaterSequence => "greater sequence",
        })
    }
}

/// What is stored under a key, with everything that explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The version of the last write, put or delete.
    pub version: Version,
    /// What its origin had applied of the table when it wrote.
    pub vector: VersionVector,
    /// The item; `None` for a tombstone.
    pub item: Option<Item>,
    /// The conflicts over this key that this region saw, oldest first.
    pub conflicts: Vec<Conflict>,
}
