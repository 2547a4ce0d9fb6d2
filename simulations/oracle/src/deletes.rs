//! Matches the deletes in the logs to the operations of clients. Tombstones carry no marker.
//!
//! A delete whose answer says which write it removed made the first tombstone of its region after
//! that write. Other deletes are matched by time: a delete comes after everything that its region
//! had answered when the delete was sent, and before everything that was sent to its region after
//! the delete was answered. In the order of sequences, the tombstones between these bounds form a
//! window. Tombstones go first to deletes that happened, then to deletes that may have happened. No
//! tombstone that can be matched stays unmatched, and of two consecutive deletes the first gets the
//! lesser tombstone.
//!
//! The tombstones in the record of a region whose replica was dropped take part: a delete that made
//! one of them, which is in no log, made no later one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, binary_heap::PeekMut},
    ops::Range,
};

use beringia_history::{Effect, LostDisk, Operation};
use beringia_item::Version;

use crate::{
    index::{Asked, Key, Table},
    times::{self, Times},
    unlogged::{self, Maker},
};

/// Matches the deletes of a table whose commits with markers have been matched.
pub(crate) fn find(table: &mut Table<'_>) {
    let reborn = reborn(table);
    let mut discarded = discarded(table);
    let bounds = Bounds {
        reborn: &reborn,
        times: times::by_region(table),
    };
    for (name, key) in &mut table.keys {
        match_reported(key, &bounds, discarded.entry(*name).or_default());
    }
    let bounds = Bounds {
        reborn: &reborn,
        times: times::by_region(table),
    };
    for (name, key) in &mut table.keys {
        let discarded = discarded.remove(name).unwrap_or_default();
        match_by_time(key, &bounds, &discarded);
        // The record does not tell a delete from an expiry, so a delete that was taken for the
        // maker of a tombstone there may have made one that is still unmatched.
        match_by_time(key, &bounds, &Discarded::default());
    }
}

/// The tombstones of a key that were discarded with dropped replicas.
#[derive(Default)]
struct Discarded<'a> {
    /// The versions of those that are unmatched, by region.
    versions: BTreeMap<&'a str, Vec<&'a Version>>,
    /// The deletes that made one, as indexes in `asked`.
    makers: BTreeSet<usize>,
}

/// Returns the discarded tombstones by key, from the records of the regions.
fn discarded<'a>(table: &Table<'a>) -> BTreeMap<&'a str, Discarded<'a>> {
    let mut discarded: BTreeMap<&str, Discarded<'a>> = BTreeMap::new();
    for (region, kept) in &table.evidence.unshipped {
        for (key, writes) in unlogged::of(table, region, kept) {
            let tombstones = writes
                .iter()
                .filter(|write| write.maker == Maker::Delete && write.is_of(region));
            let versions: BTreeSet<&Version> = tombstones.map(|write| write.version).collect();
            let of_key = discarded.entry(key).or_default();
            of_key.versions.insert(region.as_str(), versions.into_iter().collect());
        }
    }
    discarded
}

/// Returns the lost disks, each with the least sequence that is known to have been committed on its
/// replacement.
fn reborn<'a>(table: &Table<'a>) -> Vec<(&'a LostDisk, u64)> {
    let first = |disk: &'a LostDisk| {
        let commits = table
            .keys
            .values()
            .flat_map(|key| key.commits.iter().map(move |commit| (key, commit)));
        let sent_after = commits.filter(|(key, commit)| {
            let asked = commit.asked.map(|asked| &key.asked[asked]);
            commit.origin == disk.region && asked.is_some_and(|asked| asked.operation.sent_us > disk.at_us)
        });
        let first = sent_after.map(|(_, commit)| commit.version().sequence).min();
        first.map(|first| (disk, first))
    };
    table.lost_disks.iter().filter_map(first).collect()
}

/// Bounds on when writes can have been made.
struct Bounds<'a> {
    reborn: &'a [(&'a LostDisk, u64)],
    times: BTreeMap<&'a str, Times<'a>>,
}

impl Bounds<'_> {
    /// Returns a sequence that an operation cannot have reached because its region's disk was lost
    /// with the operation on it.
    fn end_of_life(&self, operation: &Operation) -> u64 {
        let later_lives = self
            .reborn
            .iter()
            .filter(|(disk, _)| disk.region == operation.region && disk.at_us >= operation.sent_us);
        later_lives.map(|(_, first)| *first).min().unwrap_or(u64::MAX)
    }

    /// Returns which of a region's tombstones, in the order of sequences, an operation can have
    /// made.
    fn window(&self, tombstones: &[Tombstone<'_>], operation: &Operation) -> Range<usize> {
        let (end, times) = (self.end_of_life(operation), self.times.get(operation.region.as_str()));
        let is_before =
            |tombstone: &Tombstone<'_>| times.is_some_and(|times| times.is_before(tombstone.version, operation));
        let is_after = |tombstone: &Tombstone<'_>| {
            tombstone.version.sequence >= end || times.is_some_and(|times| times.is_after(tombstone.version, operation))
        };
        tombstones.partition_point(is_before)..tombstones.partition_point(|tombstone| !is_after(tombstone))
    }
}

/// A tombstone that a client's delete made.
#[derive(Clone, Copy)]
struct Tombstone<'a> {
    version: &'a Version,
    /// The position of the commit; `None` if it was discarded with a dropped replica.
    position: Option<usize>,
}

/// Returns each region's tombstones made by clients that are still unmatched, in the order of
/// sequences. Regions that have none in their log are left out.
fn unclaimed<'a>(key: &Key<'a>, discarded: &Discarded<'a>) -> BTreeMap<&'a str, Vec<Tombstone<'a>>> {
    let mut unclaimed: BTreeMap<&str, Vec<Tombstone<'a>>> = BTreeMap::new();
    for (position, commit) in key.commits.iter().enumerate() {
        if commit.is_delete() && !commit.logged.is_expiry && commit.asked.is_none() {
            unclaimed.entry(commit.origin).or_default().push(Tombstone {
                version: &commit.logged.held.version,
                position: Some(position),
            });
        }
    }
    for (region, tombstones) in &mut unclaimed {
        let versions = discarded.versions.get(region).into_iter().flatten().copied();
        tombstones.extend(versions.map(|version| Tombstone {
            version,
            position: None,
        }));
        tombstones.sort_by_key(|tombstone| tombstone.version.sequence);
    }
    unclaimed
}

/// Returns the deletes that may have happened and have no tombstone yet, with their indexes in
/// `asked`.
fn open<'a, 'k>(key: &'k Key<'a>) -> impl Iterator<Item = (usize, &'k Asked<'a>)> {
    let is_open = |asked: &Asked<'_>| {
        asked.write.effect == Effect::Delete && asked.may_have_happened() && asked.position.is_none()
    };
    key.asked.iter().enumerate().filter(move |(_, asked)| is_open(asked))
}

/// Matches the deletes whose answers say what they removed. A tombstone that the region made at
/// another time, or after the item that a later delete removed, does not match: the delete's own
/// was lost with a disk or a replica.
fn match_reported<'a>(key: &mut Key<'a>, bounds: &Bounds<'_>, discarded: &mut Discarded<'a>) {
    let mut unclaimed = unclaimed(key, discarded);
    if unclaimed.is_empty() {
        return;
    }
    let removed = |asked: &Asked<'_>| key.of_marker(asked.replaced()?)?.position;
    let reported = open(key).filter(|(_, asked)| asked.is_acknowledged());
    let mut reported: Vec<(&str, usize, usize)> = reported
        .filter_map(|(index, asked)| Some((asked.operation.region.as_str(), removed(asked)?, index)))
        .collect();
    reported.sort_unstable();
    for (turn, (region, removed, index)) in reported.iter().enumerate() {
        let operation = key.asked[*index].operation;
        let Some(tombstones) = unclaimed.get_mut(region) else {
            continue;
        };
        let is_later = |(other, later, _): &&(&str, usize, usize)| other == region && later > removed;
        let next = reported[turn..].iter().find(is_later);
        let next = next.map(|(_, later, _)| key.commits[*later].version());
        let place = tombstones.partition_point(|tombstone| tombstone.version < key.commits[*removed].version());
        let is_before_next = |tombstone: &Tombstone<'_>| next.is_none_or(|next| tombstone.version < next);
        if !bounds.window(tombstones, operation).contains(&place) || !is_before_next(&tombstones[place]) {
            continue;
        }
        let Tombstone { version, position } = tombstones.remove(place);
        if let Some(position) = position {
            key.claim(position, *index);
            key.commits[position].since_us = operation.sent_us;
        } else {
            discarded.makers.insert(*index);
            if let Some(versions) = discarded.versions.get_mut(region) {
                versions.retain(|other| *other != version);
            }
        }
    }
}

/// A delete whose answer did not say what it removed.
struct Delete {
    /// The index in `asked`.
    index: usize,
    /// The tombstones that the delete can have made.
    window: Range<usize>,
    sent_us: u64,
    done_us: u64,
    has_happened: bool,
}

/// Matches the remaining tombstones by time.
fn match_by_time<'a>(key: &mut Key<'a>, bounds: &Bounds<'_>, discarded: &Discarded<'a>) {
    for (region, tombstones) in unclaimed(key, discarded) {
        let of_region =
            open(key).filter(|(index, asked)| asked.operation.region == region && !discarded.makers.contains(index));
        let mut deletes: Vec<Delete> = of_region
            .map(|(index, asked)| Delete {
                index,
                window: bounds.window(&tombstones, asked.operation),
                sent_us: asked.operation.sent_us,
                done_us: asked.operation.done_us,
                has_happened: asked.is_acknowledged(),
            })
            .collect();
        deletes.sort_by_key(|delete| (delete.window.end, delete.done_us));
        let mut makers = Makers::of(&deletes, |_| true, |delete| deletes[delete].sent_us);
        for (place, tombstone) in tombstones.iter().enumerate() {
            let first = makers.first_of(place);
            if let Some(position) = tombstone.position {
                key.commits[position].since_us = first.map_or(0, |first| deletes[first.0.1].sent_us);
            }
        }
        for (tombstone, delete) in tombstones.iter().zip(share_out(&deletes, tombstones.len())) {
            if let (Some(position), Some(delete)) = (tombstone.position, delete) {
                key.claim(position, deletes[delete].index);
            }
        }
    }
}

/// Returns the owner of each tombstone. As many tombstones as possible have an owner, and as many
/// deletes that happened as possible own one.
fn share_out(deletes: &[Delete], tombstones: usize) -> Vec<Option<usize>> {
    let certain = in_turn(deletes, tombstones, |delete| deletes[delete].has_happened);
    let mut owners = in_turn(deletes, tombstones, |_| true);
    let place_of: BTreeMap<usize, usize> = placed(&certain).collect();
    let has_one: BTreeSet<usize> = placed(&owners).map(|(delete, _)| delete).collect();
    for delete in place_of.keys().filter(|delete| !has_one.contains(delete)) {
        // The delete takes its place from the certain matching. A delete that it displaces does the
        // same, until one is displaced that may go without.
        let mut without = *delete;
        while let Some(place) = place_of.get(&without)
            && let Some(driven) = owners[*place].replace(without)
        {
            without = driven;
        }
    }
    let chosen: BTreeSet<usize> = placed(&owners).map(|(delete, _)| delete).collect();
    in_turn(deletes, tombstones, |delete| chosen.contains(&delete))
}

/// Returns each owner with the index of the tombstone that it owns.
fn placed(owners: &[Option<usize>]) -> impl Iterator<Item = (usize, usize)> {
    let owned = owners.iter().enumerate();
    owned.filter_map(|(place, owner)| Some(((*owner)?, place)))
}

/// Assigns each tombstone, in order, to the delete that can have made it and whose window ends
/// first.
fn in_turn(deletes: &[Delete], tombstones: usize, is_one: impl Fn(usize) -> bool) -> Vec<Option<usize>> {
    let mut makers = Makers::of(deletes, is_one, |_| 0);
    let places = 0..tombstones;
    let owners = places.map(|place| makers.first_of(place).map(|first| PeekMut::pop(first).0.1));
    owners.collect()
}

/// The deletes that can have made a tombstone, while tombstones are visited in order.
struct Makers<'a, F> {
    deletes: &'a [Delete],
    /// The deletes that can only have made later tombstones, the last first.
    coming: Vec<usize>,
    waiting: BinaryHeap<Reverse<(u64, usize)>>,
    order: F,
}

impl<'a, F: Fn(usize) -> u64> Makers<'a, F> {
    fn of(deletes: &'a [Delete], is_one: impl Fn(usize) -> bool, order: F) -> Self {
        let mut coming: Vec<usize> = (0..deletes.len()).filter(|delete| is_one(*delete)).collect();
        coming.sort_by_key(|delete| Reverse(deletes[*delete].window.start));
        Self {
            deletes,
            coming,
            waiting: BinaryHeap::new(),
            order,
        }
    }

    /// Returns the first of the deletes that can have made the tombstone at `place`.
    fn first_of(&mut self, place: usize) -> Option<PeekMut<'_, Reverse<(u64, usize)>>> {
        while let Some(delete) = self.coming.pop_if(|delete| self.deletes[*delete].window.start <= place) {
            self.waiting.push(Reverse(((self.order)(delete), delete)));
        }
        while self
            .waiting
            .peek()
            .is_some_and(|first| self.deletes[first.0.1].window.end <= place)
        {
            self.waiting.pop();
        }
        self.waiting.peek_mut()
    }
}
