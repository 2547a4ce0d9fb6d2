//! Mutations: the change that one write made to one item, as stored in the log and sent between
//! regions.

use std::fmt;

use bytes::Bytes;

use crate::{KeyBytes, Origin, Version, VersionVector};

/// Identifies a table permanently. A table that is deleted and created again under the same name
/// gets a new id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u128);

impl TableId {
    /// The catalog: the hidden table that contains the definitions of all global tables. Every
    /// region has a replica of it; no client sees it.
    pub const CATALOG: Self = Self(1);
    /// The hidden table that contains the definitions of regional tables, and those settings of
    /// global tables that stay local. It never leaves its region.
    pub const LOCAL: Self = Self(2);
}

impl fmt::Display for TableId {
    /// Formats as DynamoDB writes a `TableId`: a UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The author of a change: a client, or the expiry of its time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A client requested the write.
    Client,
    /// The item's time to live expired.
    TimeToLive,
}

/// A transaction, or a single write: writes that are sent and applied together. They have
/// consecutive sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// The sequence of the first write.
    pub first: u64,
    /// The sequence of the last write; equal to `first` for a single write.
    pub last: u64,
}

/// The change that one write made to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields' names say it all")]
pub struct Mutation {
    pub table: TableId,
    pub key: KeyBytes,
    /// The version that this write gave the item.
    pub version: Version,
    /// The causal context: the version vector of what the origin had applied to this table when it
    /// committed this write. For this item it also covers the causal context of the write that was
    /// replaced, where that write arrived ahead of others. It therefore describes writes to this
    /// item only. The origin's own writes before `version` are implied and not listed. Two
    /// mutations of one item are concurrent, and so conflict, if neither causally depends on the
    /// other.
    pub causal_context: VersionVector,
    /// The whole item after the write, encoded by [`crate::encode_item`]; `None` for a delete.
    pub image: Option<Bytes>,
    /// The part of the item's state after the write that the image does not express
    /// ([`crate::ItemState::metadata`]). `None` if that is nothing, as after every write to a table
    /// with the policy `item`.
    pub metadata: Option<Bytes>,
    pub cause: Cause,
    /// The transaction that the write belongs to.
    pub transaction: Transaction,
}

impl Mutation {
    /// Whether this write causally depends on the write with version `other` to the same item.
    #[must_use]
    pub fn depends_on(&self, other: &Version) -> bool {
        if other.origin == self.version.origin {
            other.sequence < self.version.sequence
        } else {
            self.causal_context.covers(other)
        }
    }

    /// The size of key, image and metadata, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        self.key.0.len() + len(&self.image) + len(&self.metadata)
    }

    /// The origin that numbered the write.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.version.origin
    }
}
