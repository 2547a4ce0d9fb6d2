//! Acknowledged writes, and sets of them. Which write had received which is recorded here, without
//! vectors: the invariants compare the regions' vectors and causal contexts with it.

use std::{fmt, sync::Arc};

use beringia_item::{Item, Mutation, Version};
use xxhash_rust::xxh3::xxh3_128;

use crate::bounds::{Kind, SITES};

/// The number of writes per region that a set has room for.
pub(crate) const PER_SITE: usize = 4;

/// A set of writes, by region and by number within the region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Writes(pub(crate) u16);

impl Writes {
    /// The set of one write: the `number`-th of the region at this place.
    pub(crate) const fn one(site: usize, number: usize) -> Self {
        Self(1 << (site * PER_SITE + number))
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The single writes of the set.
    pub(crate) fn each(self) -> impl Iterator<Item = Self> {
        (0..SITES * PER_SITE)
            .map(|bit| Self(1 << bit))
            .filter(move |one| self.has(*one))
    }
}

/// An acknowledged write, as its region made it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The set of this write alone.
    pub(crate) id: Writes,
    pub(crate) key: u8,
    pub(crate) kind: Kind,
    /// The write as it travels.
    pub(crate) mutation: Mutation,
    /// The item that it left in its region.
    pub(crate) after: Option<Item>,
    /// The writes that its region had received when it was made, and those that the write which it
    /// replaced had.
    pub(crate) past: Writes,
    /// A hash of the write, of its kind, and of what its region had received.
    pub(crate) fingerprint: u128,
}

impl Written {
    pub(crate) fn new(
        (id, key, kind): (Writes, u8, Kind),
        mutation: Mutation,
        after: Option<Item>,
        past: Writes,
    ) -> Self {
        Self {
            fingerprint: xxh3_128(format!("{mutation:?} {past:?} {kind:?}").as_bytes()),
            id,
            key,
            kind,
            mutation,
            after,
            past,
        }
    }

    pub(crate) const fn version(&self) -> &Version {
        &self.mutation.version
    }

    pub(crate) const fn deletes(&self) -> bool {
        matches!(self.kind, Kind::Delete)
    }

    /// Whether neither of the two had received the other. A later write of a region follows its
    /// earlier ones, even those that it lost with its disk.
    pub(crate) fn is_concurrent(&self, other: &Self) -> bool {
        let is_foreign = self.mutation.origin() != other.mutation.origin();
        is_foreign && !self.past.has(other.id) && !other.past.has(self.id)
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.id.0.trailing_zeros() as usize % PER_SITE + 1;
        write!(f, "write {number} of {}", self.mutation.origin().region())
    }
}

/// The acknowledged writes of all regions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(pub(crate) Vec<Arc<Written>>);

impl Ledger {
    /// The write with this version.
    pub(crate) fn find(&self, version: &Version) -> Option<&Arc<Written>> {
        self.0.iter().find(|written| written.version() == version)
    }

    /// The name of the write with this version.
    pub(crate) fn name(&self, version: &Version) -> String {
        let written = self.find(version);
        written.map_or_else(
            || format!("the unknown write {version:?}"),
            |written| written.to_string(),
        )
    }

    /// The writes of a set.
    pub(crate) fn of(&self, writes: Writes) -> impl Iterator<Item = &Arc<Written>> {
        self.0.iter().filter(move |written| writes.has(written.id))
    }

    /// The write of a set with the greatest version under a key.
    pub(crate) fn greatest(&self, writes: Writes, key: u8) -> Option<&Arc<Written>> {
        let of_key = self.of(writes).filter(|written| written.key == key);
        of_key.max_by_key(|written| written.version())
    }
}
