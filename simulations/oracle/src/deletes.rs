//! Whose the deletes in the logs are. Tombstones carry no mark.
//!
//! Who was told that its delete removed a certain write made the first tombstone of its region after that write. What other deletes made is
//! told by time: a delete comes after all that its region had answered when it was sent, and before all that was sent to its region when it
//! was answered. In the order of sequences these are the tombstones in one window. Deletes that happened get one before those that may
//! have, no tombstone stays nobody's that could be somebody's, and of two deletes one after the other the first has the lesser one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, binary_heap::PeekMut},
    ops::Range,
};

use beringia_history::{Effect, LostDisk, Operation};

use crate::{
    index::{Asked, Key, Table},
    times::{self, Times},
};

/// Finds them in a table where the commits with marks are found.
pub(crate) fn find(table: &mut Table<'_>) {
    let reborn = reborn(table);
    let bounds = Bounds {
        reborn: &reborn,
        times: times::by_region(table),
    };
    for key in table.keys.values_mut() {
        match_told(key, &bounds);
    }
    let bounds = Bounds {
        reborn: &reborn,
        times: times::by_region(table),
    };
    for key in table.keys.values_mut() {
        match_by_time(key, &bounds);
    }
}

/// Lost disks, each with the least sequence that is known to have been committed on the one that took its place.
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

/// What says when writes can have been made.
struct Bounds<'a> {
    reborn: &'a [(&'a LostDisk, u64)],
    times: BTreeMap<&'a str, Times<'a>>,
}

impl Bounds<'_> {
    /// The sequence that an operation of a region cannot have reached: its disk was lost with the operation on it.
    fn end_of_life(&self, operation: &Operation) -> u64 {
        let later_lives = self
            .reborn
            .iter()
            .filter(|(disk, _)| disk.region == operation.region && disk.at_us >= operation.sent_us);
        later_lives.map(|(_, first)| *first).min().unwrap_or(u64::MAX)
    }

    /// Those of a region's tombstones (ranks, in the order of sequences) that an operation can have made.
    fn window(&self, key: &Key<'_>, tombstones: &[usize], operation: &Operation) -> Range<usize> {
        let (end, times) = (self.end_of_life(operation), self.times.get(operation.region.as_str()));
        let version = |rank: &usize| key.commits[*rank].version();
        let is_before = |rank: &usize| times.is_some_and(|times| times.is_before(version(rank), operation));
        let is_after = |rank: &usize| {
            version(rank).sequence >= end || times.is_some_and(|times| times.is_after(version(rank), operation))
        };
        tombstones.partition_point(is_before)..tombstones.partition_point(|rank| !is_after(rank))
    }
}

/// By region, the tombstones of clients that are nobody's yet: ranks, in the order of sequences.
fn unclaimed<'a>(key: &Key<'a>) -> BTreeMap<&'a str, Vec<usize>> {
    let mut unclaimed: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (rank, commit) in key.commits.iter().enumerate() {
        if commit.is_delete() && !commit.logged.is_expiry && commit.asked.is_none() {
            unclaimed.entry(commit.origin).or_default().push(rank);
        }
    }
    for ranks in unclaimed.values_mut() {
        ranks.sort_by_key(|rank| key.commits[*rank].version().sequence);
    }
    unclaimed
}

/// The deletes that may have happened and have no tombstone yet: their places among what was asked.
fn open<'a, 'k>(key: &'k Key<'a>) -> impl Iterator<Item = (usize, &'k Asked<'a>)> {
    let is_open =
        |asked: &Asked<'_>| asked.write.effect == Effect::Delete && asked.may_have_happened() && asked.rank.is_none();
    key.asked.iter().enumerate().filter(move |(_, asked)| is_open(asked))
}

/// Finds the tombstones of deletes that were told what they removed. One that its region made at another time is not it: then it went with
/// a disk or a replica.
fn match_told(key: &mut Key<'_>, bounds: &Bounds<'_>) {
    let mut unclaimed = unclaimed(key);
    if unclaimed.is_empty() {
        return;
    }
    let removed = |asked: &Asked<'_>| {
        let seen = asked.operation.reads.iter().find(|seen| seen.key == asked.write.key)?;
        key.of_mark(seen.mark.as_deref()?)?.rank
    };
    let told = open(key).filter(|(_, asked)| asked.is_acknowledged());
    let mut told: Vec<(usize, usize)> = told
        .filter_map(|(index, asked)| Some((removed(asked)?, index)))
        .collect();
    told.sort_unstable();
    for (removed, index) in told {
        let operation = key.asked[index].operation;
        let Some(ranks) = unclaimed.get_mut(operation.region.as_str()) else {
            continue;
        };
        let place = ranks.partition_point(|rank| *rank < removed);
        if bounds.window(key, ranks, operation).contains(&place) {
            let rank = ranks.remove(place);
            key.claim(rank, index);
            key.commits[rank].since_us = operation.sent_us;
        }
    }
}

/// A delete that did not say what it removed.
struct Delete {
    /// Its place among what was asked.
    index: usize,
    /// Which of the tombstones it can have made.
    window: Range<usize>,
    sent_us: u64,
    done_us: u64,
    has_happened: bool,
}

/// Shares the other tombstones out.
fn match_by_time(key: &mut Key<'_>, bounds: &Bounds<'_>) {
    for (region, ranks) in unclaimed(key) {
        let of_region = open(key).filter(|(_, asked)| asked.operation.region == region);
        let mut deletes: Vec<Delete> = of_region
            .map(|(index, asked)| Delete {
                index,
                window: bounds.window(key, &ranks, asked.operation),
                sent_us: asked.operation.sent_us,
                done_us: asked.operation.done_us,
                has_happened: asked.is_acknowledged(),
            })
            .collect();
        deletes.sort_by_key(|delete| (delete.window.end, delete.done_us));
        let mut makers = Makers::of(&deletes, |_| true, |delete| deletes[delete].sent_us);
        for (place, rank) in ranks.iter().enumerate() {
            let first = makers.first_of(place);
            key.commits[*rank].since_us = first.map_or(0, |first| deletes[first.0.1].sent_us);
        }
        for (place, delete) in share_out(&deletes, ranks.len()).into_iter().enumerate() {
            if let Some(delete) = delete {
                key.claim(ranks[place], deletes[delete].index);
            }
        }
    }
}

/// For each tombstone, whose it is: as many as can be are somebody's, and as many as can have one of the deletes that happened.
fn share_out(deletes: &[Delete], tombstones: usize) -> Vec<Option<usize>> {
    let certain = in_turn(deletes, tombstones, |delete| deletes[delete].has_happened);
    let mut owners = in_turn(deletes, tombstones, |_| true);
    let place_of: BTreeMap<usize, usize> = placed(&certain).collect();
    let has_one: BTreeSet<usize> = placed(&owners).map(|(delete, _)| delete).collect();
    for delete in place_of.keys().filter(|delete| !has_one.contains(delete)) {
        // It takes what it has among the certain, and so does whom it drives away, up to one that may go without.
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

/// Owners with the places of what they own.
fn placed(owners: &[Option<usize>]) -> impl Iterator<Item = (usize, usize)> {
    let owned = owners.iter().enumerate();
    owned.filter_map(|(place, owner)| Some(((*owner)?, place)))
}

/// Gives each tombstone, in order, to whom of some deletes can have made it and must have made one soonest.
fn in_turn(deletes: &[Delete], tombstones: usize, is_one: impl Fn(usize) -> bool) -> Vec<Option<usize>> {
    let mut makers = Makers::of(deletes, is_one, |_| 0);
    let places = 0..tombstones;
    let owners = places.map(|place| makers.first_of(place).map(|first| PeekMut::pop(first).0.1));
    owners.collect()
}

/// Who of some deletes can have made a tombstone, while one goes through these in order.
struct Makers<'a, F> {
    deletes: &'a [Delete],
    /// Those that can only have made later ones, the last first.
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

    /// The first of those that can have made the tombstone at a place.
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
