//! The state that all clients of a load share: the time, the connections to the regions, the
//! traffic shifts, and the counts of operations.

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::WallClock;
use beringia_history::{OperationOutcome, Request};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Targets;

pub(crate) struct Shared {
    pub(crate) began: Instant,
    /// How long an operation may wait for a client.
    pub(crate) patience_us: u64,
    pub(crate) targets: Arc<dyn Targets>,
    /// The clients' wall clock, for times that they write.
    pub(crate) clock: Arc<dyn WallClock>,
    /// For each home region whose clients are shifted, the region that they call.
    away: Mutex<BTreeMap<String, String>>,
    progress: Mutex<BTreeMap<String, LoadProgress>>,
}

/// Counts of the operations so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadProgress {
    /// Operations that became due by the workloads' rates.
    pub due: u64,
    /// Due operations that were answered, including refusals that the workload itself provokes,
    /// such as a failed condition.
    pub answered: u64,
    /// Due operations without a connection or an answer, or for which the region reported a failure
    /// of its own.
    pub failed: u64,
    /// Writes that a region acknowledged.
    pub writes: u64,
}

impl Shared {
    pub(crate) fn new(targets: Arc<dyn Targets>, clock: Arc<dyn WallClock>, patience_us: u64) -> Self {
        Self {
            began: Instant::now(),
            patience_us,
            targets,
            clock,
            away: Mutex::default(),
            progress: Mutex::default(),
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn region_for(&self, home: &str) -> String {
        let away = self.away.lock();
        away.get(home).map_or_else(|| home.to_owned(), String::clone)
    }

    pub(crate) fn send_clients(&self, home: &str, region: &str) {
        self.away.lock().insert(home.to_owned(), region.to_owned());
    }

    pub(crate) fn note_due(&self, home: &str) {
        self.change(home, |progress| progress.due += 1);
    }

    /// Counts the result of a request from a region, and its acknowledged writes.
    pub(crate) fn count(&self, home: &str, request: Request<'_>) {
        self.change(home, |progress| {
            if request.failure().is_none() {
                progress.answered += 1;
            } else {
                progress.failed += 1;
            }
            let done = request.0.iter().filter(|part| part.outcome == OperationOutcome::Ok);
            progress.writes += done.map(|part| part.writes.len() as u64).sum::<u64>();
            debug_assert!(
                progress.answered + progress.failed <= progress.due,
                "only what was due is done: {progress:?}"
            );
        });
    }

    pub(crate) fn progress(&self) -> BTreeMap<String, LoadProgress> {
        self.progress.lock().clone()
    }

    fn change(&self, home: &str, change: impl FnOnce(&mut LoadProgress)) {
        let mut progress = self.progress.lock();
        if let Some(progress) = progress.get_mut(home) {
            change(progress);
        } else {
            change(progress.entry(home.to_owned()).or_default());
        }
    }
}
