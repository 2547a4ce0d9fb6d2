//! The state of an item, a state-based CRDT: which write made which part of the item, and how two
//! states of one item merge.
//!
//! There is one form of state and one [`ItemState::merge`], regardless of the table's conflict
//! policy. The policy only decides how a region records its own writes ([`ItemState::written`]): as
//! a write of the whole item, as writes of single attributes, or as additions to a number or set.
//! What is assigned is a last-writer-wins register, additions to a number form a PN-counter, and a
//! set that is added to or deleted from is an LWW-element set. `merge` is commutative, associative
//! and idempotent. Regions that have applied the same writes therefore hold the same state, in any
//! order and however often the writes arrived, and also if the table's policy changed between them.
//! (The types are those of Shapiro et al., "A comprehensive study of convergent and commutative
//! replicated data types", 2011.)
//!
//! An LWW-element set keeps for each element the version of its last addition or removal. It is no
//! observed-remove set: of a concurrent addition and removal of one element the one with the
//! greater version counts, although the removal has not seen the addition. A PN-counter has two
//! sums for each origin, of additions and of subtractions; here they are one signed sum, because
//! the origin's greatest version identifies the newest.
//!
//! A state has a *base version*: the last write of the whole item, a put or a delete. The state
//! also holds the attributes that were written later, each with its own *base* (its last assignment
//! or removal) and the additions since then. Everything older than its base is dropped. An item
//! exists if its base version is a put, or if anything was written after it.
//!
//! If the last write of all is the base version, the state is *plain*, and no bytes are stored for
//! it.

mod attribute;
mod codec;
mod loss;
mod written;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{
    codec::StateError,
    loss::Loss,
    written::{ConflictPolicy, ConflictPolicyError, Touch, Touched},
};
use crate::{Item, Version, state::attribute::Attribute};

/// The greatest metadata that a region records for its own write, in bytes. A write that would need
/// more is recorded as a plain assignment, or as a write of the whole item, so that a set whose
/// members change for years stays bounded.
pub const MAX_STATE_BYTES: usize = 128 << 10;

/// The state of an item, apart from its key attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemState {
    /// The greatest version of all writes in the state.
    version: Version,
    /// The base version: the last write of the whole item. `None` if there was none, or if it was a
    /// delete whose tombstone has been collected.
    item_base: Option<Version>,
    /// The item that the base version put, without the attributes in `attributes`; `None` if the
    /// base version is a delete or absent.
    whole: Option<Item>,
    /// The attributes that were written after the base version.
    attributes: BTreeMap<String, Attribute>,
}

impl ItemState {
    /// The state after a write of the whole item; `None` is a delete.
    #[must_use]
    pub fn plain(version: Version, item: Option<Item>) -> Self {
        Self {
            item_base: Some(version.clone()),
            version,
            whole: item,
            attributes: BTreeMap::new(),
        }
    }

    /// The greatest version of all writes in the state.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// Whether the last write of all wrote the whole item, so that version and image express
    /// everything.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.attributes.is_empty() && self.item_base.as_ref() == Some(&self.version)
    }

    /// The item; `None` if it does not exist. `keys` are its key attributes.
    #[must_use]
    pub fn image(&self, keys: &Item) -> Option<Item> {
        let mut item = match &self.whole {
            Some(whole) => whole.clone(),
            None if self.item_base.as_ref() == Some(&self.version) => return None,
            None => keys.clone(),
        };
        for (name, attribute) in &self.attributes {
            if let Some(value) = attribute.value(self.item_base.as_ref()) {
                item.insert(name.clone(), value);
            }
        }
        Some(item)
    }

    /// Merges two states: the result is the state of a region that has applied every write in
    /// either.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        // A missing base version is less than every other.
        let (high, low) = if self.item_base >= other.item_base {
            (self, other)
        } else {
            (other, self)
        };
        let item_base = high.item_base.as_ref();
        let mut whole = high.whole.clone();
        let names: BTreeSet<&String> = high.attributes.keys().chain(low.attributes.keys()).collect();
        let mut attributes = BTreeMap::new();
        for name in names {
            let current = high.attributes.get(name).cloned();
            let current =
                current.unwrap_or_else(|| Attribute::of_item_base(whole.as_mut().and_then(|item| item.remove(name))));
            let merged = match low.attributes.get(name) {
                Some(incoming) => current.merge(incoming, item_base, low.item_base.as_ref() == item_base),
                None => current,
            };
            if !merged.is_inherited() {
                attributes.insert(name.clone(), merged);
            } else if let (Some(value), Some(whole)) = (merged.assigned, &mut whole) {
                whole.insert(name.clone(), value);
            }
        }
        let merged = Self {
            version: self.version.clone().max(other.version.clone()),
            item_base: high.item_base.clone(),
            whole,
            attributes,
        };
        debug_assert!(merged.is_consistent(), "the merged state is inconsistent: {merged:?}");
        merged
    }

    /// Whether the base version is not later than the version, and no attribute is stored twice.
    fn is_consistent(&self) -> bool {
        let is_whole = |name: &String| self.whole.as_ref().is_some_and(|whole| whole.contains_key(name));
        self.item_base.as_ref() <= Some(&self.version)
            && (self.whole.is_none() || self.item_base.is_some())
            && !self.attributes.keys().any(is_whole)
    }

    /// Every version in the state; some repeat.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        let own = std::iter::once(&self.version).chain(&self.item_base);
        own.chain(self.attributes.values().flat_map(Attribute::versions))
    }
}
