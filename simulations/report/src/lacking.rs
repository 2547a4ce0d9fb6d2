//! What each region lacked of the others when they had to become equal.

use std::{collections::BTreeMap, time::Duration};

use crate::Shipment;

/// A moment from which regions have to become equal.
#[derive(Debug)]
pub(crate) struct Lacking {
    /// The moment, since the load began.
    pub(crate) at: Duration,
    /// Every pair of regions at that moment. What the origin has not heard to be acknowledged is more than what the receiver lacks: some
    /// is under way, some came through a third region.
    pub(crate) links: Vec<Shipment>,
    /// By origin and receiver, as they are numbered in the run.
    pub(crate) pairs: BTreeMap<(usize, usize), Lack>,
}

/// What became visible in one region, of another, later than that moment, though it was written before.
#[derive(Debug, Default)]
pub(crate) struct Lack {
    pub(crate) mutations: u64,
    /// When the newest was committed, and when the last was visible, since the load began.
    pub(crate) newest: Duration,
    pub(crate) visible: Duration,
}

impl Lacking {
    pub(crate) fn new(at: Duration, links: Vec<Shipment>) -> Self {
        Self {
            at,
            links,
            pairs: BTreeMap::new(),
        }
    }

    /// A mutation of one region became visible in another.
    pub(crate) fn arrived(&mut self, pair: (usize, usize), committed: Duration, visible: Duration) {
        if committed > self.at || visible <= self.at {
            return;
        }
        let lack = self.pairs.entry(pair).or_default();
        lack.mutations += 1;
        lack.newest = lack.newest.max(committed);
        lack.visible = lack.visible.max(visible);
        debug_assert!(
            lack.newest <= self.at && self.at < lack.visible,
            "what was lacking was committed by then, and visible after"
        );
    }
}
