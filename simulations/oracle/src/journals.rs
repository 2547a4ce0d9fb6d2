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
            let lost = if entry.lost_marker_only {
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
                let least = least_loss(writes, position, is_lost);
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

/// The least that the journal must say about a displaced write. Sums of numbers and members of sets
/// can be the same with another write's, so only their marker is lost for sure.
fn least_loss(key: &Key<'_>, position: usize, is_lost: bool) -> Lost {
    match key.effect(position) {
        Some(Effect::Put { .. } | Effect::Append) if is_lost => Lost::More,
        Some(Effect::Update { fields }) if is_lost && !fields.is_empty() => Lost::More,
        _ => Lost::Marker,
    }
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
