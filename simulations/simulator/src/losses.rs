//! What is nowhere else at the moment in which a region loses its disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use beringia_history::{Effect, History, LostDisk, MARK, Operation, Outcome};
use beringia_item::{AttributeValue, Mutation, Region, decode_item};

use crate::{SimulationError, World, evidence::Reader};

/// A disk that is about to be lost, and what only it has.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) region: String,
    /// Since the load began.
    pub(crate) at: Duration,
    writes: Vec<Unshipped>,
}

/// A write that no other region has.
#[derive(Debug)]
struct Unshipped {
    table: String,
    key: String,
    /// None for a delete.
    mark: Option<String>,
    /// Since the load began.
    committed: Duration,
}

/// Looks for the writes of `region` that no other region has applied.
pub(crate) async fn look(
    world: &World,
    region: &str,
    tables: &[String],
    at: Duration,
) -> Result<Loss, SimulationError> {
    let store = world.store(region)?;
    let own = store.region().clone();
    let now = world.recorder.elapsed();
    let mut writes = Vec::new();
    for table in tables {
        let Some(reader) = Reader::new(region, &*store, table) else {
            continue;
        };
        let others: Vec<Region> = world.regions().filter(|other| **other != own).cloned().collect();
        for mutation in reader.mutations(vec![own.clone()]).await? {
            if others.iter().any(|other| has(world, other, &mutation)) {
                continue;
            }
            let sequence = mutation.version.sequence;
            let committed_us = world.recorder.applied_us(mutation.table, &own, sequence, &own);
            let age = committed_us.map_or(Duration::ZERO, |us| now.saturating_sub(Duration::from_micros(us)));
            writes.push(Unshipped {
                table: table.clone(),
                key: reader.key_text(&mutation.key)?,
                mark: mark(&mutation),
                committed: at.saturating_sub(age),
            });
        }
    }
    Ok(Loss {
        region: region.to_owned(),
        at,
        writes,
    })
}

/// Whether a region has a write now, in its process or on the disk that it left behind.
fn has(world: &World, region: &Region, mutation: &Mutation) -> bool {
    let name = region.as_str();
    if let Ok(store) = world.store(name) {
        let vectors = store.vectors();
        return vectors
            .get(&mutation.table)
            .is_some_and(|vector| vector.covers(&mutation.version));
    }
    let (origin, sequence) = (mutation.origin(), mutation.version.sequence);
    let had = world.recorder.applied_us(mutation.table, origin, sequence, region);
    had.is_some() && !world.disk_is_new(name)
}

fn mark(mutation: &Mutation) -> Option<String> {
    let item = decode_item(mutation.image.as_ref()?).ok()?;
    match item.get(MARK) {
        Some(AttributeValue::S(mark)) => Some(mark.clone()),
        _ => None,
    }
}

impl Loss {
    /// As the oracle wants it.
    pub(crate) fn disk(&self) -> LostDisk {
        LostDisk {
            region: self.region.clone(),
            at_us: u64::try_from(self.at.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Of these writes, the keys of those that a client was told of before the loss.
    pub(crate) fn acknowledged<'a>(&'a self, history: &'a History) -> impl Iterator<Item = &'a str> {
        let until_us = u64::try_from(self.at.as_micros()).unwrap_or(u64::MAX);
        let was_told = move |operation: &&Operation| {
            operation.outcome == Outcome::Ok && operation.region == self.region && operation.done_us <= until_us
        };
        let mut marks = BTreeSet::new();
        // A delete leaves no mark; it is known by when it must have been committed.
        let mut deletes: BTreeMap<(&str, &str), Vec<(Duration, Duration)>> = BTreeMap::new();
        for operation in history.operations.iter().filter(was_told) {
            for write in &operation.writes {
                match write.effect {
                    Effect::Delete => {
                        let of_key = deletes.entry((operation.workload.as_str(), write.key.as_str()));
                        let between = (operation.sent_us, operation.done_us);
                        let between = (Duration::from_micros(between.0), Duration::from_micros(between.1));
                        of_key.or_default().push(between);
                    }
                    _ => drop(marks.insert(write.mark.as_str())),
                }
            }
        }
        let told = self.writes.iter().filter(move |write| match &write.mark {
            Some(mark) => marks.contains(mark.as_str()),
            None => {
                let of_key = deletes.get(&(write.table.as_str(), write.key.as_str()));
                let was_it = |(sent, done): &(Duration, Duration)| (*sent..=*done).contains(&write.committed);
                of_key.is_some_and(|deletes| deletes.iter().any(was_it))
            }
        });
        told.map(|write| write.key.as_str())
    }
}
