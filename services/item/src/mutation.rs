//! The record of a change: what one write did to one item, as it stands in the log and travels between regions.

use std::fmt;

use bytes::Bytes;

use crate::{KeyBytes, Origin, Version, VersionVector};

/// Identifies a table for ever: a table that is deleted and created again under its name has another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u128);

impl TableId {
    /// The table that holds the settings of all global tables. Every region holds it; no client sees it.
    pub const CATALOG: Self = Self(1);
    /// The table that holds the settings of regional tables, and those settings of global tables that stay local.
    /// It never leaves its region.
    pub const LOCAL: Self = Self(2);
}

impl fmt::Display for TableId {
    /// As DynamoDB writes a `TableId`: a UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an item changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A client's request.
    Client,
    /// The item's time to live ran out.
    TimeToLive,
}

/// The writes that travel and apply as one: a transaction, or a single write. Its members have consecutive sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The sequence of the first member.
    pub first: u64,
    /// The sequence of the last member; equal to `first` for a single write.
    pub last: u64,
}

/// What one write did to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// The item's table.
    pub table: TableId,
    /// The item's key.
    pub key: KeyBytes,
    /// The version that the item has from this write.
    pub version: Version,
    /// What the origin knew of when it committed this write: what it had applied of this table, and of this item also what the write
    /// that it replaced knew of, where that had come ahead of others. So it speaks of writes to this item only. The origin's own
    /// writes up to `version` are implied and not listed. Two mutations of an item neither of which knows of the other are
    /// concurrent: a conflict.
    pub vector: VersionVector,
    /// The whole item after the write, encoded by [`crate::encode_item`]; `None` for a delete.
    pub image: Option<Bytes>,
    /// What the image does not say of the item's state after the write ([`crate::ItemState::metadata`]); `None` where that is
    /// nothing, as after every write to a table of the policy `item`.
    pub metadata: Option<Bytes>,
    /// Why.
    pub cause: Cause,
    /// With which other writes it belongs together.
    pub unit: Unit,
}

impl Mutation {
    /// Whether the origin knew of the write of version `other` to the same item when it committed this one.
    #[must_use]
    pub fn knew_of(&self, other: &Version) -> bool {
        if other.origin == self.version.origin {
            other.sequence < self.version.sequence
        } else {
            self.vector.covers(other)
        }
    }

    /// Bytes of its key, its image and what the image does not say.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        self.key.0.len() + len(&self.image) + len(&self.metadata)
    }

    /// Who numbered the write.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.version.origin
    }
}
