//! The oracle judges a run from its history: which promises were broken, what clients could see,
//! and what became of every write.
//!
//! A client notes each write before it sends it, and what it was told after. When the regions have converged, each origin's log
//! says which of its own writes it committed. The two must fit: every acknowledged write is in the log of the region that took it,
//! nothing is there that no client asked for, and a write whose answer never came may be there or not; it is never assumed absent.
//! The versions of all committed writes to a key order them, and the vectors say which of them each knew of; from these two
//! follow what every region must hold, what must be in the journals of conflicts, what a read could have missed, and which
//! writes were lost to others that did not know of them.

mod accounting;
mod anomalies;
mod aside;
mod content;
mod deletes;
mod fates;
mod floor;
mod index;
mod journals;
mod logs;
mod merge;
mod relics;
mod times;
mod violation;

use std::collections::BTreeMap;

pub use accounting::{Accounting, DataLoss};
pub use anomalies::Anomaly;
pub use violation::Violation;

use beringia_history::{Evidence, History, LostDisk};

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// Promises that were broken; empty, or something is wrong with Beringia.
    pub violations: Vec<Violation>,
    /// What clients could see of regions that do not wait for each other; every kind, also where there was none.
    pub anomalies: Vec<Anomaly>,
    /// What became of the writes of the load.
    pub accounting: Accounting,
    /// What was lost with each lost disk, in the order given.
    pub losses: Vec<DataLoss>,
}

/// Judges a run. Regions must have converged; `evidence` is by table, and a table without it is not judged; `lost_disks` is in
/// order of time. Takes time in proportion to operations, times the logarithm of their number, times the regions.
#[must_use]
pub fn judge(history: &History, evidence: &BTreeMap<String, Evidence>, lost_disks: &[LostDisk]) -> Judgement {
    let mut violations = Vec::new();
    let mut tally = accounting::Tally::new(lost_disks);
    let mut sightings = anomalies::Sightings::default();
    for (name, evidence) in evidence {
        let mut table = index::Table::new(name, history, evidence, lost_disks);
        deletes::find(&mut table);
        table.link();
        table.unshipped = aside::of(&table);
        logs::compare(&table, &mut violations);
        content::compare(&table, &mut violations);
        journals::compare(&table, &mut violations);
        let fates = fates::of(&table);
        tally.count(&table, &fates, &mut violations);
        anomalies::find(&table, &fates, &mut sightings, &mut violations);
    }
    let (accounting, losses) = tally.results();
    Judgement {
        violations,
        anomalies: sightings.results(),
        accounting,
        losses,
    }
}
