//! The outcomes of committed writes: whether they are in the final state, were superseded, or were
//! lost to concurrent writes.

use std::collections::BTreeMap;

use beringia_history::{Effect, LIST, Merging, NUMBER, RecordedTouch, SET};

use crate::{
    base::{Addition, LastBase},
    index::{Key, Table, known_to_any, replaced},
};

/// The outcome of a committed write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CommittedOutcome {
    /// Whether all or some of what the write wrote is in the final state.
    pub(crate) is_current: bool,
    /// Whether all or some of what the write wrote was overruled by a concurrent write.
    pub(crate) is_lost: bool,
    /// Whether all or some of what the write wrote is neither in the final state nor in any write
    /// that the final state causally replaced. Plain assignments of recorded operations do not
    /// count if attributes win by themselves.
    pub(crate) has_vanished: bool,
}

/// A part of an item that a write touches and that wins or loses as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Whole,
    /// All attributes that no later write sets by itself.
    Base,
    /// The write marker alone.
    Marker,
    Attribute(&'a str),
    /// An addition to an attribute, which does not compete with other additions.
    Added(&'a str, Addition),
}

/// Returns, for each key, the outcomes of its commits by position.
pub(crate) fn of<'a>(table: &Table<'a>) -> BTreeMap<&'a str, Vec<CommittedOutcome>> {
    let of_key = |(key, writes): (&&'a str, &Key<'a>)| (*key, of_key(writes, table.rules.merging));
    table.keys.iter().map(of_key).collect()
}

fn of_key(key: &Key<'_>, merging: Merging) -> Vec<CommittedOutcome> {
    let count = key.commits.len();
    let mut outcomes = vec![CommittedOutcome::default(); count];
    let mut members: BTreeMap<Part<'_>, Vec<usize>> = BTreeMap::new();
    let parts: Vec<Vec<Part<'_>>> = (0..count).map(|position| parts(key, position, merging)).collect();
    for (position, parts) in parts.iter().enumerate() {
        for part in parts {
            members.entry(part.clone()).or_default().push(position);
        }
    }
    let bases = members.get(&Part::Base).cloned().unwrap_or_default();
    for (part, own) in &members {
        // A base write competes for every attribute, and replaces earlier additions to it, as an
        // assignment does.
        let with_bases = |own: Option<&Vec<usize>>| {
            let mut all: Vec<usize> = own.into_iter().flatten().chain(&bases).copied().collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        match part {
            Part::Added(attribute, addition) => {
                let bases = with_bases(members.get(&Part::Attribute(attribute)));
                judge_merged(key, own, bases, attribute, *addition, &mut outcomes);
            }
            Part::Whole | Part::Base => judge_competing(key, own, own, part, &mut outcomes),
            Part::Marker | Part::Attribute(_) => judge_competing(key, &with_bases(Some(own)), own, part, &mut outcomes),
        }
    }
    outcomes
}

fn parts<'a>(key: &Key<'a>, position: usize, merging: Merging) -> Vec<Part<'a>> {
    if merging == Merging::Item {
        return vec![Part::Whole];
    }
    if key.is_base(position) {
        return vec![Part::Base];
    }
    let added = |attribute, addition| match merging {
        Merging::Merge => Part::Added(attribute, addition),
        Merging::Item | Merging::Attribute => Part::Attribute(attribute),
    };
    match key.effect(position) {
        Some(Effect::Update { fields }) if !fields.is_empty() => {
            fields.iter().map(|field| Part::Attribute(field)).collect()
        }
        Some(Effect::Add(_)) => vec![added(NUMBER, Addition::ToNumber)],
        Some(Effect::Set { .. }) => vec![added(SET, Addition::ToSet)],
        Some(Effect::Append) => vec![Part::Attribute(LIST)],
        Some(Effect::Recorded { touches, .. }) if !touches.is_empty() => {
            let part = |(attribute, touch): (&'a String, &RecordedTouch)| match touch {
                RecordedTouch::Assign => Part::Attribute(attribute),
                RecordedTouch::Add => added(attribute, Addition::ToNumber),
                RecordedTouch::Members => added(attribute, Addition::ToSet),
            };
            touches.iter().map(part).collect()
        }
        _ => vec![Part::Marker],
    }
}

/// Judges commits that write the same part. The last one is in the final state. A commit that
/// another one replaced at its origin is superseded, and the rest are lost to a concurrent write.
/// Only the outcomes of the `own` commits are set.
fn judge_competing(key: &Key<'_>, all: &[usize], own: &[usize], part: &Part<'_>, outcomes: &mut [CommittedOutcome]) {
    let replaced = replaced(&key.commits, all);
    let mut is_replaced = vec![false; all.len()];
    for place in replaced.iter().flatten() {
        is_replaced[*place] = true;
    }
    let mut entered = vec![false; all.len()];
    let mut next = all.len().checked_sub(1);
    while let Some(place) = next {
        entered[place] = true;
        // Only an earlier commit can have entered into it; a broken log may say otherwise.
        next = replaced[place].filter(|before| *before < place);
    }
    let is_own = |position: &usize| own.binary_search(position).is_ok();
    for (place, position) in all.iter().enumerate().filter(|(_, position)| is_own(position)) {
        let outcome = &mut outcomes[*position];
        let is_last = place + 1 == all.len();
        outcome.is_current |= is_last;
        outcome.is_lost |= !is_last && !is_replaced[place];
        outcome.has_vanished |= !entered[place] && !is_assigned(key, *position, part);
    }
}

/// Returns whether a recorded operation only assigns a new value to a part.
fn is_assigned(key: &Key<'_>, position: usize, part: &Part<'_>) -> bool {
    let (Part::Attribute(attribute), Some(Effect::Recorded { touches, .. })) = (part, key.effect(position)) else {
        return false;
    };
    touches.get(*attribute) == Some(&RecordedTouch::Assign)
}

/// Judges additions to numbers and sets. They count together with other additions, and fall with
/// their base: superseded if a later base causally depends on them, else lost.
fn judge_merged(
    key: &Key<'_>,
    own: &[usize],
    bases: Vec<usize>,
    attribute: &str,
    addition: Addition,
    outcomes: &mut [CommittedOutcome],
) {
    let known = known_to_any(bases.iter().map(|base| &key.commits[*base]));
    let last = LastBase::among(key, bases);
    for position in own {
        let commit = &key.commits[*position];
        let is_kept = last.keeps(key, *position, addition, attribute);
        let is_replaced = known
            .get(commit.origin)
            .is_some_and(|known| *known >= commit.version().sequence);
        let is_lost = !is_kept && !is_replaced;
        outcomes[*position].is_current |= is_kept;
        outcomes[*position].is_lost |= is_lost;
        outcomes[*position].has_vanished |= is_lost;
    }
}
