//! Anomalies of reads of several items at once: snapshots that no order of writes explains.

use std::collections::{BTreeMap, BTreeSet};

use beringia_history::{Operation, OperationOutcome};

use crate::{
    index::{Commit, Table},
    sightings::{Kind, Observed, Sight, Sightings},
};

/// Finds long forks and write skew among operations that read several items by one request.
pub(crate) fn find<'a>(table: &Table<'a>, observed: &[Observed<'a>], sightings: &mut Sightings) {
    let snapshots: Vec<Snapshot<'a>> = observed.iter().filter_map(Snapshot::of).collect();
    find_long_forks(table, &snapshots, sightings);
    find_write_skew(table, &snapshots, sightings);
}

/// What one operation saw of several items.
struct Snapshot<'a> {
    operation: &'a Operation,
    sights: BTreeMap<&'a str, Sight>,
}

impl<'a> Snapshot<'a> {
    /// `None` if the operation did not read several items.
    fn of(observed: &Observed<'a>) -> Option<Self> {
        let operation = observed.operation;
        let keys = operation.reads.iter().map(|seen| seen.key.as_str());
        let sights: BTreeMap<&str, Sight> = keys
            .zip(&observed.sights)
            .filter_map(|(key, sight)| Some((key, (*sight)?)))
            .collect();
        (sights.len() > 1).then_some(Self { operation, sights })
    }

    /// The commits that this snapshot shows and the other one does not, by key.
    fn ahead_of<'b>(&self, other: &Self, table: &'b Table<'a>) -> Vec<(&'a str, &'b Commit<'a>)> {
        let ahead = |(key, sight): (&&'a str, &Sight)| match (sight, other.sights.get(key)?) {
            (Sight::Commit(position), theirs) if sight > theirs => {
                Some((*key, &table.keys.get(key)?.commits[*position]))
            }
            _ => None,
        };
        self.sights.iter().filter_map(ahead).collect()
    }
}

/// Finds long forks: one reader sees a write and not another, a second reader sees the other and
/// not the first, and neither write depends on the other (Sovran et al., "Transactional storage for
/// geo-replicated systems", 2011). Each snapshot is compared with the last earlier one of each
/// region that begins with the same key, and counted once.
fn find_long_forks<'a>(table: &Table<'a>, snapshots: &[Snapshot<'a>], sightings: &mut Sightings) {
    let mut last: BTreeMap<&str, BTreeMap<&str, &Snapshot<'a>>> = BTreeMap::new();
    for snapshot in snapshots {
        let Some(first) = snapshot.sights.keys().next() else {
            continue;
        };
        let by_region = last.entry(first).or_default();
        let fork = by_region.values().find_map(|other| {
            let (ours, theirs) = (snapshot.ahead_of(other, table), other.ahead_of(snapshot, table));
            let pairs = ours
                .iter()
                .flat_map(|one| theirs.iter().map(move |another| (one, another)));
            let mut forks = pairs.filter(|((_, one), (_, another))| one.is_concurrent_with(another));
            forks.next().map(|(one, another)| (*other, one.0, another.0))
        });
        if let Some((other, one, another)) = fork {
            sightings.note(Kind::LongFork, 1, None, || {
                format!(
                    "{}, and {}: the first has a newer {} {one} and the second a newer {another}",
                    at(snapshot),
                    at(other),
                    table.name
                )
            });
        }
        by_region.insert(&snapshot.operation.region, snapshot);
    }
}

fn at(snapshot: &Snapshot<'_>) -> String {
    let Operation {
        client,
        region,
        sent_us,
        ..
    } = snapshot.operation;
    format!("client {client} in {region} at {} ms", sent_us / 1_000)
}

/// A transaction that read several items and wrote some of them, and the positions of its writes.
struct Transaction<'a, 'b> {
    snapshot: &'b Snapshot<'a>,
    wrote: BTreeMap<&'a str, usize>,
}

/// The transactions of each region that wrote a key, by the position of that write.
type Writers<'a> = BTreeMap<(&'a str, &'a str), Vec<(usize, usize)>>;

/// Finds write skew: two transactions write different items, each read what the other wrote, and
/// neither saw the other's write (Berenson et al., "A critique of ANSI SQL isolation levels",
/// 1995). Each pair counts once.
fn find_write_skew(table: &Table<'_>, snapshots: &[Snapshot<'_>], sightings: &mut Sightings) {
    let transactions: Vec<Transaction<'_, '_>> = snapshots
        .iter()
        .filter_map(|snapshot| transaction(table, snapshot))
        .collect();
    let mut writers = Writers::new();
    for (index, transaction) in transactions.iter().enumerate() {
        let region = transaction.snapshot.operation.region.as_str();
        for (key, position) in &transaction.wrote {
            writers.entry((*key, region)).or_default().push((*position, index));
        }
    }
    writers.values_mut().for_each(|writers| writers.sort_unstable());
    let regions: BTreeSet<&str> = writers.keys().map(|(_, region)| *region).collect();
    for (index, one) in transactions.iter().enumerate() {
        let only_read = one
            .snapshot
            .sights
            .iter()
            .filter(|(key, _)| !one.wrote.contains_key(*key));
        let mut others: BTreeSet<usize> = BTreeSet::new();
        for (key, sight) in only_read {
            for region in &regions {
                let writers = writers.get(&(*key, *region)).map_or(&[][..], Vec::as_slice);
                let unseen = writers.partition_point(|(position, _)| Sight::Commit(*position) <= *sight);
                let unseen = writers[unseen..].iter().map(|(_, other)| *other);
                // Once a region's transaction saw the write, the later ones of that region do.
                let unaware = unseen.take_while(|other| sees(&transactions[*other], one) != Some(true));
                others.extend(unaware.filter(|other| sees(&transactions[*other], one) == Some(false)));
            }
        }
        for other in others.into_iter().filter(|other| *other > index) {
            let other = &transactions[other];
            if other.wrote.keys().all(|key| !one.wrote.contains_key(key)) {
                sightings.note(Kind::WriteSkew, 1, None, || skew(table, one, other));
            }
        }
    }
}

fn transaction<'a, 'b>(table: &Table<'_>, snapshot: &'b Snapshot<'a>) -> Option<Transaction<'a, 'b>> {
    let operation = snapshot.operation;
    let wrote: BTreeMap<&str, usize> = operation
        .writes
        .iter()
        .filter_map(|write| Some((write.key.as_str(), table.position_of(&write.key, &write.marker)?)))
        .collect();
    let is_one = operation.outcome == OperationOutcome::Ok && !wrote.is_empty();
    is_one.then_some(Transaction { snapshot, wrote })
}

/// Returns whether a transaction saw what the other one wrote; `None` if it read none of it.
fn sees(one: &Transaction<'_, '_>, other: &Transaction<'_, '_>) -> Option<bool> {
    let seen = |(key, position): (&&str, &usize)| {
        let sight = one.snapshot.sights.get(*key)?;
        Some(*sight >= Sight::Commit(*position))
    };
    other.wrote.iter().find_map(seen)
}

fn skew(table: &Table<'_>, one: &Transaction<'_, '_>, other: &Transaction<'_, '_>) -> String {
    let wrote = |transaction: &Transaction<'_, '_>| {
        let keys: Vec<&str> = transaction.wrote.keys().copied().collect();
        keys.join(" and ")
    };
    format!(
        "{} wrote {} {}, and {} wrote {}: each read both and saw neither write",
        at(one.snapshot),
        table.name,
        wrote(one),
        at(other.snapshot),
        wrote(other)
    )
}
