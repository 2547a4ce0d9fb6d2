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
    /// The attributes of which the loser's value was lost; empty where the whole item was.
    pub attributes: Vec<String>,
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
    /// The whole item as it stood with that write where the two met; `None` for a delete.
    pub image: Option<Item>,
}

/// A write of this region that the others never got, and that they will not get by themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Unshipped {
    /// Grows with every such write that this region kept.
    pub id: u64,
    /// The table.
    pub table: TableId,
    /// Its name.
    pub table_name: String,
    /// The key's attributes.
    pub key: Item,
    /// The write, with the item that it left.
    pub write: ConflictSide,
    /// Wall time of this region when it kept it, ms since the epoch.
    pub seen_ms: u64,
}

/// What decided a conflict: mostly the first difference in the order of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictRule {
    /// The winner's hybrid time is later.
    LaterTime,
    /// The times are equal; the winner's origin is greater: its region by name, then its shard.
    GreaterRegion,
    /// Times and origins are equal. (Only a region that lost its disk can be in conflict with itself.)
    GreaterSequence,
    /// The winner gave the attribute a value, and the loser, though later, was added to the number before without knowing of it.
    NewValue,
}

impl ConflictRule {
    /// What let one write win over the other.
    #[must_use]
    pub fn between(winner: &Version, loser: &Version) -> Self {
        if winner < loser {
            Self::NewValue
        } else if winner.time != loser.time {
            Self::LaterTime
        } else if winner.origin != loser.origin {
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
            Self::NewValue => "a new value, to which nothing was added",
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
