//! Conflicts: two concurrent writes to one item, of which one lost something. Also unshipped
//! writes.

use std::fmt;

use beringia_item::{Item, KeyBytes, TableId, Version, VersionVector};

/// Two concurrent writes to an item, and which one won, as one region saw them.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Grows with every conflict that this region sees.
    pub id: u64,
    /// The id of the table that contains the item.
    pub table: TableId,
    /// The stored key of the item.
    pub key: KeyBytes,
    /// The write that was kept.
    pub winner: ConflictSide,
    /// The write that was replaced, or never became current.
    pub loser: ConflictSide,
    /// The attributes of which the loser's value was lost; empty if the whole item was lost.
    pub attributes: Vec<String>,
    /// The rule that chose the winner.
    pub rule: ConflictRule,
    /// Wall time of this region when it saw the conflict, in ms since the Unix epoch.
    pub seen_ms: u64,
}

/// One of the two writes of a conflict.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictSide {
    /// The version of the write.
    pub version: Version,
    /// The whole item with that write when the two were reconciled; `None` for a delete.
    pub image: Option<Item>,
}

/// An unshipped write: no other region has it, and none will get it automatically.
#[derive(Debug, Clone, PartialEq)]
pub struct Unshipped {
    /// Grows with every unshipped write that this region keeps.
    pub id: u64,
    /// The id of the table that contains the item.
    pub table: TableId,
    /// The name of the table.
    pub table_name: String,
    /// The attributes of the item's key.
    pub key: Item,
    /// The write, with the item after it.
    pub write: ConflictSide,
    /// Wall time of this region when it kept the write, in ms since the Unix epoch.
    pub seen_ms: u64,
}

/// The rule that decided a conflict: usually the first difference in the order of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictRule {
    /// The winner's hybrid time is later.
    LaterTime,
    /// The times are equal. The winner's origin is greater: its region by name, then its shard.
    GreaterRegion,
    /// Times and origins are equal. (Only a region that lost its disk can be in conflict with
    /// itself.)
    GreaterSequence,
    /// The winner assigned the attribute a value. The loser is later, but was added to the earlier
    /// number and does not causally depend on the assignment.
    NewValue,
}

impl ConflictRule {
    /// The rule by which one version is greater than another.
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
            Self::NewValue => "assignment over addition",
        })
    }
}

/// An item or tombstone, with everything that explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The version of the last write, put or delete.
    pub version: Version,
    /// The causal context of that write.
    pub causal_context: VersionVector,
    /// The item; `None` for a tombstone.
    pub item: Option<Item>,
    /// The conflicts over this key that this region saw, oldest first.
    pub conflicts: Vec<Conflict>,
}
