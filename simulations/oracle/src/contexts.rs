//! Checks causal contexts against what clients saw: a context covers the write that its own write
//! certainly followed, and no write that was sent only afterwards.
//!
//! Elle infers such dependencies from histories alone (Kingsbury and Alvaro 2020). A write that was
//! conditional on another, or a delete that returned another, followed it in its region. And a
//! write that was answered before another was sent cannot depend on that one.

use std::collections::BTreeMap;

use beringia_history::{Basis, Effect, LostDisk};
use beringia_item::Version;

use crate::{
    index::{Asked, Commit, Key, Table},
    times::{self, Times},
    violation::Violation,
};

/// Finds contexts that are too small or too large.
pub(crate) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let times = times::by_region(table);
    for (key, writes) in &table.keys {
        for commit in &writes.commits {
            let Some(asked) = commit.asked.map(|asked| &writes.asked[asked]) else {
                continue;
            };
            let place = || (table.name.to_owned(), commit.origin.to_owned(), (*key).to_owned());
            if let Some(missed) = missed(writes, commit, asked) {
                let (table, region, key) = place();
                violations.push(Violation::ContextTooSmall {
                    table,
                    region,
                    key,
                    marker: asked.write.marker.clone(),
                    missed: missed.clone(),
                });
            }
            if let Some((origin, sequence)) = foreseen(table, &times, commit, asked) {
                let (table, region, key) = place();
                violations.push(Violation::ContextTooLarge {
                    table,
                    region,
                    key,
                    marker: asked.write.marker.clone(),
                    origin,
                    sequence,
                });
            }
        }
    }
}

/// Returns the write that a commit certainly followed, if its causal context does not cover it.
fn missed<'a>(key: &Key<'a>, commit: &Commit<'_>, asked: &Asked<'_>) -> Option<&'a Version> {
    let marker = match &asked.write.based_on {
        Basis::Marker(marker) => Some(marker.as_str()),
        _ => removed(asked),
    };
    let followed = key.of_marker(marker?)?.position?;
    let followed = key.commits[followed].version();
    (followed < commit.version() && !commit.depends_on(followed)).then_some(followed)
}

/// The marker of what a delete removed, if its answer said so. Only then it is certain which
/// tombstone the delete made.
fn removed<'a>(asked: &Asked<'a>) -> Option<&'a str> {
    asked.replaced().filter(|_| asked.write.effect == Effect::Delete)
}

/// Returns an entry of a commit's causal context that covers a write sent after the commit was
/// acknowledged. If the origin lost its disk between the two, the entry may be that of a lost
/// write.
fn foreseen(
    table: &Table<'_>,
    times: &BTreeMap<&str, Times<'_>>,
    commit: &Commit<'_>,
    asked: &Asked<'_>,
) -> Option<(String, u64)> {
    let is_certain = asked.write.effect != Effect::Delete || removed(asked).is_some();
    if !is_certain || !asked.operation.is_reported() {
        return None;
    }
    let done_us = asked.operation.done_us;
    let others = commit.logged.causal_context.iter();
    let mut others = others.filter(|(origin, _)| origin.region().as_str() != commit.origin);
    others.find_map(|(origin, sequence)| {
        let region = origin.region().as_str();
        let covered = Version {
            time: commit.version().time,
            origin: origin.clone(),
            sequence,
        };
        let sent_us = times.get(region)?.earliest_us(&covered);
        let was_lost = |disk: &LostDisk| disk.region == region && (done_us..=sent_us).contains(&disk.at_us);
        let is_foreseen = sent_us > done_us && !table.lost_disks.iter().any(was_lost);
        is_foreseen.then(|| (region.to_owned(), sequence))
    })
}
