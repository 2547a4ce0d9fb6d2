//! The oracle judges a run from its history: which promises were broken, which anomalies clients
//! could see, and what became of every write.
//!
//! A client notes each write before it sends it, and the answer afterwards. When the regions have
//! converged, each origin's log says which of its own writes it committed. The two must fit: every
//! acknowledged write is in the log of the region that took it, and nothing is there that no client
//! asked for. A write whose answer never came may be there or not; it is never assumed absent. The
//! versions of all committed writes to a key order them, and their causal contexts say which of
//! them each depends on. From these two follow what every region must hold, what must be in the
//! conflict journals, what a read could have missed, and which writes were lost to concurrent ones.
//! At the end every replica must be ACTIVE, equal to the others, and answer reads with what it
//! holds.

mod accounting;
mod anomalies;
mod base;
mod causality;
mod consistency;
mod content;
mod contexts;
mod deletes;
mod effect;
mod index;
mod journals;
mod lists;
mod lives;
mod logs;
mod merge;
mod outcomes;
mod recreated;
mod replicas;
mod sightings;
mod snapshots;
mod streams;
mod times;
mod unlogged;
mod unshipped;
mod violation;

use std::collections::BTreeMap;

pub use accounting::{Accounting, DataLoss, JudgedWrite, WriteOutcome};
pub use recreated::{agree, judge_recreated};
pub use sightings::Anomaly;
pub use violation::Violation;

use beringia_history::{Evidence, History, LostDisk};

/// The judgement of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// The promises that were broken. If there are any, something is wrong with Beringia.
    pub violations: Vec<Violation>,
    /// For how many keys of how many regions, together, consistency was not decided because the
    /// search took too long. A run with any is not known to be right.
    pub undecided: u64,
    /// The anomalies that clients could see because regions do not wait for each other: every kind,
    /// including those that did not occur.
    pub anomalies: Vec<Anomaly>,
    /// The outcomes of the load's writes.
    pub accounting: Accounting,
    /// The acknowledged writes of the load, by the region that acknowledged them.
    pub writes: BTreeMap<String, Vec<JudgedWrite>>,
    /// The writes that were lost with each lost disk, in the order given.
    pub losses: Vec<DataLoss>,
}

/// Judges a run whose regions have converged. `evidence` is by table, and a table without evidence
/// is not judged. `lost_disks` is ordered by time. The running time is proportional to the number
/// of operations, times its logarithm, times the number of regions.
#[must_use]
pub fn judge(history: &History, evidence: &BTreeMap<String, Evidence>, lost_disks: &[LostDisk]) -> Judgement {
    let mut violations = Vec::new();
    let mut tally = accounting::Tally::new(lost_disks);
    let mut sightings = sightings::Sightings::default();
    let mut undecided = 0;
    for (name, evidence) in evidence {
        let mut table = index::Table::new(name, history, evidence, lost_disks);
        deletes::find(&mut table);
        table.link();
        table.unshipped = unshipped::of(&table);
        logs::compare(&table, &mut violations);
        content::compare(&table, &mut violations);
        let outcomes = outcomes::of(&table);
        journals::compare(&table, &outcomes, &mut violations);
        replicas::compare(&table, &mut violations);
        streams::compare(&table, &mut violations);
        tally.count(&table, &outcomes, &mut violations);
        anomalies::find(&table, &outcomes, &mut sightings, &mut violations);
        contexts::compare(&table, &mut violations);
        lists::compare(&table, &mut violations);
        undecided += consistency::compare(&table, &mut violations);
    }
    let (accounting, writes, losses) = tally.results();
    Judgement {
        violations,
        undecided,
        anomalies: sightings.results(),
        accounting,
        writes,
        losses,
    }
}
