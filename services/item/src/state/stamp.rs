//! How a region stamps its own writes: what a table's policy makes of them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Attribute, ItemState, MAX_STATE_BYTES, attribute::Element};
use crate::{AttributeValue, Item, Number, Version};

/// What of concurrent writes to one item is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictPolicy {
    /// The whole item of the last writer, as in DynamoDB.
    #[default]
    Item,
    /// Of each top-level attribute the last writer's. A put or delete writes the whole item.
    Attribute,
    /// As `Attribute`, but additions to a number add up, and additions to and deletions from a set unite.
    Merge,
}

impl ConflictPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Item, Self::Attribute, Self::Merge];

    /// Its name: `item`, `attribute` or `merge`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Attribute => "attribute",
            Self::Merge => "merge",
        }
    }
}

impl fmt::Display for ConflictPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no policy's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no conflict policy: there are item, attribute and merge")]
pub struct ConflictPolicyError(pub String);

impl FromStr for ConflictPolicy {
    type Err = ConflictPolicyError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let policy = Self::ALL.into_iter().find(|policy| policy.as_str() == name);
        policy.ok_or_else(|| ConflictPolicyError(name.to_owned()))
    }
}

/// What an update does to a top-level attribute, as far as concurrent updates can be reconciled with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// Gives it a value, changes something inside it, or removes it.
    Assign,
    /// Adds to its number; where it has none, to zero.
    Add(Number),
    /// Adds these members (a set) to its set; where it has none, to an empty one.
    Unite(AttributeValue),
    /// Takes these members (a set) out of its set.
    Subtract(AttributeValue),
}

/// What an update does, by top-level attribute.
pub type Touched = BTreeMap<String, Touch>;

impl ItemState {
    /// The state after a write of this region as `version`, which is greater than that of `standing`. `after` is the item that the
    /// write leaves, and `touched` what an update did to get there; `None` for a put or a delete.
    #[must_use]
    pub fn written(
        policy: ConflictPolicy,
        standing: Option<&Self>,
        version: &Version,
        after: Option<&Item>,
        touched: Option<&Touched>,
    ) -> Self {
        let ways: &[bool] = match policy {
            ConflictPolicy::Item => &[],
            ConflictPolicy::Attribute => &[false],
            ConflictPolicy::Merge => &[true, false],
        };
        if let (Some(after), Some(touched)) = (after, touched) {
            for merging in ways {
                let updated = Self::updated(standing, version, after, touched, *merging);
                if updated.metadata().is_none_or(|bytes| bytes.len() <= MAX_STATE_BYTES) {
                    return updated;
                }
            }
        }
        Self::plain(version.clone(), after.cloned())
    }

    fn updated(standing: Option<&Self>, version: &Version, after: &Item, touched: &Touched, merging: bool) -> Self {
        let nothing = || Self {
            version: version.clone(),
            floor: None,
            whole: None,
            attributes: BTreeMap::new(),
        };
        let mut state = standing.cloned().unwrap_or_else(nothing);
        state.version = version.clone();
        let floor = state.floor.as_ref();
        for (name, touch) in touched {
            let value = after.get(name);
            let whole = state.whole.as_mut().and_then(|whole| whole.remove(name));
            let attribute = state.attributes.remove(name);
            let merged = merging
                .then(|| {
                    let mut attribute = attribute.unwrap_or_else(|| Attribute::of_floor(whole));
                    attribute.touch(version, touch, floor).then_some(attribute)
                })
                .flatten()
                // Where additions to what stands give another value than the writer saw, the writer's counts.
                .filter(|merged| merged.value(floor).as_ref() == value);
            let attribute = merged.unwrap_or_else(|| Attribute::assigned(version.clone(), value.cloned()));
            state.attributes.insert(name.clone(), attribute);
        }
        state
    }
}

impl Attribute {
    /// Takes an addition in; false for an assignment.
    fn touch(&mut self, version: &Version, touch: &Touch, floor: Option<&Version>) -> bool {
        match touch {
            Touch::Assign => return false,
            Touch::Add(number) => self.add(version, *number, floor),
            Touch::Unite(members) => self.change_members(version, Element::of(members), true),
            Touch::Subtract(members) => self.change_members(version, Element::of(members), false),
        }
        true
    }
}
