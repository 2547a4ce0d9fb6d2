//! Unshipped writes: writes of a replica that the other regions dropped before they had them. The
//! region's own record says what became of each.
//!
//! ```text
//!                   the others drop            R is back and is
//!                     R's replica               re-bootstrapped
//!                          │                            │
//! writes to R ───w1───w2───┼───w3───w4───w5───w6───d7───┼───w8───▶
//!                └ logged ┘ └────── in no log ─────────┘ └ logged
//! ```
//!
//! R keeps its unshipped rows in a separate table and continues without them. Its conflict journal
//! remains. These two are R's record, and a version that is in the record but in no log is an
//! *unlogged write*. Suppose that w3 to w6 are acknowledged writes to one key, and d7 is an
//! acknowledged delete of another. Then:
//!
//! - The unshipped row has the marker of w5: w5 is [`Missing::UnshippedWrite`].
//! - The journal has an entry in which w3 lost: w3 is [`Missing::LostToConflict`]. In a table that
//!   merges, the item that lost may have another write's marker; then the entry says only that some
//!   write of R's lost.
//! - The record does not have w4, but w4 was sent before w5 was done, so it may have come before
//!   w5. In a table that merges, if w5 did not write the whole item, the row may have parts of
//!   both: w4 is [`Missing::UnshippedWrite`]. Otherwise w5 replaced it: w4 is
//!   [`Missing::Replaced`].
//! - The record does not have w6, and w6 was sent after w5 was done, so nothing in the record can
//!   have replaced w6: it is [`Missing::Lost`], unless a lost disk excuses it.
//! - An unshipped tombstone has no marker. If its time is one at which d7 can have made it, d7 is
//!   [`Missing::UnshippedWrite`].
//! - A delete or an expiry that met a greater concurrent delete of another region, and lost
//!   nothing to it, is in no record. Two expiries lose nothing to each other, and where writes
//!   merge, nor do any two deletes. Such a delete is [`Missing::LostToConflict`], as it would be
//!   if it was in a log. A write whose item had expired when the other region deleted it is
//!   [`Missing::Replaced`], and so are the writes that it, or such a delete, may have replaced.

use beringia_history::{Effect, Merging};
use beringia_item::{Origin, Version};

use crate::{
    index::{Asked, Commit, Key, Missing, Table, Unshipped},
    times::Times,
    unlogged::{self, Maker, UnloggedWrite},
};

/// Determines what became of the unshipped writes of all regions whose replicas were
/// re-bootstrapped.
pub(crate) fn of<'a>(table: &Table<'a>) -> Unshipped<'a> {
    let mut unshipped = Unshipped::new();
    for (region, kept) in &table.evidence.unshipped {
        let unlogged = unlogged::of(table, region, kept);
        let times = Times::of(table, region, &unlogged);
        for (key, writes) in &table.keys {
            let unlogged = unlogged.get(key).map_or(&[][..], Vec::as_slice);
            judge(region, table.rules.merging, writes, unlogged, &times, &mut unshipped);
        }
    }
    unshipped
}

/// Determines what the record says of one region's writes to one key.
fn judge<'a>(
    region: &str,
    merging: Merging,
    writes: &Key<'a>,
    unlogged: &[UnloggedWrite<'a>],
    times: &Times<'_>,
    unshipped: &mut Unshipped<'a>,
) {
    let name = |asked: &Asked<'a>| (asked.write.key.as_str(), asked.write.marker.as_str());
    let is_missing =
        |asked: &&Asked<'a>| asked.is_acknowledged() && asked.position.is_none() && asked.operation.region == region;
    let missing: Vec<&Asked<'a>> = writes.asked.iter().filter(is_missing).collect();
    let is_own = |write: &UnloggedWrite<'_>| write.is_of(region);
    for write in unlogged {
        let found = match write.maker {
            Maker::Marked(marker) => missing.iter().find(|asked| asked.write.marker == marker),
            // A tombstone has no marker. It belongs to an acknowledged delete that can have made it
            // at its time.
            Maker::Delete if is_own(write) => missing
                .iter()
                .filter(|asked| asked.write.effect == Effect::Delete && !unshipped.contains_key(&name(asked)))
                .filter(|asked| times.allow(write.version, asked.operation))
                .max_by_key(|asked| asked.operation.sent_us),
            Maker::Delete | Maker::Unknown => None,
        };
        if let Some(asked) = found {
            unshipped.entry(name(asked)).or_insert(write.outcome);
        }
    }
    let is_ended =
        |asked: &&Asked<'a>| !unshipped.contains_key(&name(asked)) && met_delete(merging, writes, asked, times);
    let ended: Vec<&Asked<'a>> = missing.iter().copied().filter(is_ended).collect();
    for asked in missing {
        if unshipped.contains_key(&name(asked)) {
            continue;
        }
        // A write that was sent after another was done comes after it and was not replaced by it.
        let mut later = unlogged
            .iter()
            .filter(|write| asked.operation.sent_us <= times.latest_us(write.version));
        let is_in = |write: &UnloggedWrite<'_>| merging != Merging::Item && contains_earlier(writes, write);
        if later.clone().any(is_in) {
            unshipped.insert(name(asked), Missing::UnshippedWrite);
        } else if later.any(is_own) {
            unshipped.insert(name(asked), Missing::Replaced);
        } else if let Some(outcome) = outcome_without_record(asked, &ended) {
            unshipped.insert(name(asked), outcome);
        }
    }
}

/// Returns whether an unshipped row of a table that merges may have parts of earlier writes: it is
/// no tombstone, and its last writer did not write all of it.
fn contains_earlier(writes: &Key<'_>, write: &UnloggedWrite<'_>) -> bool {
    let effect = write
        .maker
        .marker()
        .and_then(|marker| writes.of_marker(marker))
        .map(|asked| &asked.write.effect);
    write.outcome == Missing::UnshippedWrite && effect.is_some_and(|effect| !effect.is_whole())
}

/// Returns what became of a missing write, if it is one of the `ended` ones, or one of these may
/// have replaced it.
fn outcome_without_record(asked: &Asked<'_>, ended: &[&Asked<'_>]) -> Option<Missing> {
    let is_it = |ended: &&Asked<'_>| ended.write.marker == asked.write.marker;
    if asked.write.effect == Effect::Delete && ended.iter().any(is_it) {
        return Some(Missing::LostToConflict);
    }
    let is_before = |ended: &&Asked<'_>| asked.operation.sent_us <= ended.operation.done_us;
    ended.iter().any(is_before).then_some(Missing::Replaced)
}

/// Returns whether a missing delete, or the expiry of a missing write's item, can have met a
/// greater delete of another region to which it lost nothing. The other region cannot have had the
/// missing write, which is in no log.
fn met_delete(merging: Merging, writes: &Key<'_>, asked: &Asked<'_>, times: &Times<'_>) -> bool {
    let region = asked.operation.region.as_str();
    let loses_nothing = |commit: &Commit<'_>| {
        let is_same = |own_is_expiry: bool| merging != Merging::Item || own_is_expiry && commit.logged.is_expiry;
        match (&asked.write.effect, asked.write.expires_s) {
            (Effect::Delete, _) => is_same(false),
            // Hybrid time is never behind the clock by which the item expired here, before the
            // other region's delete.
            (_, Some(expires_s)) => is_same(true) && expires_s.saturating_mul(1_000) <= commit.version().time.millis(),
            (_, None) => false,
        }
    };
    let is_concurrent = |commit: &Commit<'_>| {
        let Ok(origin) = region.parse::<Origin>() else {
            return false;
        };
        let version = commit.version();
        let next = Version {
            time: version.time,
            sequence: commit.known_of(&origin).saturating_add(1),
            origin,
        };
        !times.is_before(version, asked.operation) && !times.is_after(&next, asked.operation)
    };
    let mut deletes = writes.commits.iter().filter(|commit| commit.is_delete());
    deletes.any(|commit| commit.origin != region && loses_nothing(commit) && is_concurrent(commit))
}
