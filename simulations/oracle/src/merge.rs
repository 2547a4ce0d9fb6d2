//! The items that writes must leave where concurrent writes merge: what each write left in its
//! region, and what every region must hold in the end.
//!
//! All follows from what clients asked for. A write is applied to the combination of the writes
//! that its causal context covers; and that is computed from their effects, not from the items in
//! the log. The last writer of each attribute decides about it. Under `merge`, additions to a
//! number add up above the last base write that they causally depend on, and each member of a set
//! has its own last writer.

use std::collections::{BTreeMap, BTreeSet};

use beringia_history::{Content, Effect, Merging};

use crate::{
    effect::made_of,
    index::{Among, Commit, Key, Table},
};

/// The item that writes must leave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MergeResult {
    /// The result does not follow from what is known of the writes.
    Unknown,
    NoItem,
    Item(Content),
}

/// The results of a key's writes.
pub(crate) struct Results {
    /// What each commit must have left in its region, by position.
    pub(crate) of_commits: Vec<MergeResult>,
    /// The combination of all.
    pub(crate) of_all: MergeResult,
}

/// Combines all writes to a key under the conflict policy of its table.
pub(crate) fn merged(table: &Table<'_>, key: &Key<'_>) -> Results {
    if table.rules.merging == Merging::Item {
        let last = key.commits.last().and_then(|last| last.logged.held.content.clone());
        return Results {
            of_commits: Vec::new(),
            of_all: last.map_or(MergeResult::NoItem, MergeResult::Item),
        };
    }
    let mut combiner = Combiner::new(table, key);
    let of_commits = (0..key.commits.len())
        .map(|position| combiner.apply(position))
        .collect();
    Results {
        of_commits,
        of_all: combiner.before(View::All),
    }
}

/// The writes whose combination is asked for.
#[derive(Clone, Copy)]
enum View<'v> {
    /// The writes that a commit causally depends on.
    Before(&'v Commit<'v>),
    All,
}

/// Commits by position, to find the last of them in a view.
struct Writers<'a> {
    positions: Vec<usize>,
    among: Among<'a>,
}

impl<'a> Writers<'a> {
    fn new(key: &Key<'a>, positions: Vec<usize>) -> Self {
        let among = Among::new(&key.commits, &positions);
        Self { positions, among }
    }

    fn of(key: &Key<'a>, is_one: impl Fn(usize) -> bool) -> Self {
        Self::new(
            key,
            (0..key.commits.len()).filter(|position| is_one(*position)).collect(),
        )
    }

    /// The position of the last one in the view.
    fn last(&self, view: View<'_>) -> Option<usize> {
        match view {
            View::Before(commit) => self.among.last_known_to(commit).map(|place| self.positions[place]),
            View::All => self.positions.last().copied(),
        }
    }
}

/// The additions of one origin to the number, by sequence.
#[derive(Default)]
struct Additions {
    sequences: Vec<u64>,
    positions: Vec<usize>,
    /// For each addition, the last base write that it causally depends on.
    bases: Vec<Option<usize>>,
    /// For each addition, the sum of it and of those before.
    sums: Vec<i64>,
}

/// Combines the writes to one key.
struct Combiner<'a, 'k> {
    key: &'k Key<'a>,
    merging: Merging,
    all: Writers<'a>,
    bases: Writers<'a>,
    /// The writes whose effect is not known.
    unknown: Writers<'a>,
    /// The writes that may be lost with their origin's disk, which contexts cover nevertheless.
    lost: Writers<'a>,
    fields: BTreeMap<&'a str, Writers<'a>>,
    appends: Writers<'a>,
    numbers: Writers<'a>,
    sets: Writers<'a>,
    members: BTreeMap<&'a str, Writers<'a>>,
    /// The additions to the number, by origin.
    additions: Vec<Additions>,
    /// What each commit left, by position; `None` for a delete. From the log where it does not
    /// follow from the effects.
    left: Vec<Option<Content>>,
}

impl<'a, 'k> Combiner<'a, 'k> {
    fn new(table: &Table<'_>, key: &'k Key<'a>) -> Self {
        let merging = table.rules.merging;
        let mut fields: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for position in 0..key.commits.len() {
            match key.effect(position) {
                Some(Effect::Update { fields: names }) => {
                    let names = names.iter().map(String::as_str);
                    names.for_each(|name| fields.entry(name).or_default().push(position));
                }
                Some(Effect::Set { add, delete }) if merging == Merging::Merge => {
                    let names: BTreeSet<&str> = add.iter().chain(delete).map(String::as_str).collect();
                    names
                        .into_iter()
                        .for_each(|name| members.entry(name).or_default().push(position));
                }
                _ => {}
            }
        }
        let is_unknown = |position: usize| {
            let is_recorded = matches!(key.effect(position), None | Some(Effect::Recorded { .. }));
            is_recorded && !key.commits[position].is_delete()
        };
        let by_name = |positions: BTreeMap<&'a str, Vec<usize>>| {
            let writers = positions.into_iter();
            writers
                .map(|(name, positions)| (name, Writers::new(key, positions)))
                .collect()
        };
        let is = |is_it: fn(&Effect) -> bool| move |position: usize| key.effect(position).is_some_and(is_it);
        let bases = Writers::of(key, |position| key.is_base(position));
        Self {
            key,
            merging,
            all: Writers::of(key, |_| true),
            unknown: Writers::of(key, is_unknown),
            lost: Writers::of(key, |position| table.may_be_lost(key, &key.commits[position])),
            fields: by_name(fields),
            appends: Writers::of(key, is(|effect| *effect == Effect::Append)),
            numbers: Writers::of(key, is(|effect| matches!(effect, Effect::Add(_)))),
            sets: Writers::of(key, is(|effect| matches!(effect, Effect::Set { .. }))),
            members: by_name(members),
            additions: additions(key, &bases),
            bases,
            left: Vec::with_capacity(key.commits.len()),
        }
    }

    /// Returns what the next commit must have left.
    fn apply(&mut self, position: usize) -> MergeResult {
        let commit = &self.key.commits[position];
        let result = if commit.is_delete() {
            MergeResult::NoItem
        } else {
            let before = match self.before(View::Before(commit)) {
                MergeResult::Unknown => None,
                MergeResult::NoItem => Some(None),
                MergeResult::Item(content) => Some(Some(content)),
            };
            let asked = commit.asked.map(|asked| self.key.asked[asked].write);
            let made = before
                .zip(asked)
                .and_then(|(before, write)| made_of(before.as_ref(), &write.effect, &write.marker));
            made.map_or(MergeResult::Unknown, MergeResult::Item)
        };
        self.left.push(match &result {
            MergeResult::Unknown => commit.logged.held.content.clone(),
            MergeResult::NoItem => None,
            MergeResult::Item(content) => Some(content.clone()),
        });
        result
    }

    /// Returns the combination of the writes in a view.
    fn before(&self, view: View<'_>) -> MergeResult {
        let Some(last) = self.all.last(view) else {
            return MergeResult::NoItem;
        };
        let base = self.bases.last(view);
        // A base write leaves nothing of what was before it.
        let is_there = |writers: &Writers<'_>| writers.last(view).is_some_and(|last| Some(last) >= base);
        // Also a delete may be lost.
        if matches!(view, View::Before(_)) && is_there(&self.lost) {
            return MergeResult::Unknown;
        }
        if self.key.commits[last].is_delete() {
            return MergeResult::NoItem;
        }
        if is_there(&self.unknown) {
            return MergeResult::Unknown;
        }
        let left = |position: usize| self.left.get(position).and_then(Option::as_ref);
        let mut content = base.and_then(left).cloned().unwrap_or_default();
        // What the last writer of an attribute left there, if it is later than the base write.
        let of_last = |writers: &Writers<'_>| writers.last(view).filter(|last| Some(*last) > base).and_then(left);
        if let Some(last) = left(last) {
            content.marker.clone_from(&last.marker);
        }
        for (name, writers) in &self.fields {
            if let Some(marker) = of_last(writers).and_then(|left| left.fields.get(*name)) {
                content.fields.insert((*name).to_owned(), marker.clone());
            }
        }
        if let Some(left) = of_last(&self.appends) {
            content.list.clone_from(&left.list);
        }
        if self.merging == Merging::Merge {
            let Some(number) = self.sum(view, base, content.number) else {
                return MergeResult::Unknown;
            };
            content.number = number;
            content.set = self.united(view, base, &content.set);
        } else {
            if let Some(left) = of_last(&self.numbers) {
                content.number = left.number;
            }
            if let Some(left) = of_last(&self.sets) {
                content.set.clone_from(&left.set);
            }
        }
        MergeResult::Item(content)
    }

    /// Adds the additions in a view to the number of its last base write. If that left a number,
    /// only those count that causally depend on it, since additions to another number go with that
    /// number. If it left none, those that do not depend on it leave the sum open (`None`): a
    /// region's sum then stays as a whole, including earlier additions.
    fn sum(&self, view: View<'_>, base: Option<usize>, number: Option<i64>) -> Option<Option<i64>> {
        let mut sum = number;
        for additions in &self.additions {
            let end = match view {
                View::All => additions.sequences.len(),
                View::Before(commit) => {
                    let of_origin = additions
                        .positions
                        .first()
                        .map(|first| self.key.commits[*first].version());
                    let known = of_origin.map_or(0, |version| commit.known_of(&version.origin));
                    additions.sequences.partition_point(|sequence| *sequence <= known)
                }
            };
            // A region's knowledge grows, so these are contiguous.
            let from = additions.bases[..end].partition_point(|known| *known < base);
            let before = from.checked_sub(1);
            let is_open = |earlier: usize| Some(additions.positions[earlier]) > base;
            if number.is_none() && before.is_some_and(is_open) {
                return None;
            }
            if end > from {
                let added = additions.sums[end - 1] - before.map_or(0, |before| additions.sums[before]);
                sum = Some(sum.unwrap_or(0) + added);
            }
        }
        Some(sum)
    }

    /// The members of the set: those of the last base write, and those whose last writer after it
    /// added them.
    fn united(&self, view: View<'_>, base: Option<usize>, of_base: &[String]) -> Vec<String> {
        let mut set: BTreeSet<String> = of_base.iter().cloned().collect();
        for (member, writers) in &self.members {
            let last = writers.last(view).filter(|last| Some(*last) > base);
            if let Some(Effect::Set { add, delete }) = last.and_then(|last| self.key.effect(last)) {
                let has = |members: &[String]| members.iter().any(|name| name == member);
                if has(add) && !has(delete) {
                    set.insert((*member).to_owned());
                } else {
                    set.remove(*member);
                }
            }
        }
        set.into_iter().collect()
    }
}

/// The additions to a key's number, by origin.
fn additions<'a>(key: &Key<'a>, bases: &Writers<'a>) -> Vec<Additions> {
    let mut by_origin: BTreeMap<&str, Vec<(u64, usize, i64)>> = BTreeMap::new();
    for (position, commit) in key.commits.iter().enumerate() {
        if let Some(Effect::Add(by)) = key.effect(position) {
            let of_origin = by_origin.entry(commit.origin).or_default();
            of_origin.push((commit.version().sequence, position, *by));
        }
    }
    let of_origin = |mut all: Vec<(u64, usize, i64)>| {
        all.sort_unstable();
        let mut additions = Additions::default();
        let mut sum = 0_i64;
        for (sequence, position, by) in all {
            sum = sum.saturating_add(by);
            additions.sequences.push(sequence);
            additions.positions.push(position);
            additions.bases.push(bases.last(View::Before(&key.commits[position])));
            additions.sums.push(sum);
        }
        additions
    };
    by_origin.into_values().map(of_origin).collect()
}
