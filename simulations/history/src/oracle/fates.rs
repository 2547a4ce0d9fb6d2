//! What became of committed writes: whether they stand, were replaced knowingly, or were lost to writes that did not know of them.

use std::collections::BTreeMap;

use super::{
    content::{Addition, kept},
    index::{Key, Table, known_to_any, replaced},
};
use crate::{Effect, Merging};

/// What became of a committed write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// Of what it wrote, all or some stands in the end.
    pub(super) stands: bool,
    /// Of what it wrote, all or some was replaced by a write that did not know of it.
    pub(super) is_lost: bool,
    /// Of what it wrote, all or some did not enter into what stands in the end, nor into what was replaced by that knowingly.
    pub(super) has_vanished: bool,
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
    Field(&'a str),
    Number,
    Set,
    List,
}

/// By key, the fates of its commits by rank.
pub(super) fn of<'a>(table: &Table<'a>) -> BTreeMap<&'a str, Vec<Fate>> {
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
    for (part, own) in members {
        if merging == Merging::Merge && matches!(part, Part::Number | Part::Set) {
            let addition = if part == Part::Set {
                Addition::ToSet
            } else {
                Addition::ToNumber
            };
            judge_merged(key, &own, &floors, addition, &mut fates);
            continue;
        }
        // A floor takes part in the competition for every attribute.
        let mut all = own.clone();
        if !matches!(part, Part::Whole | Part::Floor) {
            all.extend(&floors);
            all.sort_unstable();
            all.dedup();
        }
        judge_competing(key, &all, |rank| own.binary_search(&rank).is_ok(), &mut fates);
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
    match key.effect(rank) {
        Some(Effect::Update { fields }) if !fields.is_empty() => {
            fields.iter().map(|field| Part::Field(field)).collect()
        }
        Some(Effect::Add(_)) => vec![Part::Number],
        Some(Effect::Set { .. }) => vec![Part::Set],
        Some(Effect::Append) => vec![Part::List],
        _ => vec![Part::Mark],
    }
}

/// Of some commits that write the same, the last stands; whatever another of them replaced at its origin was replaced knowingly; the
/// rest was lost to one that did not know of it.
fn judge_competing(key: &Key<'_>, all: &[usize], is_own: impl Fn(usize) -> bool, fates: &mut [Fate]) {
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
    for (place, rank) in all.iter().enumerate().filter(|(_, rank)| is_own(**rank)) {
        let fate = &mut fates[*rank];
        let is_last = place + 1 == all.len();
        fate.stands |= is_last;
        fate.is_lost |= !is_last && !is_replaced[place];
        fate.has_vanished |= !entered[place];
    }
}

/// What is added to numbers and sets stands beside what others add, and goes with its floor: knowingly, where a later floor knew of it.
fn judge_merged(key: &Key<'_>, own: &[usize], floors: &[usize], addition: Addition, fates: &mut [Fate]) {
    let kept = kept(key, addition);
    let known = known_to_any(floors.iter().map(|floor| &key.commits[*floor]));
    for rank in own {
        let commit = &key.commits[*rank];
        let is_replaced = known
            .get(commit.origin)
            .is_some_and(|known| *known >= commit.version().sequence);
        let is_lost = !kept[*rank] && !is_replaced;
        fates[*rank].stands |= kept[*rank];
        fates[*rank].is_lost |= is_lost;
        fates[*rank].has_vanished |= is_lost;
    }
}
