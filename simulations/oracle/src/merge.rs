//! The combined result of all writes to a key.

use std::collections::BTreeSet;

use beringia_history::{Content, Effect, Merging, NUMBER};

use crate::{
    base::{Addition, LastBase},
    index::Key,
};

/// The combined result of all writes to a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MergeResult {
    /// The result does not follow from what is known of the writes.
    Unknown,
    NoItem,
    Item(Content),
}

/// Combines all writes to a key under the conflict policy of its table.
pub(crate) fn merged(key: &Key<'_>, merging: Merging) -> MergeResult {
    let Some(last) = key.commits.last() else {
        return MergeResult::NoItem;
    };
    let Some(of_last) = &last.logged.held.content else {
        return MergeResult::NoItem;
    };
    if merging == Merging::Item {
        return MergeResult::Item(of_last.clone());
    }
    let is_recorded = |position: usize| {
        matches!(key.effect(position), None | Some(Effect::Recorded { .. })) && !key.commits[position].is_delete()
    };
    if (0..key.commits.len()).any(is_recorded) {
        return MergeResult::Unknown;
    }
    let last_base = (0..key.commits.len()).rev().find(|position| key.is_base(*position));
    let base = last_base.and_then(|position| key.commits[position].logged.held.content.as_ref());
    let mut merged = base.cloned().unwrap_or_default();
    merged.marker.clone_from(&of_last.marker);
    for position in last_base.map_or(0, |last_base| last_base + 1)..key.commits.len() {
        let written = key.commits[position].logged.held.content.as_ref();
        let (Some(written), Some(effect)) = (written, key.effect(position)) else {
            continue;
        };
        match effect {
            Effect::Update { fields } => {
                let set = fields.iter().map(|field| (field.clone(), written.marker.clone()));
                merged.fields.extend(set);
            }
            Effect::Append => merged.list.clone_from(&written.list),
            // Applied one after the other, the attribute has the result of the last of them.
            Effect::Add(_) if merging == Merging::Attribute => merged.number = written.number,
            Effect::Set { .. } if merging == Merging::Attribute => merged.set.clone_from(&written.set),
            _ => {}
        }
    }
    if merging == Merging::Merge {
        if LastBase::of(key).leaves_sums_open(key) {
            return MergeResult::Unknown;
        }
        merge_numbers(key, &kept(key, Addition::ToNumber), &mut merged);
        merge_sets(key, &kept(key, Addition::ToSet), &mut merged);
    }
    MergeResult::Item(merged)
}

/// Returns, for each commit, whether its addition counts in the end.
fn kept(key: &Key<'_>, addition: Addition) -> Vec<bool> {
    let last = LastBase::of(key);
    (0..key.commits.len())
        .map(|position| last.keeps(key, position, addition, NUMBER))
        .collect()
}

fn merge_numbers(key: &Key<'_>, kept: &[bool], merged: &mut Content) {
    for (position, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
        if let Some(Effect::Add(by)) = key.effect(position) {
            merged.number = Some(merged.number.unwrap_or(0) + by);
        }
    }
}

/// Merges sets. The last write that touched an element decides about it; writes are in the order of
/// versions.
fn merge_sets(key: &Key<'_>, kept: &[bool], merged: &mut Content) {
    let mut set: BTreeSet<String> = merged.set.iter().cloned().collect();
    for (position, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
        if let Some(Effect::Set { add, delete }) = key.effect(position) {
            set.extend(add.iter().cloned());
            set.retain(|element| !delete.contains(element));
        }
    }
    merged.set = set.into_iter().collect();
}
