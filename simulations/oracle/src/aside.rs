//! Unshipped writes: writes of a replica that the other regions dropped before they had them. What
//! the region's own record says became of each.
//!
//! ```text
//!                   the others drop              R comes back and
//!                     R's replica                  begins anew
//!                          │                            │
//! writes to R ───w1───w2───┼───w3───w4───w5───w6───d7───┼───w8───▶
//!                └ logged ┘ └────── in no log ─────────┘ └ logged
//! ```
//!
//! R keeps the rows that the others never had aside, and goes on without them; its journal of
//! conflicts stays. These two are its record, and a version in them that no log has is a *relic*.
//! Let w3 to w6 be acknowledged writes to one key, and d7 an acknowledged delete of another. Then:
//!
//! - The row kept aside has the mark of w5: w5 is [`Missing::KeptAside`].
//! - The journal has an entry in which w3 lost: w3 is [`Missing::LostToConflict`].
//! - The record does not have w4, but w4 was sent before w5 was done, so it may have come before
//!   w5. In a table that merges, where w5 did not write the whole item, the row may have parts of
//!   both: w4 is [`Missing::KeptAside`]. Otherwise w5 replaced it: w4 is [`Missing::Replaced`].
//! - The record does not have w6, and w6 was sent after w5 was done, so nothing in it can have
//!   replaced w6: it is [`Missing::Lost`], unless a lost disk excuses it.
//! - A tombstone kept aside has no mark. If d7 can have made it, by its time: d7 is
//!   [`Missing::KeptAside`].
//!
//! Sequences of a region grow, so they say when a version can have been committed. One between the
//! versions of w1 and w5 was committed after w1 was sent, and before w5 was acknowledged:
//!
//! ```text
//!      w1 sent      w1 done                   w5 sent      w5 done
//! ────────┼────────────┼─────────────────────────┼────────────┼───▶ time
//!         ├────── when what is between can have happened ─────┤
//!     earliest                                             latest
//! ```
//!
//! An operation can have made that version unless it was answered before `earliest`, or sent after
//! `latest`.

use std::collections::BTreeMap;

use beringia_history::{Effect, KeptAside, Merging, Operation};
use beringia_item::Version;

use crate::index::{Asked, Key, Missing, Table, Unshipped};

/// A write of which the region's record tells, and no log.
struct Relic<'a> {
    version: &'a Version,
    /// `None` for a delete.
    mark: Option<&'a str>,
    fate: Missing,
}

/// By key; those that are kept aside first.
type Relics<'a> = BTreeMap<&'a str, Vec<Relic<'a>>>;

/// Finds out what became of them, for all regions that began replicas anew.
pub(crate) fn of<'a>(table: &Table<'a>) -> Unshipped<'a> {
    let mut unshipped = Unshipped::new();
    for (region, kept) in &table.evidence.kept_aside {
        let relics = relics(table, region, kept);
        let times = Times::of(table, region, &relics);
        for (key, relics) in &relics {
            if let Some(writes) = table.keys.get(key) {
                judge(region, table.rules.merging, writes, relics, &times, &mut unshipped);
            }
        }
    }
    unshipped
}

/// For each region: when its writes can have been made.
pub(crate) fn times<'a>(table: &Table<'a>) -> BTreeMap<&'a str, Times<'a>> {
    let of_region = |region: &'a String| {
        let kept = table.evidence.kept_aside.get(region);
        let relics = kept.map_or_else(Relics::new, |kept| relics(table, region, kept));
        (region.as_str(), Times::of(table, region, &relics))
    };
    table.evidence.logs.keys().map(of_region).collect()
}

fn relics<'a>(table: &Table<'a>, region: &str, kept: &'a [KeptAside]) -> Relics<'a> {
    let mut relics = Relics::new();
    for KeptAside { key, held } in kept {
        relics.entry(key).or_default().push(Relic {
            version: &held.version,
            mark: held.mark(),
            fate: Missing::KeptAside,
        });
    }
    let journal = table.evidence.journals.get(region);
    for entry in journal.into_iter().flat_map(|journal| &journal.entries) {
        let is_logged = || {
            table
                .keys
                .get(entry.key.as_str())
                .and_then(|key| key.rank_of(&entry.loser))
        };
        if entry.loser.origin.region().as_str() == region && is_logged().is_none() {
            relics.entry(&entry.key).or_default().push(Relic {
                version: &entry.loser,
                mark: entry.loser_mark.as_deref(),
                fate: Missing::LostToConflict,
            });
        }
    }
    relics
}

/// A region's writes to a table whose versions are known, in the order of their sequences, with when clients sent them and were told of
/// them. A region's sequences grow, also over the loss of a disk and whatever its clock shows, so these say when a version of it can have
/// been committed.
#[derive(Default)]
pub(crate) struct Times<'a> {
    versions: Vec<&'a Version>,
    /// Of each and those before it, when the last was sent.
    sent_us: Vec<u64>,
    /// Of each and those after it, when the first was acknowledged.
    done_us: Vec<u64>,
}

impl<'a> Times<'a> {
    fn of(table: &Table<'a>, region: &str, relics: &Relics<'a>) -> Self {
        let mut known: Vec<(&Version, &Asked<'_>)> = Vec::new();
        for (key, writes) in &table.keys {
            let committed = writes.commits.iter().filter(|commit| commit.origin == region);
            known.extend(committed.filter_map(|commit| Some((commit.version(), &writes.asked[commit.asked?]))));
            for relic in relics.get(key).into_iter().flatten() {
                let asked = relic.mark.and_then(|mark| writes.of_mark(mark));
                let own = asked.filter(|_| relic.version.origin.region().as_str() == region);
                known.extend(own.map(|asked| (relic.version, asked)));
            }
        }
        known.sort_by_key(|(version, _)| version.sequence);
        let mut times = Self::default();
        let mut last_us = 0;
        for (version, asked) in &known {
            last_us = asked.operation.sent_us.max(last_us);
            times.versions.push(version);
            times.sent_us.push(last_us);
        }
        let mut first_us = u64::MAX;
        times.done_us = known
            .iter()
            .rev()
            .map(|(_, asked)| {
                if asked.operation.is_told() {
                    first_us = asked.operation.done_us.min(first_us);
                }
                first_us
            })
            .collect();
        times.done_us.reverse();
        debug_assert!(
            times.sent_us.is_sorted() && times.done_us.is_sorted(),
            "later versions cannot have been committed earlier"
        );
        times
    }

    /// Whether an operation can have made the version.
    pub(crate) fn allow(&self, version: &Version, operation: &Operation) -> bool {
        !self.is_before(version, operation) && !self.is_after(version, operation)
    }

    /// Whether the version had been committed when the operation was sent.
    pub(crate) fn is_before(&self, version: &Version, operation: &Operation) -> bool {
        self.latest_us(version) < operation.sent_us
    }

    /// Whether the version had not yet been committed when the operation was answered. One without an answer can have been done at any
    /// time after it was sent.
    pub(crate) fn is_after(&self, version: &Version, operation: &Operation) -> bool {
        operation.is_told() && operation.done_us < self.earliest_us(version)
    }

    /// Not before then was the version committed.
    fn earliest_us(&self, version: &Version) -> u64 {
        let count = self.versions.partition_point(|known| !is_earlier(version, known));
        count.checked_sub(1).map_or(0, |last| self.sent_us[last])
    }

    /// Not after then.
    fn latest_us(&self, version: &Version) -> u64 {
        let first = self.versions.partition_point(|known| is_earlier(known, version));
        self.done_us.get(first).copied().unwrap_or(u64::MAX)
    }
}

/// Whether one comes before another: sequences say so of one region's, versions of several regions'.
fn is_earlier(one: &Version, other: &Version) -> bool {
    if one.origin == other.origin {
        one.sequence < other.sequence
    } else {
        one < other
    }
}

/// What the record says of the writes of one region to one key.
fn judge<'a>(
    region: &str,
    merging: Merging,
    writes: &Key<'a>,
    relics: &[Relic<'a>],
    times: &Times<'_>,
    unshipped: &mut Unshipped<'a>,
) {
    let name = |asked: &Asked<'a>| (asked.write.key.as_str(), asked.write.mark.as_str());
    let is_missing =
        |asked: &&Asked<'a>| asked.is_acknowledged() && asked.rank.is_none() && asked.operation.region == region;
    let missing: Vec<&Asked<'a>> = writes.asked.iter().filter(is_missing).collect();
    let is_own = |relic: &Relic<'_>| relic.version.origin.region().as_str() == region;
    for relic in relics {
        let found = match relic.mark {
            Some(mark) => missing.iter().find(|asked| asked.write.mark == mark),
            // A tombstone has no mark: it is a delete of which a client was told when it can have been made.
            None if is_own(relic) => missing
                .iter()
                .filter(|asked| asked.write.effect == Effect::Delete && !unshipped.contains_key(&name(asked)))
                .filter(|asked| times.allow(relic.version, asked.operation))
                .max_by_key(|asked| asked.operation.sent_us),
            None => None,
        };
        if let Some(asked) = found {
            unshipped.entry(name(asked)).or_insert(relic.fate);
        }
    }
    for asked in missing {
        if unshipped.contains_key(&name(asked)) {
            continue;
        }
        // What was sent after another write was done comes after it, and was not replaced by it.
        let mut later = relics
            .iter()
            .filter(|relic| asked.operation.sent_us <= times.latest_us(relic.version));
        let is_in = |relic: &Relic<'_>| merging != Merging::Item && contains_earlier(writes, relic);
        if later.clone().any(is_in) {
            unshipped.insert(name(asked), Missing::KeptAside);
        } else if later.any(is_own) {
            unshipped.insert(name(asked), Missing::Replaced);
        }
    }
}

/// Whether what is kept aside, in a table that merges, may have parts of earlier writes: it is no tombstone, and its last writer did not write
/// all of it.
fn contains_earlier(writes: &Key<'_>, relic: &Relic<'_>) -> bool {
    let effect = relic
        .mark
        .and_then(|mark| writes.of_mark(mark))
        .map(|asked| &asked.write.effect);
    relic.fate == Missing::KeptAside && effect.is_some_and(|effect| !effect.is_whole())
}
