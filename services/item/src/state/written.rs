//! How a region records its own writes under a table's conflict policy.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Attribute, ItemState, MAX_STATE_BYTES, attribute::Element};
use crate::{AttributeValue, Item, Number, Version};

/// The parts of concurrent writes to one item that a table keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictPolicy {
    /// The last writer's whole item, as in DynamoDB.
    #[default]
    Item,
    /// The last writer's value of each top-level attribute. A put or delete writes the whole item.
    Attribute,
    /// As `Attribute`, but additions to a number add up, and each member of a set has its own last
    /// writer.
    Merge,
}

impl ConflictPolicy {
    /// The policies, from the one that keeps least.
    pub const ALL: [Self; 3] = [Self::Item, Self::Attribute, Self::Merge];

    /// The policy's name: `item`, `attribute` or `merge`.
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

/// A text that is not the name of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a conflict policy: use item, attribute or merge")]
pub struct ConflictPolicyError(pub String);

impl FromStr for ConflictPolicy {
    type Err = ConflictPolicyError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let policy = Self::ALL.into_iter().find(|policy| policy.as_str() == name);
        policy.ok_or_else(|| ConflictPolicyError(name.to_owned()))
    }
}

/// The change of a top-level attribute by an update, as far as it can be reconciled with concurrent
/// updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// Assigns a value, changes something inside it, or removes the attribute.
    Assign,
    /// Adds to its number; a missing number counts as zero.
    Add(Number),
    /// Adds these members (a set) to its set; a missing set counts as empty.
    Unite(AttributeValue),
    /// Removes these members (a set) from its set.
    Subtract(AttributeValue),
}

/// The changes of an update, by top-level attribute.
pub type Touched = BTreeMap<String, Touch>;

impl ItemState {
    /// The state after a write of this region as `version`, which is greater than the version of
    /// `current`, the current state. `opened` is the region's last sequence before its database was
    /// opened. `after` is the item after the write. `touched` says what an update did; `None` for a
    /// put or a delete.
    #[must_use]
    pub fn written(
        policy: ConflictPolicy,
        current: Option<&Self>,
        version: &Version,
        opened: u64,
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
                let updated = Self::updated(current, (version, opened), (after, touched), *merging);
                if updated.metadata().is_none_or(|bytes| bytes.len() <= MAX_STATE_BYTES) {
                    return updated;
                }
            }
        }
        Self::plain(version.clone(), after.cloned())
    }

    fn updated(
        current: Option<&Self>,
        (version, opened): (&Version, u64),
        (after, touched): (&Item, &Touched),
        merging: bool,
    ) -> Self {
        let nothing = || Self {
            version: version.clone(),
            item_base: None,
            whole: None,
            attributes: BTreeMap::new(),
        };
        let mut state = current.cloned().unwrap_or_else(nothing);
        state.version = version.clone();
        let item_base = state.item_base.as_ref();
        for (name, touch) in touched {
            let value = after.get(name);
            let whole = state.whole.as_mut().and_then(|whole| whole.remove(name));
            let attribute = state.attributes.remove(name);
            let merged = merging
                .then(|| {
                    let mut attribute = attribute.unwrap_or_else(|| Attribute::of_item_base(whole));
                    attribute
                        .touch((version, opened), touch, item_base)
                        .then_some(attribute)
                })
                .flatten()
                // If additions to the current state give another value than the writer saw, the
                // writer's value counts.
                .filter(|merged| merged.value(item_base).as_ref() == value);
            let attribute = merged.unwrap_or_else(|| Attribute::assigned(version.clone(), value.cloned()));
            state.attributes.insert(name.clone(), attribute);
        }
        state
    }
}

impl Attribute {
    /// Applies an addition and returns true; returns false for an assignment.
    fn touch(&mut self, (version, opened): (&Version, u64), touch: &Touch, item_base: Option<&Version>) -> bool {
        match touch {
            Touch::Assign => return false,
            Touch::Add(number) => self.add(version, opened, *number, item_base),
            Touch::Unite(members) => self.change_members(version, Element::of(members), true),
            Touch::Subtract(members) => self.change_members(version, Element::of(members), false),
        }
        true
    }
}
