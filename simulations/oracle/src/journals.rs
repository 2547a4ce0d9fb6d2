//! Checks that the conflict journals record the conflicts that happened.

use std::collections::BTreeMap;

use beringia_history::{ConflictEntry, Effect, Merging};
use beringia_item::Version;

use crate::{
    index::{Commit, Key, Table},
    outcomes::CommittedOutcome,
    violation::Violation,
};

/// Checks a table's journals. Every entry must name two concurrent writes. A write that no other
/// depends on and that is not the greatest was overruled by a concurrent one, at least in its write
/// marker, and every region that applied both must have journalled that.
pub(crate) fn compare(
    table: &Table<'_>,
    outcomes: &BTreeMap<&str, Vec<CommittedOutcome>>,
    violations: &mut Vec<Violation>,
) {
    for (region, journal) in &table.evidence.journals {
        let mut losers: BTreeMap<(&str, &Version), Lost> = BTreeMap::new();
        for entry in &journal.entries {
            let lost = if entry.lost_marker_only() {
                Lost::Marker
            } else {
                Lost::More
            };
            let most = losers.entry((&entry.key, &entry.loser)).or_insert(lost);
            *most = lost.max(*most);
            if !is_conflict(table, region, entry) {
                violations.push(Violation::NoConflict {
                    table: table.name.to_owned(),
                    region: region.clone(),
                    key: entry.key.clone(),
                    winner: entry.winner.clone(),
                    loser: entry.loser.clone(),
                });
            }
        }
        if !journal.is_complete {
            continue;
        }
        for (key, writes) in &table.keys {
            let outcomes = outcomes.get(key).map_or(&[][..], Vec::as_slice);
            for (position, commit) in displaced(table, writes) {
                let is_lost = outcomes.get(position).is_some_and(|outcome| outcome.is_lost);
                let least = least_loss(table.rules.merging, writes, position, is_lost);
                if losers.get(&(*key, commit.version())).is_none_or(|lost| *lost < least) {
                    violations.push(Violation::UnseenConflict {
                        table: table.name.to_owned(),
                        region: region.clone(),
                        key: (*key).to_owned(),
                        version: commit.version().clone(),
                    });
                }
            }
        }
    }
}

/// What a write lost to a concurrent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lost {
    /// Nothing but its write marker.
    Marker,
    /// Something that its client wrote.
    More,
}

/// The writes to a key that a concurrent one overruled in every region: no other write depends on
/// them, and a greater one arrived everywhere.
fn displaced<'k, 'a>(table: &Table<'_>, key: &'k Key<'a>) -> impl Iterator<Item = (usize, &'k Commit<'a>)> {
    // A write that was lost with its origin's disk may have reached some regions only.
    let must_arrive = |commit: &Commit<'_>| !table.may_be_lost(key, commit);
    let winner = key.commits.iter().rposition(must_arrive);
    let others = key.commits[..winner.unwrap_or(0)].iter().enumerate();
    // Several regions may find the same item expired concurrently. They did the same thing, and
    // nothing is lost.
    others.filter(move |(position, commit)| {
        let is_overruled = !commit.is_known && !commit.logged.is_expiry && must_arrive(commit);
        is_overruled && (table.rules.merging == Merging::Item || !is_deleted_again(key, *position))
    })
}

/// Returns whether a commit is a delete with a greater concurrent one. Where writes merge, only
/// what the two removed can be lost, and both removed it.
fn is_deleted_again(key: &Key<'_>, position: usize) -> bool {
    let commit = &key.commits[position];
    let mut later = key.commits[position + 1..].iter();
    commit.is_delete() && later.any(|other| other.is_delete() && other.is_concurrent_with(commit))
}

/// The least that the journal must say about a displaced write. A number or a set may be the same
/// as another write left it, or be merged with it, and then only the marker is lost.
fn least_loss(merging: Merging, key: &Key<'_>, position: usize, is_lost: bool) -> Lost {
    let is_more = match key.effect(position) {
        Some(Effect::Put { .. } | Effect::Append) => true,
        Some(Effect::Update { fields }) => !fields.is_empty(),
        Some(effect @ (Effect::Add(_) | Effect::Set { .. })) => {
            merging == Merging::Attribute && is_replaced_by_another(key, position, effect)
        }
        Some(Effect::Delete | Effect::Recorded { .. }) | None => false,
    };
    if is_lost && is_more { Lost::More } else { Lost::Marker }
}

/// Returns whether every later write that can have decided about the number or the set of a
/// displaced write left another one there.
fn is_replaced_by_another(key: &Key<'_>, position: usize, effect: &Effect) -> bool {
    // A delete leaves no number, and a set without members.
    let left = |commit: &Commit<'_>| {
        let content = commit.logged.held.content.as_ref();
        let set = content.map(|content| content.set.clone()).unwrap_or_default();
        (content.and_then(|content| content.number), set)
    };
    let own = left(&key.commits[position]);
    let decides = |later: &usize| match key.effect(*later) {
        Some(other) => other.is_whole() || std::mem::discriminant(other) == std::mem::discriminant(effect),
        None => true,
    };
    let differs = |later: usize| {
        let other = left(&key.commits[later]);
        match effect {
            Effect::Add(_) => own.0 != other.0,
            _ => own.1 != other.1,
        }
    };
    let mut deciding = (position + 1..key.commits.len()).filter(decides).peekable();
    deciding.peek().is_some() && deciding.all(differs)
}

fn is_conflict(table: &Table<'_>, region: &str, entry: &ConflictEntry) -> bool {
    let Some(key) = table.keys.get(entry.key.as_str()) else {
        return false;
    };
    let find = |version| key.position_of(version).map(|position| &key.commits[position]);
    match (find(&entry.winner), find(&entry.loser)) {
        (Some(winner), Some(loser)) => winner.is_concurrent_with(loser) && entry.loser < entry.winner,
        // One of the two may have been lost with its origin's disk, or be an unshipped write of
        // this region.
        (winner, loser) => {
            let has_unshipped = table.evidence.unshipped.contains_key(region);
            let may_be_missing = |version: &Version| {
                let origin = version.origin.region().as_str();
                table.was_unshipped(version) || has_unshipped && origin == region
            };
            (winner.is_some() || may_be_missing(&entry.winner)) && (loser.is_some() || may_be_missing(&entry.loser))
        }
    }
}
