//! Checks causal contexts against what clients saw: a context covers the write that its own write
//! certainly followed, and no write that was sent only afterwards.
//!
//! Elle infers such dependencies from histories alone (Kingsbury and Alvaro 2020). A write that was
//! conditional on another, or a delete that returned another, followed it in its region. So did a
//! write that was sent to a region after a read there had shown another. (What an append followed
//! is in the lists that clients saw, see `lists`.) And a write that was answered before another was
//! sent cannot depend on that one.

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
    let shown = Shown::of(table);
    for (key, writes) in &table.keys {
        for commit in &writes.commits {
            let Some(asked) = commit.asked.map(|asked| &writes.asked[asked]) else {
                continue;
            };
            let place = || (table.name.to_owned(), commit.origin.to_owned(), (*key).to_owned());
            let missed = missed(writes, commit, asked).or_else(|| shown.missed(table, (key, writes), commit, asked));
            if let Some(missed) = missed {
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
fn missed<'k>(key: &'k Key<'_>, commit: &Commit<'_>, asked: &Asked<'_>) -> Option<&'k Version> {
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

/// What reads had shown of each key in each life of each region: the times at which they were
/// answered, in microseconds and ascending, each with the greatest position that was shown until
/// then.
struct Shown<'a>(BTreeMap<Place<'a>, Vec<(u64, usize)>>);

/// A key, a region, and which life of the region it is ([`crate::lives`]).
type Place<'a> = (&'a str, &'a str, usize);

impl<'a> Shown<'a> {
    /// Leaves out regions that lost what they had shown with a replica, at a time that is not
    /// known. With a lost disk, a region loses what it had shown of other regions' writes. Its own
    /// are in every context of its later ones.
    fn of(table: &Table<'a>) -> Self {
        let mut shown: BTreeMap<Place<'_>, Vec<(u64, usize)>> = BTreeMap::new();
        for operation in &table.operations {
            let life = table.life_of(operation);
            let Some(life) = life.filter(|_| !table.evidence.bootstrapped.contains(&operation.region)) else {
                continue;
            };
            for seen in &operation.reads {
                let position = |marker: &str| table.position_of(&seen.key, marker);
                if let Some(position) = seen.marker.as_deref().and_then(position) {
                    let of_place = shown.entry((&seen.key, &operation.region, life)).or_default();
                    of_place.push((operation.done_us, position));
                }
            }
        }
        for of_place in shown.values_mut() {
            of_place.sort_unstable();
            let mut greatest = 0;
            for (_, position) in of_place {
                greatest = greatest.max(*position);
                *position = greatest;
            }
        }
        Self(shown)
    }

    /// Returns the greatest write that had been shown where and before a commit was sent, if
    /// nothing that the commit's causal context covers is as great.
    fn missed<'k>(
        &self,
        table: &Table<'_>,
        (name, key): (&str, &'k Key<'_>),
        commit: &Commit<'_>,
        asked: &Asked<'_>,
    ) -> Option<&'k Version> {
        let is_certain = asked.write.effect != Effect::Delete || removed(asked).is_some();
        let life = table.life_of(asked.operation)?;
        let of_place = self.0.get(&(name, commit.origin, life)).filter(|_| is_certain)?;
        let before = of_place.partition_point(|(done_us, _)| *done_us < asked.operation.sent_us);
        let (_, greatest) = of_place[before.checked_sub(1)?];
        (commit.replaced < Some(greatest)).then(|| key.commits[greatest].version())
    }
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
