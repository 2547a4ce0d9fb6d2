//! The state of one attribute: its last assignment, and the additions since then.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{AttributeValue, Number, Origin, Version};

/// A member of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    S(String),
    N(Number),
    B(Bytes),
}

/// The kinds of values that can be added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Number,
    Strings,
    Numbers,
    Binaries,
}

impl Element {
    const fn kind(&self) -> Kind {
        match self {
            Self::S(_) => Kind::Strings,
            Self::N(_) => Kind::Numbers,
            Self::B(_) => Kind::Binaries,
        }
    }

    /// The members of a set; empty for any other value.
    pub(super) fn of(value: &AttributeValue) -> BTreeSet<Self> {
        match value {
            AttributeValue::Ss(members) => members.iter().cloned().map(Self::S).collect(),
            AttributeValue::Ns(members) => members.iter().copied().map(Self::N).collect(),
            AttributeValue::Bs(members) => members.iter().cloned().map(Self::B).collect(),
            _ => BTreeSet::new(),
        }
    }
}

fn kind_of(value: &AttributeValue) -> Option<Kind> {
    match value {
        AttributeValue::N(_) => Some(Kind::Number),
        AttributeValue::Ss(_) => Some(Kind::Strings),
        AttributeValue::Ns(_) => Some(Kind::Numbers),
        AttributeValue::Bs(_) => Some(Kind::Binaries),
        _ => None,
    }
}

/// An origin in one life of its database, from one opening to the next. An older copy of the
/// database that is put back begins another life, which does not continue the sums of the lost one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Adder {
    pub(super) origin: Origin,
    /// The origin's last sequence before its database was opened.
    pub(super) opened: u64,
}

/// The sum that one origin added to a number, in one life, since the base that it had applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delta {
    /// The version of the origin's last addition in this life.
    pub(super) version: Version,
    /// The version of the base whose number was added to; `None` if there was no number.
    pub(super) over: Option<Version>,
    /// The sum of the origin's additions since the base, in this life.
    pub(super) sum: Number,
}

/// The last change to the membership of one element of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Membership {
    pub(super) version: Version,
    pub(super) present: bool,
}

/// The state of one attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attribute {
    /// The version of its last assignment or removal; `None` if that is the item's base version.
    pub(super) base: Option<Version>,
    /// The value that the base assigned; `None` for a removal.
    pub(super) assigned: Option<AttributeValue>,
    /// The additions since the base, by origin and life.
    pub(super) deltas: BTreeMap<Adder, Delta>,
    /// The changes of membership since the base.
    pub(super) elements: BTreeMap<Element, Membership>,
}

impl Attribute {
    /// The attribute as the write at the item's base version left it.
    pub(super) const fn of_item_base(value: Option<AttributeValue>) -> Self {
        Self {
            base: None,
            assigned: value,
            deltas: BTreeMap::new(),
            elements: BTreeMap::new(),
        }
    }

    /// The attribute after an assignment or a removal.
    pub(super) const fn assigned(version: Version, value: Option<AttributeValue>) -> Self {
        Self {
            base: Some(version),
            assigned: value,
            deltas: BTreeMap::new(),
            elements: BTreeMap::new(),
        }
    }

    /// Whether anything was added since its base.
    pub(super) fn has_additions(&self) -> bool {
        !self.deltas.is_empty() || !self.elements.is_empty()
    }

    /// Whether it has no writes after the item's base version.
    pub(super) fn is_inherited(&self) -> bool {
        self.base.is_none() && !self.has_additions()
    }

    /// The version of its base, given the item's base version `item_base`; `None` if there is
    /// neither.
    pub(super) fn base_over<'a>(&'a self, item_base: Option<&'a Version>) -> Option<&'a Version> {
        self.base.as_ref().or(item_base)
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = &Version> {
        let deltas = self.deltas.values().map(|delta| &delta.version);
        let elements = self.elements.values().map(|element| &element.version);
        self.base.iter().chain(deltas).chain(elements)
    }

    /// Merges it with the same attribute of another state. The item's base version is `item_base`
    /// for `self`. For `low` it is the same (`same_base`) or a lower one; then only what is later
    /// than `item_base` counts.
    pub(super) fn merge(mut self, low: &Self, item_base: Option<&Version>, same_base: bool) -> Self {
        if low.base.as_ref() > self.base_over(item_base) {
            self.base.clone_from(&low.base);
            self.assigned.clone_from(&low.assigned);
        } else if same_base && self.base.is_none() {
            // Both hold the value from the item's base version.
            debug_assert_eq!(
                self.assigned, low.assigned,
                "the base version gives an attribute one value"
            );
        }
        for (adder, delta) in &low.deltas {
            let known = self.deltas.get(adder);
            if known.is_none_or(|known| known < delta) {
                self.deltas.insert(adder.clone(), delta.clone());
            }
        }
        for (element, membership) in &low.elements {
            let known = self.elements.get(element);
            if known.is_none_or(|known| known < membership) {
                self.elements.insert(element.clone(), membership.clone());
            }
        }
        let base = self.base.clone().or_else(|| item_base.cloned());
        self.deltas.retain(|_, delta| Some(&delta.version) > base.as_ref());
        self.elements
            .retain(|_, membership| Some(&membership.version) > base.as_ref());
        self
    }

    /// The additions that count. If the base has a number, those to that number; if it has no
    /// value, all; otherwise none.
    pub(super) fn counting<'a>(
        &'a self,
        item_base: Option<&'a Version>,
    ) -> impl Iterator<Item = (&'a Adder, &'a Delta)> {
        let base = self.base_over(item_base);
        let counts = move |delta: &Delta| match &self.assigned {
            None => true,
            Some(AttributeValue::N(_)) => delta.over.as_ref() == base,
            Some(_) => false,
        };
        self.deltas.iter().filter(move |(_, delta)| counts(delta))
    }

    /// The kind of value that its last write makes it; `None` if the base determines it.
    fn kind(&self, item_base: Option<&Version>) -> Option<Kind> {
        let base = self.assigned.as_ref().and_then(kind_of);
        let numbers = self
            .counting(item_base)
            .map(|(_, delta)| (&delta.version, Kind::Number));
        let sets = self
            .elements
            .iter()
            .map(|(element, membership)| (membership, element.kind()))
            // Removing a member does not create a set.
            .filter(|(membership, kind)| membership.present || base == Some(*kind))
            .map(|(membership, kind)| (&membership.version, kind));
        numbers.chain(sets).max().map(|(_, kind)| kind)
    }

    /// Its value, given the item's base version `item_base`.
    pub(super) fn value(&self, item_base: Option<&Version>) -> Option<AttributeValue> {
        match self.kind(item_base) {
            None => self.assigned.clone(),
            Some(Kind::Number) => Some(AttributeValue::N(self.total(item_base))),
            Some(kind) => self.members(kind),
        }
    }

    /// The base's number plus all additions that count, in the order of origins and lives. An
    /// addition whose result is not a number (more than 38 digits) is left out.
    fn total(&self, item_base: Option<&Version>) -> Number {
        let base = match &self.assigned {
            Some(AttributeValue::N(number)) => *number,
            _ => Number::ZERO,
        };
        self.counting(item_base)
            .fold(base, |total, (_, delta)| total.checked_add(&delta.sum).unwrap_or(total))
    }

    /// The members of this kind; `None` if there are none, since no set is empty.
    fn members(&self, kind: Kind) -> Option<AttributeValue> {
        let mut members = self.assigned.as_ref().map(Element::of).unwrap_or_default();
        members.retain(|member| member.kind() == kind);
        for (element, membership) in self.elements.iter().filter(|(element, _)| element.kind() == kind) {
            if membership.present {
                members.insert(element.clone());
            } else {
                members.remove(element);
            }
        }
        if members.is_empty() {
            return None;
        }
        let members = members.into_iter();
        Some(match kind {
            Kind::Strings | Kind::Number => AttributeValue::Ss(
                members
                    .filter_map(|member| {
                        if let Element::S(member) = member {
                            Some(member)
                        } else {
                            None
                        }
                    })
                    .collect(),
            ),
            Kind::Numbers => AttributeValue::Ns(
                members
                    .filter_map(|member| {
                        if let Element::N(member) = member {
                            Some(member)
                        } else {
                            None
                        }
                    })
                    .collect(),
            ),
            Kind::Binaries => AttributeValue::Bs(
                members
                    .filter_map(|member| {
                        if let Element::B(member) = member {
                            Some(member)
                        } else {
                            None
                        }
                    })
                    .collect(),
            ),
        })
    }

    /// Adds `number` to the sum of the version's origin in the life that began after the sequence
    /// `opened`. A sum that cannot be represented stays as it was.
    pub(super) fn add(&mut self, version: &Version, opened: u64, number: Number, item_base: Option<&Version>) {
        let origin = version.origin.clone();
        let adder = Adder { origin, opened };
        let counted = self.counting(item_base).find(|(known, _)| **known == adder);
        let before = counted.map_or(Number::ZERO, |(_, delta)| delta.sum);
        let over = match &self.assigned {
            Some(_) => self.base_over(item_base).cloned(),
            None => None,
        };
        // If the sum is not a number, the value differs from the one that the writer computed, and
        // the caller assigns instead.
        let sum = before.checked_add(&number).unwrap_or(before);
        let version = version.clone();
        self.deltas.insert(adder, Delta { version, over, sum });
    }

    /// Makes `version` the last writer of these members; `present` tells whether they are in the
    /// set after it.
    pub(super) fn change_members(&mut self, version: &Version, members: BTreeSet<Element>, present: bool) {
        for member in members {
            let version = version.clone();
            self.elements.insert(member, Membership { version, present });
        }
    }
}
