//! The expected item under each conflict policy, derived from what clients wrote and the causal
//! context of each write, by the rules of `docs/decisions/0004` and without the code that merges
//! states.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{AttributeValue, ConflictPolicy, Item, KeyBytes, Number, Origin, TableId, Version};

use super::{
    fleet::{Fleet, Write},
    oracle::replicas,
    policy::{Change, Work, item_of, member, members, number},
};

/// The attributes that writes change.
const ATTRIBUTES: [&str; 4] = ["t", "u", "n", "s"];

/// The role of a write for one attribute.
enum Part {
    /// The attribute has the value of the write's image, regardless of its earlier value.
    Base,
    /// A number was added to the value, or a member added or removed.
    Addition(Change),
}

/// The role of the write for the attribute; `None` if the write does not touch it.
fn part(write: &Write, name: &str) -> Option<Part> {
    let (Work::Update(changes), false) = (&write.work, write.policy == ConflictPolicy::Item) else {
        return Some(Part::Base);
    };
    let change = *changes.iter().find(|change| change.name() == name)?;
    let is_assigned = matches!(change, Change::Assign(..) | Change::Remove(_));
    if is_assigned || write.policy == ConflictPolicy::Attribute {
        return Some(Part::Base);
    }
    Some(Part::Addition(change))
}

fn is_whole(write: &Write) -> bool {
    matches!(write.work, Work::Whole(_)) || write.policy == ConflictPolicy::Item
}

fn greatest<'w>(writes: impl Iterator<Item = &'w Write>) -> Option<&'w Write> {
    writes.max_by_key(|write| &write.mutation.version)
}

/// The last of these writes that sets the attribute regardless of its earlier value.
fn base<'w>(writes: impl Iterator<Item = &'w Write>, name: &str) -> Option<&'w Write> {
    greatest(writes.filter(|write| matches!(part(write, name), Some(Part::Base))))
}

fn value_of(write: Option<&Write>, name: &str) -> Option<AttributeValue> {
    item_of(write?.mutation.image.as_ref())?.remove(name)
}

/// A region's additions to the counter, up to its last one.
struct Sum<'w> {
    last: &'w Version,
    /// The base that the last one was added to, if that had a number.
    over: Option<&'w Version>,
    sum: u64,
}

/// The sum of each origin's additions. An addition continues the origin's sum or starts a new one.
fn sums<'w>(writes: &[&'w Write]) -> BTreeMap<&'w Origin, Sum<'w>> {
    let mut sums: BTreeMap<&Origin, Sum<'w>> = BTreeMap::new();
    for write in writes {
        let Some(Part::Addition(Change::Add(more))) = part(write, "n") else {
            continue;
        };
        let mutation = &write.mutation;
        let known = writes
            .iter()
            .filter(|other| mutation.depends_on(&other.mutation.version));
        let below = base(known.copied(), "n");
        let below_version = below.map(|below| &below.mutation.version);
        let over = value_of(below, "n").and(below_version);
        let goes_on = |sum: &&Sum<'_>| match over {
            Some(_) => sum.over == over,
            None => Some(sum.last) > below_version,
        };
        let before = sums.get(mutation.origin()).filter(goes_on).map_or(0, |sum| sum.sum);
        let sum = Sum {
            last: &mutation.version,
            over,
            sum: before + u64::from(more),
        };
        sums.insert(mutation.origin(), sum);
    }
    sums
}

/// The expected counter: its last base, and the sums that count on top of it.
fn counter(writes: &[&Write]) -> Option<AttributeValue> {
    let base = base(writes.iter().copied(), "n");
    let version = base.map(|base| &base.mutation.version);
    let assigned = number(value_of(base, "n").as_ref());
    let counts = |sum: &&Sum<'_>| Some(sum.last) > version && (assigned.is_none() || sum.over == version);
    let sums = sums(writes);
    let counting: Vec<u64> = sums.values().filter(counts).map(|sum| sum.sum).collect();
    let total = assigned.unwrap_or(0) + counting.iter().sum::<u64>();
    (assigned.is_some() || !counting.is_empty()).then(|| AttributeValue::N(Number::from(total)))
}

/// The expected set: its last base, and the last operation on each member since.
fn set(writes: &[&Write]) -> Option<AttributeValue> {
    let base = base(writes.iter().copied(), "s");
    let version = base.map(|base| &base.mutation.version);
    let mut set = members(value_of(base, "s").as_ref());
    // In ascending order of versions.
    for write in writes.iter().filter(|write| Some(&write.mutation.version) > version) {
        match part(write, "s") {
            Some(Part::Addition(Change::Unite(one))) => drop(set.insert(member(one))),
            Some(Part::Addition(Change::Subtract(one))) => drop(set.remove(&member(one))),
            _ => {}
        }
    }
    (!set.is_empty()).then_some(AttributeValue::Ss(set))
}

/// The expected item after all writes to a key, which are in ascending order of versions.
fn expected(writes: &[&Write]) -> Option<Item> {
    let last = writes.last()?;
    let last_whole = greatest(writes.iter().copied().filter(|write| is_whole(write)));
    let is_delete = last_whole.is_some_and(|last_whole| last_whole.mutation.image.is_none());
    if is_delete && last_whole.map(|last_whole| &last_whole.mutation.version) == Some(&last.mutation.version) {
        return None;
    }
    let assigned = |name: &'static str| (name, value_of(base(writes.iter().copied(), name), name));
    let attributes = [assigned("t"), assigned("u"), ("n", counter(writes)), ("s", set(writes))];
    let present = attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Some(present.collect())
}

/// The writes to each key of the table, in ascending order of versions.
fn by_key(fleet: &Fleet, table: TableId) -> BTreeMap<&KeyBytes, Vec<&Write>> {
    let mut by_key: BTreeMap<&KeyBytes, Vec<&Write>> = BTreeMap::new();
    for write in fleet.writes.iter().filter(|write| write.mutation.table == table) {
        by_key.entry(&write.mutation.key).or_default().push(write);
    }
    for writes in by_key.values_mut() {
        writes.sort_by_key(|write| &write.mutation.version);
    }
    by_key
}

/// At the end, if no disk was lost: every item is what its policy makes of all writes to it.
pub fn items_are_what_the_writes_make_them(fleet: &Fleet, table: TableId) {
    for (key, writes) in by_key(fleet, table) {
        let expected = expected(&writes);
        for site in replicas(fleet, table) {
            let row = fleet.store(site).tables[&table].rows.get(key);
            let held = row.and_then(|row| item_of(row.image.as_ref()));
            assert_eq!(
                held,
                expected,
                "{} under {key:?}, after {writes:#?}",
                fleet.region(site)
            );
        }
    }
}

/// At the end of a run that only added to counters, whatever disks were put back to copies: every
/// counter has each addition once, apart from those that may have been lost with a disk.
pub fn counters_have_every_addition_that_was_not_lost(fleet: &Fleet, table: TableId) {
    for (key, writes) in by_key(fleet, table) {
        let sum = |counts: fn(&Write) -> bool| -> u64 {
            let counting = writes.iter().filter(|write| counts(write));
            counting.map(|write| added(write)).sum()
        };
        let (certain, all) = (sum(|write| !write.may_be_lost), sum(|_| true));
        for site in replicas(fleet, table) {
            let row = fleet.store(site).tables[&table].rows.get(key);
            let item = row.and_then(|row| item_of(row.image.as_ref())).unwrap_or_default();
            let held = number(item.get("n")).unwrap_or(0);
            assert!(
                (certain..=all).contains(&held),
                "{} has {held} under {key:?}, of {certain} to {all}, after {writes:#?}",
                fleet.region(site)
            );
        }
    }
}

/// The number that the write added to the counter.
fn added(write: &Write) -> u64 {
    match part(write, "n") {
        Some(Part::Addition(Change::Add(more))) => more.into(),
        _ => 0,
    }
}

/// At the end: a journalled write was overruled by a write that does not causally depend on it;
/// additions do not overrule each other; and an assignment that such a write overruled is
/// journalled somewhere.
pub fn journals_tell_what_was_overruled(fleet: &Fleet, table: TableId) {
    let journals: Vec<(Version, Version)> = replicas(fleet, table)
        .flat_map(|site| fleet.store(site).tables[&table].journal.clone())
        .collect();
    for (key, writes) in by_key(fleet, table) {
        let find = |version: &Version| writes.iter().find(|write| write.mutation.version == *version);
        for (winner, loser) in &journals {
            let (Some(winner), Some(loser)) = (find(winner), find(loser)) else {
                continue;
            };
            assert!(
                !winner.mutation.depends_on(&loser.mutation.version),
                "under {key:?} a conflict that is none: {winner:?} over {loser:?}"
            );
            assert!(
                !only_adds(winner) || !only_adds(loser) || is_without_base(loser, &writes),
                "under {key:?} additions overrule each other: {winner:?} over {loser:?}"
            );
        }
        let lost: BTreeSet<&Version> = journals.iter().map(|(_, loser)| loser).collect();
        for write in writes.iter().filter(|write| is_overruled_unknowingly(write, &writes)) {
            let version = &write.mutation.version;
            assert!(
                lost.contains(version),
                "under {key:?} no journal has that {write:?} was overruled"
            );
        }
    }
}

/// Whether the write only adds.
fn only_adds(write: &Write) -> bool {
    let parts = ATTRIBUTES.map(|name| part(write, name));
    let adds = |part: &Part| matches!(part, Part::Addition(Change::Add(_) | Change::Unite(_)));
    parts.iter().flatten().all(adds)
}

/// Whether the write added to an attribute that a concurrent write assigned. The assignment
/// overrules the addition, though the winner in the journal may be an addition on top of the
/// assigned value.
fn is_without_base(write: &Write, writes: &[&Write]) -> bool {
    let unknown = |name: &str| {
        let mut bases = writes
            .iter()
            .filter(|other| matches!(part(other, name), Some(Part::Base)));
        bases.any(|base| !write.mutation.depends_on(&base.mutation.version))
    };
    ATTRIBUTES
        .iter()
        .any(|name| part(write, name).is_some() && unknown(name))
}

/// Whether the write assigned `t`, and was replaced only by writes that do not causally depend on
/// it.
fn is_overruled_unknowingly(write: &Write, writes: &[&Write]) -> bool {
    let version = &write.mutation.version;
    let is_base = matches!(part(write, "t"), Some(Part::Base));
    let assigns = |write: &Write| match &write.work {
        Work::Whole(image) => image.is_some(),
        Work::Update(changes) => changes.iter().any(|change| matches!(change, Change::Assign("t", _))),
    };
    let mut later = writes
        .iter()
        .filter(|other| other.mutation.version > *version && matches!(part(other, "t"), Some(Part::Base)))
        .peekable();
    is_base && assigns(write) && later.peek().is_some() && later.all(|other| !other.mutation.depends_on(version))
}
