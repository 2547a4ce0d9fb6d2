//! What a measuring client of the control service hears of the regions of this process: every write of another region as it arrives.

use std::sync::Arc;

use beringia_item::{Region, TableId};
use beringia_node::{Arrival, Observer};
use beringia_proto::v1::{ArrivalReport, ControlArrivals};
use tokio::sync::broadcast;

/// Commits that a client may be behind; older ones it misses, and is told how many.
const COMMITS_MAX: usize = 4096;

/// Hands the arrivals of all regions to whoever listens. Where nobody does, a commit costs one look at a counter.
#[derive(Debug, Clone)]
pub(crate) struct Tap(broadcast::Sender<Arc<ControlArrivals>>);

impl Tap {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(COMMITS_MAX).0)
    }

    /// Hears of every commit from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<ControlArrivals>> {
        self.0.subscribe()
    }

    /// The end of it at a region.
    pub(crate) fn of(&self, region: &Region) -> Arc<dyn Observer> {
        Arc::new(RegionTap {
            region: region.to_string(),
            tap: self.clone(),
        })
    }
}

/// The tap at one region.
struct RegionTap {
    region: String,
    tap: Tap,
}

impl Observer for RegionTap {
    fn arrived(&self, arrivals: &[Arrival]) {
        if self.tap.0.receiver_count() == 0 {
            return;
        }
        let of_tables = arrivals.iter().filter(|arrival| arrival.table != TableId::CATALOG);
        let reports: Vec<ArrivalReport> = of_tables
            .map(|arrival| ArrivalReport {
                origin: arrival.origin().to_string(),
                committed_ms: arrival.committed().millis(),
            })
            .collect();
        let Some(last) = arrivals.last().filter(|_| !reports.is_empty()) else {
            return;
        };
        // It fails where the last listener has just gone.
        let _ = self.tap.0.send(Arc::new(ControlArrivals {
            region: self.region.clone(),
            visible_ms: last.applied_ms,
            arrivals: reports,
            missed_commits: 0,
        }));
    }
}
