//! Records when each region had applied which writes: the steps of every version vector, from which
//! the lag of every mutation follows.
//!
//! A region's vector of a table says up to which sequence it has applied each origin's writes; its
//! own entry says what it has committed itself. The recorder looks after every commit, in virtual
//! time, so the regions' clocks do not matter.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_item::{Origin, Region, TableId};
use beringia_storage::{SharedVectors, Store, changed_vectors};
use parking_lot::{Mutex, MutexGuard};
use tokio::{task::JoinHandle, time::Instant};

use crate::fingerprint::RunHash;

/// The steps of the version vectors of all regions. Clones are handles to the same recorder.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Mutex<Inner>>);

struct Inner {
    began: Instant,
    steps: BTreeMap<(TableId, Origin), BTreeMap<Region, Vec<Step>>>,
}

/// A vector's entry reached a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The time in microseconds since the recorder began.
    pub(crate) at_us: u64,
    pub(crate) sequence: u64,
}

/// The time of the first step that reached this sequence, in microseconds since the recorder began.
pub(crate) fn first_from(steps: &[Step], sequence: u64) -> Option<u64> {
    let index = steps.partition_point(|step| step.sequence < sequence);
    steps.get(index).map(|step| step.at_us)
}

impl Recorder {
    pub(crate) fn new(began: Instant) -> Self {
        let steps = BTreeMap::new();
        Self(Arc::new(Mutex::new(Inner { began, steps })))
    }

    /// Follows a region's store until the task is aborted or the store is gone.
    pub(crate) fn follow(&self, store: Arc<dyn Store>) -> JoinHandle<()> {
        let recorder = self.clone();
        tokio::spawn(async move {
            let mut noted = SharedVectors::new();
            loop {
                let mut appended = std::pin::pin!(store.log_appended().notified());
                appended.as_mut().enable();
                let vectors = store.vectors();
                recorder.note(store.region(), &vectors, &noted);
                noted = vectors;
                appended.await;
            }
        })
    }

    /// Notes what changed in a region's vectors since they were noted last.
    fn note(&self, region: &Region, vectors: &SharedVectors, noted: &SharedVectors) {
        let mut inner = self.inner();
        let at_us = u64::try_from(inner.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        for (table, vector) in changed_vectors(noted, vectors) {
            if table == TableId::CATALOG || table == TableId::LOCAL {
                continue;
            }
            let before = noted.get(&table);
            let is_new =
                |(origin, sequence): &(&Origin, u64)| before.is_none_or(|before| before.get(origin) != *sequence);
            for (origin, sequence) in vector.iter().filter(is_new) {
                let by_region = inner.steps.entry((table, origin.clone())).or_default();
                if !by_region.contains_key(region) {
                    by_region.insert(region.clone(), Vec::new());
                }
                let Some(steps) = by_region.get_mut(region) else {
                    continue;
                };
                // A region that lost its disk starts at lower sequences again. Its writes from
                // before are not counted twice.
                if steps.last().is_none_or(|last| last.sequence < sequence) {
                    debug_assert!(
                        steps.last().is_none_or(|last| last.at_us <= at_us),
                        "steps are noted in the order of time"
                    );
                    steps.push(Step { at_us, sequence });
                }
            }
        }
    }

    /// The time since the recorder began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.inner().began.elapsed()
    }

    /// When `region` had applied the write of `origin` to `table` with that sequence, in
    /// microseconds since the recorder began.
    pub(crate) fn applied_us(&self, table: TableId, origin: &Origin, sequence: u64, region: &Region) -> Option<u64> {
        let inner = self.inner();
        first_from(inner.steps.get(&(table, origin.clone()))?.get(region)?, sequence)
    }

    /// The steps in which `region` applied `origin`'s writes to `table`; [`first_from`] searches
    /// them.
    pub(crate) fn steps(&self, table: TableId, origin: &Origin, region: &Region) -> Vec<Step> {
        let inner = self.inner();
        let steps = inner.steps.get(&(table, origin.clone()));
        steps.and_then(|steps| steps.get(region)).cloned().unwrap_or_default()
    }

    /// Every observed commit of a region, with its time in microseconds since the recorder began:
    /// the sequence up to which it then had an origin's writes to one of these tables.
    pub(crate) fn commits(&self, tables: &BTreeMap<TableId, String>) -> Vec<(u64, String)> {
        let inner = self.inner();
        let mut commits = Vec::new();
        for ((table, origin), by_region) in &inner.steps {
            let Some(name) = tables.get(table) else { continue };
            for (region, steps) in by_region {
                let commit = |step: &Step| {
                    let line = format!("{region} committed {name} of {origin} up to {}", step.sequence);
                    (step.at_us, line)
                };
                commits.extend(steps.iter().map(commit));
            }
        }
        commits
    }

    /// Adds every observed commit to the hash of a run.
    pub(crate) fn hash(&self, hash: &mut RunHash) {
        for ((table, origin), by_region) in &self.inner().steps {
            hash.bytes(&table.0.to_le_bytes());
            hash.bytes(origin.to_string().as_bytes());
            for (region, steps) in by_region {
                hash.bytes(region.as_str().as_bytes());
                hash.number(steps.len() as u64);
                for step in steps {
                    hash.number(step.at_us);
                    hash.number(step.sequence);
                }
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock()
    }
}
