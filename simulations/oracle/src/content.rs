//! Whether every write made of its item what it was to make of it, and whether every region holds what all writes together make.

use std::collections::{BTreeMap, BTreeSet};

use beringia_history::{Content, Effect, Held, Merging, NUMBER};

use crate::{
    Violation,
    index::{Among, Key, Table},
};

/// How many lesser writes are tried to explain a result that the vector does not explain.
const LOOK_BACK: usize = 1_000;

/// Finds writes with a wrong result, and regions that hold something else than they must.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let merging = table.rules.merging;
    let mut expected = BTreeMap::new();
    for (key, writes) in &table.keys {
        if merging == Merging::Item {
            find_wrong_results(table, key, writes, violations);
        }
        if let Some(last) = writes.commits.last() {
            expected.insert(*key, (&last.logged.held, merged(writes, merging)));
        }
    }
    for (region, held) in &table.evidence.held {
        let unexpected = held
            .keys()
            .map(String::as_str)
            .filter(|key| !expected.contains_key(key));
        for key in expected.keys().copied().chain(unexpected) {
            let found = held.get(key);
            let wrong = match (expected.get(key), found) {
                (Some((last, merged)), Some(found)) if last.version == found.version => {
                    let differs = merged
                        .as_ref()
                        .is_some_and(|merged| differs(merged.as_ref(), found, merging));
                    differs.then(|| Violation::WrongMerge {
                        table: table.name.to_owned(),
                        region: region.clone(),
                        key: key.to_owned(),
                        expected: merged.clone().flatten().map(Box::new),
                        found: found.content.clone().map(Box::new),
                    })
                }
                (expected, found) => Some(Violation::Wrong {
                    table: table.name.to_owned(),
                    region: region.clone(),
                    key: key.to_owned(),
                    expected: expected.map(|(last, _)| last.version.clone()),
                    found: found.map(|found| found.version.clone()),
                }),
            };
            violations.extend(wrong);
        }
    }
    if merging != Merging::Item {
        find_different_images(table, violations);
    }
}

/// Whether a region holds something else than all writes make. Where the last writer wins whole items, images are compared too.
fn differs(expected: Option<&Content>, found: &Held, merging: Merging) -> bool {
    match (expected, &found.content) {
        (None, None) => false,
        (Some(expected), Some(found)) if merging == Merging::Item => expected != found,
        (Some(expected), Some(found)) => !is_same_but_for_image(expected, found),
        _ => true,
    }
}

fn is_same_but_for_image(one: &Content, other: &Content) -> bool {
    one.mark == other.mark
        && one.fields == other.fields
        && one.number == other.number
        && one.set == other.set
        && one.list == other.list
}

/// Regions that hold one version must hold the same under it, also what workloads know nothing of.
fn find_different_images(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let mut first: BTreeMap<&str, &Held> = BTreeMap::new();
    for (region, held) in &table.evidence.held {
        for (key, held) in held {
            let first = *first.entry(key).or_insert(held);
            let (expected, found) = (&first.content, &held.content);
            if let (Some(one), Some(other)) = (expected, found)
                && first.version == held.version
                && is_same_but_for_image(one, other)
                && one.image_hash != other.image_hash
            {
                violations.push(Violation::WrongMerge {
                    table: table.name.to_owned(),
                    region: region.clone(),
                    key: key.clone(),
                    expected: expected.clone().map(Box::new),
                    found: found.clone().map(Box::new),
                });
            }
        }
    }
}

/// Where whole items win or lose, what a write left must be what it makes of what it replaced. What it replaced is what its vector says.
/// Where a disk was lost, vectors cover writes that went with it: then it may be any lesser write.
fn find_wrong_results(table: &Table<'_>, key_text: &str, key: &Key<'_>, violations: &mut Vec<Violation>) {
    for (rank, commit) in key.commits.iter().enumerate() {
        let (Some(asked), Some(found)) = (commit.asked, &commit.logged.held.content) else {
            continue;
        };
        let write = key.asked[asked].write;
        let content = |rank: usize| key.commits[rank].logged.held.content.as_ref();
        let fits = |before: Option<&Content>| {
            made_of(before, &write.effect, &write.mark).is_none_or(|made| is_same_but_for_image(&made, found))
        };
        let fits_lesser = || (0..rank).rev().take(LOOK_BACK).any(|rank| fits(content(rank)));
        let is_explained = fits(commit.replaced.and_then(content)) || !table.lost_disks.is_empty() && fits_lesser();
        if !is_explained {
            violations.push(Violation::WrongContent {
                table: table.name.to_owned(),
                region: commit.origin.to_owned(),
                key: key_text.to_owned(),
                mark: write.mark.clone(),
                found: Box::new(found.clone()),
            });
        }
    }
}

/// What an effect makes of an item; `None` where that is not known.
fn made_of(before: Option<&Content>, effect: &Effect, mark: &str) -> Option<Content> {
    let of_fields = |fields: &[String]| -> BTreeMap<String, String> {
        fields.iter().map(|field| (field.clone(), mark.to_owned())).collect()
    };
    let mut content = match effect {
        Effect::Put { .. } => Content::default(),
        _ => before.cloned().unwrap_or_default(),
    };
    mark.clone_into(&mut content.mark);
    match effect {
        Effect::Put { fields, number } => {
            content.fields = of_fields(fields);
            content.number = *number;
        }
        Effect::Update { fields } => content.fields.append(&mut of_fields(fields)),
        Effect::Add(by) => content.number = Some(content.number.unwrap_or(0) + by),
        Effect::Set { add, delete } => {
            let mut set: BTreeSet<String> = content.set.into_iter().collect();
            set.extend(add.iter().cloned());
            set.retain(|element| !delete.contains(element));
            content.set = set.into_iter().collect();
        }
        Effect::Append => content.list.push(mark.to_owned()),
        Effect::Delete | Effect::Recorded { .. } => return None,
    }
    Some(content)
}

/// What all writes to a key make together; the inner `None`: no item, the outer: that is not known.
#[expect(clippy::option_option, reason = "two different nothings")]
fn merged(key: &Key<'_>, merging: Merging) -> Option<Option<Content>> {
    let last = &key.commits.last()?.logged.held;
    let Some(of_last) = &last.content else {
        return Some(None);
    };
    if merging == Merging::Item {
        return Some(Some(of_last.clone()));
    }
    let is_recorded = |rank: usize| {
        matches!(key.effect(rank), None | Some(Effect::Recorded { .. })) && !key.commits[rank].is_delete()
    };
    if (0..key.commits.len()).any(is_recorded) {
        return None;
    }
    let floor = (0..key.commits.len()).rev().find(|rank| key.is_floor(*rank));
    let base = floor.and_then(|rank| key.commits[rank].logged.held.content.as_ref());
    let mut merged = base.cloned().unwrap_or_default();
    merged.mark.clone_from(&of_last.mark);
    for rank in floor.map_or(0, |floor| floor + 1)..key.commits.len() {
        let written = key.commits[rank].logged.held.content.as_ref();
        let (Some(written), Some(effect)) = (written, key.effect(rank)) else {
            continue;
        };
        match effect {
            Effect::Update { fields } => {
                let set = fields.iter().map(|field| (field.clone(), written.mark.clone()));
                merged.fields.extend(set);
            }
            Effect::Append => merged.list.clone_from(&written.list),
            // One after the other the attribute is what the last of them says that it is.
            Effect::Add(_) if merging == Merging::Attribute => merged.number = written.number,
            Effect::Set { .. } if merging == Merging::Attribute => merged.set.clone_from(&written.set),
            _ => {}
        }
    }
    if merging == Merging::Merge {
        if Last::of(key).leaves_sums_open(key) {
            return None;
        }
        merge_numbers(key, &kept(key, Addition::ToNumber), &mut merged);
        merge_sets(key, &kept(key, Addition::ToSet), &mut merged);
    }
    Some(Some(merged))
}

/// What is added to an item, beside what others add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Addition {
    ToNumber,
    ToSet,
}

/// For each commit: whether what it adds counts in the end.
fn kept(key: &Key<'_>, addition: Addition) -> Vec<bool> {
    let last = Last::of(key);
    (0..key.commits.len())
        .map(|rank| last.keeps(key, rank, addition, NUMBER))
        .collect()
}

/// The last floor of a key, or of one of its attributes, and which commits knew of it.
pub(crate) struct Last<'a> {
    floors: Vec<usize>,
    among: Among<'a>,
}

impl<'a> Last<'a> {
    fn of(key: &Key<'a>) -> Self {
        Self::among(key, (0..key.commits.len()).filter(|rank| key.is_floor(*rank)).collect())
    }

    /// The last of these, given by rank, ascending.
    pub(crate) fn among(key: &Key<'a>, floors: Vec<usize>) -> Self {
        let among = Among::new(&key.commits, &floors);
        Self { floors, among }
    }

    /// Whether what a commit adds to an attribute counts in the end. To a set it does where it is later than the last floor. To a number it
    /// does where its origin knew of that floor: what was added to another number is gone with that; but where the floor left no number,
    /// being later is enough.
    pub(crate) fn keeps(&self, key: &Key<'_>, rank: usize, addition: Addition, attribute: &str) -> bool {
        match addition {
            Addition::ToNumber if self.leaves_number(key, attribute) => self.is_known_to(key, rank),
            _ => self.is_below(rank),
        }
    }

    fn leaves_number(&self, key: &Key<'_>, attribute: &str) -> bool {
        self.floors.last().is_some_and(|last| match key.effect(*last) {
            Some(Effect::Recorded { touches, .. }) => touches.contains_key(attribute),
            _ => {
                let content = &key.commits[*last].logged.held.content;
                content.as_ref().is_some_and(|content| content.number.is_some())
            }
        })
    }

    fn is_known_to(&self, key: &Key<'_>, rank: usize) -> bool {
        self.among.last_known_to(&key.commits[rank]) == self.floors.len().checked_sub(1)
    }

    fn is_below(&self, rank: usize) -> bool {
        self.floors.last().is_none_or(|floor| rank > *floor)
    }

    /// Whether something was added to another number than the last floor's, which left none: then a region's sum stays as a whole,
    /// with what it had added before, and logs do not say how much that is.
    fn leaves_sums_open(&self, key: &Key<'_>) -> bool {
        let is_open = |rank: usize| {
            matches!(key.effect(rank), Some(Effect::Add(_))) && self.is_below(rank) && !self.is_known_to(key, rank)
        };
        !self.leaves_number(key, NUMBER) && (0..key.commits.len()).any(is_open)
    }
}

fn merge_numbers(key: &Key<'_>, kept: &[bool], merged: &mut Content) {
    for (rank, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
        if let Some(Effect::Add(by)) = key.effect(rank) {
            merged.number = Some(merged.number.unwrap_or(0) + by);
        }
    }
}

/// Per element the last that touched it decides; they are in the order of versions.
fn merge_sets(key: &Key<'_>, kept: &[bool], merged: &mut Content) {
    let mut set: BTreeSet<String> = merged.set.iter().cloned().collect();
    for (rank, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
        if let Some(Effect::Set { add, delete }) = key.effect(rank) {
            set.extend(add.iter().cloned());
            set.retain(|element| !delete.contains(element));
        }
    }
    merged.set = set.into_iter().collect();
}
