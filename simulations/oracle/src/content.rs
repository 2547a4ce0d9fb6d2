//! Checks that every write had its intended effect on its item, and that every region holds the
//! combined result of all writes.

use std::collections::BTreeMap;

use beringia_history::{Content, Merging, VersionedItem};

use crate::{
    effect::{is_result_of, is_same_but_for_image},
    index::{Commit, Key, Table},
    merge::{MergeResult, merged},
    violation::Violation,
};

/// Finds writes with a wrong result, and regions that hold something other than they must.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let merging = table.rules.merging;
    let mut expected = BTreeMap::new();
    for (key, writes) in &table.keys {
        let results = merged(table, writes);
        if merging == Merging::Item {
            find_wrong_results(table, key, writes, violations);
        } else {
            find_wrong_merges(table, key, (writes, &results.of_commits), violations);
        }
        if let Some(last) = writes.commits.last() {
            expected.insert(*key, (&last.logged.held, results.of_all));
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
            found.marker == write.marker && is_result_of(before, &write.effect, found)
        };
        if !table.may_have_replaced(key, commit).any(fits) {
            violations.push(wrong_content(table, key_text, commit, &write.marker, found));
        }
    }
}

/// Finds wrong results where writes merge: a write must leave its effect applied to the combination
/// of the writes that its causal context covers.
fn find_wrong_merges(
    table: &Table<'_>,
    key_text: &str,
    (key, results): (&Key<'_>, &[MergeResult]),
    violations: &mut Vec<Violation>,
) {
    for (commit, result) in key.commits.iter().zip(results) {
        let (Some(asked), Some(found)) = (commit.asked, &commit.logged.held.content) else {
            continue;
        };
        let is_wrong = match result {
            MergeResult::Unknown => false,
            MergeResult::NoItem => true,
            MergeResult::Item(expected) => !is_same_but_for_image(expected, found),
        };
        if is_wrong {
            let marker = &key.asked[asked].write.marker;
            violations.push(wrong_content(table, key_text, commit, marker, found));
        }
    }
}

fn wrong_content(table: &Table<'_>, key: &str, commit: &Commit<'_>, marker: &str, found: &Content) -> Violation {
    Violation::WrongContent {
        table: table.name.to_owned(),
        region: commit.origin.to_owned(),
        key: key.to_owned(),
        marker: marker.to_owned(),
        found: Box::new(found.clone()),
    }
}
