//! The losses when two states are merged.

use std::collections::{BTreeMap, BTreeSet};

use super::{Attribute, ItemState, attribute::Adder};
use crate::Version;

/// A write, or a part of it, that another write overruled in a merge. It is a conflict unless the
/// winner causally depends on the loser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The version of the write that overruled the other.
    pub winner: Version,
    /// The version of the write that lost.
    pub loser: Version,
    /// The names of the lost attributes, in order; empty for the whole item.
    pub attributes: Vec<String>,
}

impl ItemState {
    /// The parts of this state that are missing from `merged`, the result of merging it with
    /// `other`.
    #[must_use]
    pub fn losses(&self, other: &Self, merged: &Self) -> Vec<Loss> {
        let mut lost = Lost::default();
        self.lost_base(other, merged, &mut lost);
        let names: BTreeSet<&String> = self.attributes.keys().chain(merged.attributes.keys()).collect();
        for name in names {
            let whole = || self.whole.as_ref().and_then(|whole| whole.get(name)).cloned();
            let base_attribute;
            let own = match self.attributes.get(name) {
                Some(own) => own,
                None => {
                    base_attribute = Attribute::of_item_base(whole());
                    &base_attribute
                }
            };
            let overlaid = merged.item_base == self.item_base && other.item_base != self.item_base;
            self.lost_attribute(name, own, merged, overlaid, &mut lost);
        }
        lost.into_losses()
    }

    /// Finds whether the last write of the whole item was lost.
    fn lost_base(&self, other: &Self, merged: &Self, lost: &mut Lost) {
        let Some(item_base) = &self.item_base else { return };
        match &merged.item_base {
            Some(winner) if winner != item_base => {
                let differs = self.whole.is_some() || merged.whole.is_some();
                if differs {
                    lost.whole(winner, item_base);
                }
            }
            // A delete below later writes that do not causally depend on it.
            _ if self.whole.is_none() && other.item_base.as_ref() < Some(item_base) => {
                let outlived = other.attributes.values().flat_map(Attribute::versions);
                let own = std::iter::once(&other.version);
                if let Some(winner) = outlived.chain(own).filter(|version| *version > item_base).max() {
                    lost.whole(winner, item_base);
                }
            }
            _ => {}
        }
    }

    /// Finds what one attribute lost. `overlaid` says that the other state's writes may be on top
    /// of this state's base version without causally depending on it.
    fn lost_attribute(&self, name: &str, own: &Attribute, merged: &Self, overlaid: bool, lost: &mut Lost) {
        let (item_base, merged_base) = (self.item_base.as_ref(), merged.item_base.as_ref());
        let nothing = Attribute::default();
        let current = merged.attributes.get(name);
        let visible = match current {
            Some(current) => current.value(merged_base),
            None => merged.whole.as_ref().and_then(|whole| whole.get(name)).cloned(),
        };
        if own.value(item_base) == visible {
            return;
        }
        let current = current.unwrap_or(&nothing);
        let winning_base = current.base_over(merged_base);
        let counting: BTreeMap<&Adder, &Version> = current
            .counting(merged_base)
            .map(|(adder, delta)| (adder, &delta.version))
            .collect();
        let members = || current.elements.values().map(|membership| &membership.version);
        let mut lose = |loser: &Version, overruled: Option<&Version>| {
            let later = overruled.or(winning_base).filter(|winner| *winner > loser);
            let others = counting
                .values()
                .copied()
                .chain(members())
                .filter(|version| *version != loser);
            // If no addition that counts is later, this one did not count for the base that it was
            // merged with.
            if let Some(winner) = later.or_else(|| others.max()).or(winning_base) {
                lost.attribute(winner, loser, name);
            }
        };
        let base = own.base_over(item_base);
        if let Some(base) = base.filter(|base| winning_base != Some(base)) {
            // The value from the item's base version is lost with that version, unless only this
            // attribute was overwritten.
            if own.base.is_some() || (own.assigned.is_some() && current.base.is_some() && overlaid) {
                lose(base, None);
            }
        }
        for (adder, delta) in own.counting(item_base) {
            let goes_on = counting.get(adder).is_some_and(|version| **version >= delta.version);
            if !goes_on {
                lose(&delta.version, None);
            }
        }
        for (element, membership) in &own.elements {
            let last = current.elements.get(element);
            if last.is_none_or(|last| last.present != membership.present) {
                lose(&membership.version, last.map(|last| &last.version));
            }
        }
    }
}

/// Losses by winner and loser.
#[derive(Default)]
struct Lost(BTreeMap<(Version, Version), Option<BTreeSet<String>>>);

impl Lost {
    fn whole(&mut self, winner: &Version, loser: &Version) {
        self.0.insert((winner.clone(), loser.clone()), None);
    }

    fn attribute(&mut self, winner: &Version, loser: &Version, name: &str) {
        let attributes = self
            .0
            .entry((winner.clone(), loser.clone()))
            .or_insert_with(|| Some(BTreeSet::new()));
        if let Some(attributes) = attributes {
            attributes.insert(name.to_owned());
        }
    }

    fn into_losses(self) -> Vec<Loss> {
        let loss = |((winner, loser), attributes): ((Version, Version), Option<BTreeSet<String>>)| Loss {
            winner,
            loser,
            attributes: attributes.into_iter().flatten().collect(),
        };
        self.0.into_iter().map(loss).collect()
    }
}
