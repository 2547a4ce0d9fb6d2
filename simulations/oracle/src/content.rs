//! Checks that every write had its intended effect on its item, and that every region holds the
//! combined result of all writes.

use std::collections::{BTreeMap, BTreeSet};

use beringia_history::{Content, Effect, Merging, VersionedItem};

use crate::{
    index::{Key, Table},
    merge::{MergeResult, merged},
    violation::Violation,
};

/// How many lesser writes are looked through for the next one that a causal context covers.
const LOOK_BACK: usize = 1_000;

/// Finds writes with a wrong result, and regions that hold something other than they must.
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
                (Some((last, merged)), Some(found)) if last.version == found.version => differs(merged, found, merging)
                    .then(|| Violation::WrongMerge {
                        table: table.name.to_owned(),
                        region: region.clone(),
                        key: key.to_owned(),
                        expected: match merged {
                            MergeResult::Item(expected) => Some(Box::new(expected.clone())),
                            MergeResult::Unknown | MergeResult::NoItem => None,
                        },
                        found: found.content.clone().map(Box::new),
                    }),
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

/// Returns whether a region holds something other than the combined result of all writes. If the
/// last writer wins whole items, images are compared too.
fn differs(expected: &MergeResult, found: &VersionedItem, merging: Merging) -> bool {
    match (expected, &found.content) {
        (MergeResult::Unknown, _) | (MergeResult::NoItem, None) => false,
        (MergeResult::Item(expected), Some(found)) if merging == Merging::Item => expected != found,
        (MergeResult::Item(expected), Some(found)) => !is_same_but_for_image(expected, found),
        (MergeResult::NoItem, Some(_)) | (MergeResult::Item(_), None) => true,
    }
}

fn is_same_but_for_image(one: &Content, other: &Content) -> bool {
    one.marker == other.marker
        && one.fields == other.fields
        && one.number == other.number
        && one.set == other.set
        && one.list == other.list
}

/// Finds regions that hold different images under one version, including attributes that workloads
/// do not know.
fn find_different_images(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let mut first: BTreeMap<&str, &VersionedItem> = BTreeMap::new();
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

/// Finds wrong results if whole items win or lose: a write's result must be its effect applied to
/// the item that it replaced. The causal context says which item that was. A context also covers
/// writes that were lost with their origin's disk, so where the named one may be lost, the next
/// lesser one is an explanation, too.
fn find_wrong_results(table: &Table<'_>, key_text: &str, key: &Key<'_>, violations: &mut Vec<Violation>) {
    for commit in &key.commits {
        let (Some(asked), Some(found)) = (commit.asked, &commit.logged.held.content) else {
            continue;
        };
        let write = key.asked[asked].write;
        let fits = |before: Option<usize>| {
            let before = before.and_then(|position| key.commits[position].logged.held.content.as_ref());
            made_of(before, &write.effect, &write.marker).is_none_or(|made| is_same_but_for_image(&made, found))
        };
        let covered_below = |position: usize| {
            let mut lesser = (0..position).rev().take(LOOK_BACK);
            lesser.find(|position| commit.depends_on(key.commits[*position].version()))
        };
        let mut explanations = std::iter::successors(Some(commit.replaced), |before| {
            before
                .filter(|position| table.may_be_lost(key, &key.commits[*position]))
                .map(covered_below)
        });
        if !explanations.any(fits) {
            violations.push(Violation::WrongContent {
                table: table.name.to_owned(),
                region: commit.origin.to_owned(),
                key: key_text.to_owned(),
                marker: write.marker.clone(),
                found: Box::new(found.clone()),
            });
        }
    }
}

/// Applies an effect to an item; `None` if the result is not known.
fn made_of(before: Option<&Content>, effect: &Effect, marker: &str) -> Option<Content> {
    let of_fields = |fields: &[String]| -> BTreeMap<String, String> {
        fields.iter().map(|field| (field.clone(), marker.to_owned())).collect()
    };
    let mut content = match effect {
        Effect::Put { .. } => Content::default(),
        _ => before.cloned().unwrap_or_default(),
    };
    marker.clone_into(&mut content.marker);
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
        Effect::Append => content.list.push(marker.to_owned()),
        Effect::Delete | Effect::Recorded { .. } => return None,
    }
    Some(content)
}
