//! What became of committed writes: whether they stand, were replaced knowingly, or were lost to writes that did not know of them.

use std::collections::BTreeMap;

use beringia_history::{Effect, LIST, Merging, NUMBER, SET, Touch};

use crate::{
    floor::{Addition, LastFloor},
    index::{Key, Table, known_to_any, replaced},
};

/// What became of a committed write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Of what it wrote, all or some stands in the end.
    pub(crate) stands: bool,
    /// Of what it wrote, all or some was replaced by a write that did not know of it.
    pub(crate) is_lost: bool,
    /// Of what it wrote, all or some did not enter into what stands in the end, nor into what was replaced by that knowingly; what a
    /// recorded operation only assigned is left out where attributes win by themselves.
    pub(crate) has_vanished: bool,
}

/// What of an item a write touches, that wins or loses as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// All of it.
    Whole,
    /// All attributes that are not written by themselves after it.
    Floor,
    /// The mark alone.
    Mark,
    /// An attribute.
    Attribute(&'a str),
    /// What is added to an attribute, beside what others add.
    Added(&'a str, Addition),
}

/// By key, the fates of its commits by rank.
pub(crate) fn of<'a>(table: &Table<'a>) -> BTreeMap<&'a str, Vec<Fate>> {
    let of_key = |(key, writes): (&&'a str, &Key<'a>)| (*key, of_key(writes, table.rules.merging));
    table.keys.iter().map(of_key).collect()
}

fn of_key(key: &Key<'_>, merging: Merging) -> Vec<Fate> {
    let count = key.commits.len();
    let mut fates = vec![Fate::default(); count];
    let mut members: BTreeMap<Part<'_>, Vec<usize>> = BTreeMap::new();
    let parts: Vec<Vec<Part<'_>>> = (0..count).map(|rank| parts(key, rank, merging)).collect();
    for (rank, parts) in parts.iter().enumerate() {
        for part in parts {
            members.entry(part.clone()).or_default().push(rank);
        }
    }
    let floors = members.get(&Part::Floor).cloned().unwrap_or_default();
    for (part, own) in &members {
        // A floor takes part in the competition for every attribute, and takes what was added to it before, as what assigns it does.
        let with_floors = |own: Option<&Vec<usize>>| {
            let mut all: Vec<usize> = own.into_iter().flatten().chain(&floors).copied().collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        match part {
            Part::Added(attribute, addition) => {
                let floors = with_floors(members.get(&Part::Attribute(attribute)));
                judge_merged(key, own, floors, attribute, *addition, &mut fates);
            }
            Part::Whole | Part::Floor => judge_competing(key, own, own, part, &mut fates),
            Part::Mark | Part::Attribute(_) => judge_competing(key, &with_floors(Some(own)), own, part, &mut fates),
        }
    }
    fates
}

fn parts<'a>(key: &Key<'a>, rank: usize, merging: Merging) -> Vec<Part<'a>> {
    if merging == Merging::Item {
        return vec![Part::Whole];
    }
    if key.is_floor(rank) {
        return vec![Part::Floor];
    }
    let added = |attribute, addition| match merging {
        Merging::Merge => Part::Added(attribute, addition),
        Merging::Item | Merging::Attribute => Part::Attribute(attribute),
    };
    match key.effect(rank) {
        Some(Effect::Update { fields }) if !fields.is_empty() => {
            fields.iter().map(|field| Part::Attribute(field)).collect()
        }
        Some(Effect::Add(_)) => vec![added(NUMBER, Addition::ToNumber)],
        Some(Effect::Set { .. }) => vec![added(SET, Addition::ToSet)],
        Some(Effect::Append) => vec![Part::Attribute(LIST)],
        Some(Effect::Recorded { touches, .. }) if !touches.is_empty() => {
            let part = |(attribute, touch): (&'a String, &Touch)| match touch {
                Touch::Assign => Part::Attribute(attribute),
                Touch::Add => added(attribute, Addition::ToNumber),
                Touch::Members => added(attribute, Addition::ToSet),
            };
            touches.iter().map(part).collect()
        }
        _ => vec![Part::Mark],
    }
}

/// Of some commits that write the same, the last stands; whatever another of them replaced at its origin was replaced knowingly; the
/// rest was lost to one that did not know of it. The fates are those of the `own` ones.
fn judge_competing(key: &Key<'_>, all: &[usize], own: &[usize], part: &Part<'_>, fates: &mut [Fate]) {
    let replaced = replaced(&key.commits, all);
    let mut is_replaced = vec![false; all.len()];
    for place in replaced.iter().flatten() {
        is_replaced[*place] = true;
    }
    let mut entered = vec![false; all.len()];
    let mut next = all.len().checked_sub(1);
    while let Some(place) = next {
        entered[place] = true;
        // Only what was before it can have entered into it; a broken log may say otherwise.
        next = replaced[place].filter(|before| *before < place);
    }
    let is_own = |rank: &usize| own.binary_search(rank).is_ok();
    for (place, rank) in all.iter().enumerate().filter(|(_, rank)| is_own(rank)) {
        let fate = &mut fates[*rank];
        let is_last = place + 1 == all.len();
        fate.stands |= is_last;
        fate.is_lost |= !is_last && !is_replaced[place];
        fate.has_vanished |= !entered[place] && !is_assigned(key, *rank, part);
    }
}

/// Whether a recorded operation only gives a part another value.
fn is_assigned(key: &Key<'_>, rank: usize, part: &Part<'_>) -> bool {
    let (Part::Attribute(attribute), Some(Effect::Recorded { touches, .. })) = (part, key.effect(rank)) else {
        return false;
    };
    touches.get(*attribute) == Some(&Touch::Assign)
}

/// What is added to numbers and sets stands beside what others add, and goes with its floor: knowingly, where a later floor knew of it.
fn judge_merged(
    key: &Key<'_>,
    own: &[usize],
    floors: Vec<usize>,
    attribute: &str,
    addition: Addition,
    fates: &mut [Fate],
) {
    let known = known_to_any(floors.iter().map(|floor| &key.commits[*floor]));
    let last = LastFloor::among(key, floors);
    for rank in own {
        let commit = &key.commits[*rank];
        let is_kept = last.keeps(key, *rank, addition, attribute);
        let is_replaced = known
            .get(commit.origin)
            .is_some_and(|known| *known >= commit.version().sequence);
        let is_lost = !is_kept && !is_replaced;
        fates[*rank].stands |= is_kept;
        fates[*rank].is_lost |= is_lost;
        fates[*rank].has_vanished |= is_lost;
    }
}
