//! What is nowhere else at the moment in which a region loses its disk.

use std::time::Duration;

use beringia_history::{Effect, History, LostDisk, MARK, Operation, Outcome};
use beringia_item::{AttributeValue, Mutation, decode_item};

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
    let mut writes = Vec::new();
    for table in tables {
        let Some(reader) = Reader::new(region, &*store, table) else {
            continue;
        };
        let others: Vec<_> = world.regions().filter(|other| **other != own).collect();
        for mutation in reader.mutations(vec![own.clone()]).await? {
            let sequence = mutation.version.sequence;
            let recorder = &world.recorder;
            let applied =
                |other: &&&beringia_item::Region| recorder.applied_us(mutation.table, &own, sequence, other).is_some();
            if others.iter().any(|other| applied(&other)) {
                continue;
            }
            writes.push(Unshipped {
                table: table.clone(),
                key: reader.key_text(&mutation.key)?,
                mark: mark(&mutation),
            });
        }
    }
    Ok(Loss {
        region: region.to_owned(),
        at,
        writes,
    })
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
        let mut marks = std::collections::BTreeSet::new();
        let mut deletes = std::collections::BTreeSet::new();
        for operation in history.operations.iter().filter(was_told) {
            for write in &operation.writes {
                match write.effect {
                    Effect::Delete => drop(deletes.insert((operation.workload.as_str(), write.key.as_str()))),
                    _ => drop(marks.insert(write.mark.as_str())),
                }
            }
        }
        let told = self.writes.iter().filter(move |write| match &write.mark {
            Some(mark) => marks.contains(mark.as_str()),
            None => deletes.contains(&(write.table.as_str(), write.key.as_str())),
        });
        told.map(|write| write.key.as_str())
    }
}
