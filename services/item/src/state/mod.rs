//! The state of an item: which write made which part of it, and how two states of one item become one.
//!
//! There is one form of state and one [`ItemState::join`], whatever policy a table has. The policy only decides how a region stamps
//! its own writes ([`ItemState::written`]): as a write of the whole item, of single attributes, or as an addition to a number or
//! set. Joining is commutative, associative and idempotent, so regions that have heard of the same writes hold the same state, in
//! whatever order and however often they heard, and also where a table's policy changed between those writes.
//!
//! A state has a *floor*: the last write of the whole item, a put or a delete. On top of it stand the attributes that were written
//! later, each with a *base* (its last assignment or removal) and what was added to it since. What is older than what it stands on
//! goes. An item exists where its floor is a put, or where anything was written after the floor.
//!
//! Where the last write of all is the floor, there is nothing else to say: such a state is *plain*, and no bytes are kept for it.

mod attribute;
mod codec;
mod loss;
mod stamp;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{
    codec::StateError,
    loss::Loss,
    stamp::{ConflictPolicy, ConflictPolicyError, Touch, Touched},
};
use crate::{Item, Version, state::attribute::Attribute};

/// The greatest metadata that a region stamps on a write of its own, bytes. A write that would need more is stamped as a plain
/// assignment, or as a write of the whole item, so that a set whose members come and go for years stays bounded.
pub const MAX_STATE_BYTES: usize = 128 << 10;

/// What is known of an item, apart from its key attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemState {
    /// The greatest version of all writes that are in it.
    version: Version,
    /// The last write of the whole item; `None` where there was none, or where it was a delete that was forgotten since.
    floor: Option<Version>,
    /// What the floor put, without the attributes in `attributes`; `None` where the floor is a delete or absent.
    whole: Option<Item>,
    /// The attributes that were written after the floor.
    attributes: BTreeMap<String, Attribute>,
}

impl ItemState {
    /// The state after a write of the whole item; `None` for a delete.
    #[must_use]
    pub fn plain(version: Version, item: Option<Item>) -> Self {
        Self {
            floor: Some(version.clone()),
            version,
            whole: item,
            attributes: BTreeMap::new(),
        }
    }

    /// The greatest version of all writes that are in it.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// Whether the last write of all wrote the whole item, so that version and image say everything.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.attributes.is_empty() && self.floor.as_ref() == Some(&self.version)
    }

    /// The item, of which `keys` are the key attributes; `None` where it does not exist.
    #[must_use]
    pub fn image(&self, keys: &Item) -> Option<Item> {
        let mut item = match &self.whole {
            Some(whole) => whole.clone(),
            None if self.floor.as_ref() == Some(&self.version) => return None,
            None => keys.clone(),
        };
        for (name, attribute) in &self.attributes {
            if let Some(value) = attribute.value(self.floor.as_ref()) {
                item.insert(name.clone(), value);
            }
        }
        Some(item)
    }

    /// What both know together: the state of a region that has heard of every write that is in either.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        // A missing floor is below every other.
        let (high, low) = if self.floor >= other.floor {
            (self, other)
        } else {
            (other, self)
        };
        let floor = high.floor.as_ref();
        let mut whole = high.whole.clone();
        let names: BTreeSet<&String> = high.attributes.keys().chain(low.attributes.keys()).collect();
        let mut attributes = BTreeMap::new();
        for name in names {
            let standing = high.attributes.get(name).cloned();
            let standing =
                standing.unwrap_or_else(|| Attribute::of_floor(whole.as_mut().and_then(|item| item.remove(name))));
            let joined = match low.attributes.get(name) {
                Some(incoming) => standing.join(incoming, floor, low.floor.as_ref() == floor),
                None => standing,
            };
            if !joined.is_floors() {
                attributes.insert(name.clone(), joined);
            } else if let (Some(value), Some(whole)) = (joined.assigned, &mut whole) {
                whole.insert(name.clone(), value);
            }
        }
        let joined = Self {
            version: self.version.clone().max(other.version.clone()),
            floor: high.floor.clone(),
            whole,
            attributes,
        };
        debug_assert!(joined.is_consistent(), "joined states make a state: {joined:?}");
        joined
    }

    /// Whether nothing is later than the version as far as the floor says, and no attribute stands twice.
    fn is_consistent(&self) -> bool {
        let is_whole = |name: &String| self.whole.as_ref().is_some_and(|whole| whole.contains_key(name));
        self.floor.as_ref() <= Some(&self.version)
            && (self.whole.is_none() || self.floor.is_some())
            && !self.attributes.keys().any(is_whole)
    }

    /// Every version that the state names, some of them repeatedly.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        let own = std::iter::once(&self.version).chain(&self.floor);
        own.chain(self.attributes.values().flat_map(Attribute::versions))
    }
}
