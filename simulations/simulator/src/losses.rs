//! Determines which writes only one region has when it loses its disk.

use std::{collections::BTreeMap, time::Duration};

use beringia_history::{Effect, History, LostDisk, MARKER, Operation, OperationOutcome};
use beringia_item::{AttributeValue, Mutation, Region, TableId, Version, decode_item};
use beringia_report::ReportedBacklog;
use beringia_storage::SharedVectors;

use crate::{Cluster, SimulationError, evidence::Reader};

/// A disk that is about to be lost, and the writes that only it has.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) region: String,
    /// The time of the loss, since the load began.
    pub(crate) at: Duration,
    writes: Vec<LostWrites>,
    /// For each table, the sequence up to which every other region with a replica had the writes.
    shipped: BTreeMap<String, u64>,
    /// Whether `writes` has only what arrived nowhere.
    is_final: bool,
}

/// A write that no other region has.
#[derive(Debug)]
struct LostWrites {
    table: String,
    id: TableId,
    version: Version,
    key: String,
    /// The write marker; `None` for a delete.
    marker: Option<String>,
    /// The time of the commit, since the load began.
    committed: Duration,
}

/// Finds the writes of `region` that no other region has applied, and that are not on the copy
/// that its disk is replaced with, whose vectors are `kept`; without a copy, `kept` is empty. `at`
/// is the time of the loss.
pub(crate) async fn look(
    cluster: &Cluster,
    region: &str,
    tables: &[String],
    (at, kept): (Duration, &SharedVectors),
) -> Result<Loss, SimulationError> {
    let store = cluster.store(region)?;
    let own = store.region().clone();
    let now = cluster.recorder.elapsed();
    let (mut writes, mut shipped) = (Vec::new(), BTreeMap::new());
    for table in tables {
        let Some(reader) = Reader::new(region, &*store, table) else {
            continue;
        };
        let others: Vec<Region> = cluster.regions().filter(|other| **other != own).cloned().collect();
        let mutations = reader.mutations(vec![store.origin().clone()]).await?;
        let holders = others.iter().filter(|other| may_hold(cluster, other, table));
        let holders: Vec<&Region> = holders.collect();
        let is_everywhere = |mutation: &&Mutation| {
            let mut having = holders
                .iter()
                .map(|other| has(cluster, other, mutation.table, &mutation.version));
            // Without another replica, nothing was shipped.
            !holders.is_empty() && having.all(|has| has)
        };
        let on_copy = |mutation: &Mutation| {
            let vector = kept.get(&mutation.table);
            vector.is_some_and(|vector| vector.covers(&mutation.version))
        };
        let safe = if kept.is_empty() {
            mutations.iter().take_while(is_everywhere).last()
        } else {
            // The region goes on without the others until it learns that it is missing them.
            mutations.iter().filter(|mutation| on_copy(mutation)).last()
        };
        shipped.insert(table.clone(), safe.map_or(0, |last| last.version.sequence));
        for mutation in mutations {
            let is_elsewhere = others
                .iter()
                .any(|other| has(cluster, other, mutation.table, &mutation.version));
            if is_elsewhere || on_copy(&mutation) {
                continue;
            }
            let sequence = mutation.version.sequence;
            let committed_us = cluster
                .recorder
                .applied_us(mutation.table, store.origin(), sequence, &own);
            let age = committed_us.map_or(Duration::ZERO, |us| now.saturating_sub(Duration::from_micros(us)));
            writes.push(LostWrites {
                table: table.clone(),
                id: mutation.table,
                version: mutation.version.clone(),
                key: reader.key_text(&mutation.key)?,
                marker: marker(&mutation),
                committed: at.saturating_sub(age),
            });
        }
    }
    Ok(Loss {
        region: region.to_owned(),
        at,
        writes,
        shipped,
        is_final: false,
    })
}

/// Returns whether a region has a replica of a table, or may have one on its disk while it is down.
fn may_hold(cluster: &Cluster, region: &Region, table: &str) -> bool {
    let store = cluster.store(region.as_str());
    store.is_ok_and(|store| store.catalog().by_name.contains_key(table)) || !cluster.is_running(region.as_str())
}

/// Returns whether a region has a write now, in its process or on the disk that it left behind.
fn has(cluster: &Cluster, region: &Region, table: TableId, version: &Version) -> bool {
    let name = region.as_str();
    if let Ok(store) = cluster.store(name) {
        let vectors = store.vectors();
        return vectors.get(&table).is_some_and(|vector| vector.covers(version));
    }
    let had = cluster
        .recorder
        .applied_us(table, &version.origin, version.sequence, region);
    had.is_some() && !cluster.disk_is_new(name)
}

fn marker(mutation: &Mutation) -> Option<String> {
    let item = decode_item(mutation.image.as_ref()?).ok()?;
    match item.get(MARKER) {
        Some(AttributeValue::S(marker)) => Some(marker.clone()),
        _ => None,
    }
}

impl Loss {
    /// Leaves out the writes that were on their way when the disk was lost, and have arrived in
    /// another region since. Must be called before the region starts again: version vectors cover
    /// its lost writes as soon as they cover a new one. Only the first call counts.
    pub(crate) fn leave_out_arrived(&mut self, cluster: &Cluster) {
        if std::mem::replace(&mut self.is_final, true) {
            return;
        }
        let lost = |write: &LostWrites| {
            let mut others = cluster.regions().filter(|other| other.as_str() != self.region);
            !others.any(|other| has(cluster, other, write.id, &write.version))
        };
        self.writes.retain(lost);
    }

    /// The time of the loss, since the load began, in microseconds.
    pub(crate) fn at_us(&self) -> u64 {
        u64::try_from(self.at.as_micros()).unwrap_or(u64::MAX)
    }

    /// The loss in the oracle's terms.
    pub(crate) fn disk(&self) -> LostDisk {
        LostDisk {
            region: self.region.clone(),
            at_us: self.at_us(),
            shipped: self.shipped.clone(),
        }
    }

    /// The writes that were acknowledged to a client before the loss: their number, the bytes of
    /// their requests, and how long before the loss the first was acknowledged.
    pub(crate) fn reported(&self, history: &History) -> ReportedBacklog {
        let acknowledged = AcknowledgedWrites::before(history, self);
        let mut reported = ReportedBacklog {
            writes: 0,
            bytes: 0,
            seconds: 0.0,
        };
        let mut oldest = self.at;
        for answer in self.writes.iter().filter_map(|write| acknowledged.of(write)) {
            reported.writes += 1;
            reported.bytes += u64::from(answer.bytes);
            oldest = oldest.min(answer.done);
        }
        reported.seconds = self.at.saturating_sub(oldest).as_secs_f64();
        reported
    }
}

/// The request and answer of one write. Times are since the load began.
#[derive(Debug, Clone, Copy)]
struct Answer {
    sent: Duration,
    done: Duration,
    /// The size of the request.
    bytes: u32,
}

/// The acknowledged writes of a region's clients.
#[derive(Default)]
struct AcknowledgedWrites<'a> {
    by_marker: BTreeMap<&'a str, Answer>,
    /// Deletes have no marker; they are identified by when they must have been committed.
    deletes: BTreeMap<(&'a str, &'a str), Vec<Answer>>,
}

impl<'a> AcknowledgedWrites<'a> {
    fn before(history: &'a History, loss: &Loss) -> Self {
        let until_us = loss.at_us();
        let was_reported = |operation: &&Operation| {
            operation.outcome == OperationOutcome::Ok
                && operation.region == loss.region
                && operation.done_us <= until_us
        };
        let mut acknowledged = Self::default();
        for operation in history.operations.iter().filter(was_reported) {
            for write in &operation.writes {
                let answer = Answer {
                    sent: Duration::from_micros(operation.sent_us),
                    done: Duration::from_micros(operation.done_us),
                    bytes: write.bytes,
                };
                if write.effect == Effect::Delete {
                    let of_key = acknowledged
                        .deletes
                        .entry((operation.workload.as_str(), write.key.as_str()));
                    of_key.or_default().push(answer);
                } else {
                    acknowledged.by_marker.insert(&write.marker, answer);
                }
            }
        }
        acknowledged
    }

    fn of(&self, write: &LostWrites) -> Option<Answer> {
        if let Some(marker) = &write.marker {
            return self.by_marker.get(marker.as_str()).copied();
        }
        let deletes = self.deletes.get(&(write.table.as_str(), write.key.as_str()))?;
        let was_it = |answer: &&Answer| (answer.sent..=answer.done).contains(&write.committed);
        deletes.iter().find(was_it).copied()
    }
}
