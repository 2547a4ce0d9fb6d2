//! Checks that the conflict journals record the conflicts that happened.

use std::collections::BTreeSet;

use beringia_history::{ConflictEntry, Merging};
use beringia_item::Version;

use crate::{
    index::{Commit, Table},
    violation::Violation,
};

/// Checks a table's journals. Every entry must name two concurrent writes. If whole items win or
/// lose, a write that no other depends on and that is not the greatest was overruled by a
/// concurrent one, and every region that applied both must have journalled that.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    for (region, journal) in &table.evidence.journals {
        let mut losers: BTreeSet<(&str, &Version)> = BTreeSet::new();
        for entry in &journal.entries {
            losers.insert((&entry.key, &entry.loser));
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
        if !journal.is_complete || table.rules.merging != Merging::Item {
            continue;
        }
        for (key, writes) in &table.keys {
            // The last write that every region must have applied. A write that was lost with its
            // origin's disk may have reached some regions only.
            let must_arrive = |commit: &&Commit<'_>| !table.may_be_lost(writes, commit);
            let winner = writes.commits.iter().rposition(|commit| must_arrive(&commit));
            let others = &writes.commits[..winner.unwrap_or(0)];
            // Several regions may find the same item expired concurrently. They did the same thing,
            // and nothing is lost.
            let displaced = others
                .iter()
                .filter(|commit| !commit.is_known && !commit.logged.is_expiry)
                .filter(must_arrive);
            for commit in displaced {
                if !losers.contains(&(key, commit.version())) {
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
                table.lost_disk(origin) || has_unshipped && origin == region
            };
            (winner.is_some() || may_be_missing(&entry.winner)) && (loser.is_some() || may_be_missing(&entry.loser))
        }
    }
}
