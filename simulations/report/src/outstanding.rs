//! The mutations that each region was missing from the others when they had to converge.

use std::{collections::BTreeMap, time::Duration};

use crate::Shipment;

/// A time from which regions have to converge, and the writes that were missing then.
#[derive(Debug)]
pub(crate) struct Outstanding {
    /// When convergence begins, since the load began.
    pub(crate) at: Duration,
    /// Every pair of regions at that time. The origin's unacknowledged mutations are more than what
    /// the receiver is missing: some are in transit, some arrived through a third region.
    pub(crate) links: Vec<Shipment>,
    /// By origin and receiver, as indexes into the run's regions.
    pub(crate) pairs: BTreeMap<(usize, usize), OutstandingWrites>,
}

/// The mutations of one region that became visible in another after that time, though they were
/// committed before.
#[derive(Debug, Default)]
pub(crate) struct OutstandingWrites {
    pub(crate) mutations: u64,
    /// When the newest was committed, since the load began.
    pub(crate) newest: Duration,
}

impl Outstanding {
    pub(crate) fn new(at: Duration, links: Vec<Shipment>) -> Self {
        Self {
            at,
            links,
            pairs: BTreeMap::new(),
        }
    }

    /// Records a mutation that became visible in another region.
    pub(crate) fn arrived(&mut self, pair: (usize, usize), committed: Duration, visible: Duration) {
        if committed > self.at || visible <= self.at {
            return;
        }
        let late = self.pairs.entry(pair).or_default();
        late.mutations += 1;
        late.newest = late.newest.max(committed);
        debug_assert!(late.newest <= self.at, "a missing mutation was committed by then");
    }
}
