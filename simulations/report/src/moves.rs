//! The moves of clients to another region, and what the other regions could not see then.

use std::collections::BTreeMap;

use beringia_scenario::{Action, Plan};

use crate::{Failover, OperationSample, fault_spans, recorder::whole_millis};

/// The moves of clients in a run. Regions are indexes into those of the run.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    failovers: Vec<Failover>,
    /// For each move, by receiver, the mutations of the region that clients left that were not
    /// visible there when they moved.
    unseen: Vec<BTreeMap<usize, u64>>,
}

impl Moves {
    pub(crate) fn planned(plan: &Plan) -> Self {
        let failovers = failovers(plan);
        Self {
            unseen: vec![BTreeMap::new(); failovers.len()],
            failovers,
        }
    }

    /// Replaces the times. In a drill, some mutations have arrived by then: they were counted for
    /// the moves whose times stay the same.
    pub(crate) fn rescheduled(&mut self, plan: &Plan) {
        let before = std::mem::replace(self, Self::planned(plan));
        for (failover, unseen) in self.failovers.iter().zip(&mut self.unseen) {
            let is_same = |one: &Failover| {
                (&one.from, &one.to, one.shifted_ms) == (&failover.from, &failover.to, failover.shifted_ms)
            };
            if let Some(same) = before.failovers.iter().position(is_same) {
                unseen.clone_from(&before.unseen[same]);
            }
        }
    }

    /// Records the success of an operation.
    pub(crate) fn succeeded(&mut self, operation: &OperationSample<'_>) {
        let (sent_ms, done_ms) = (whole_millis(operation.sent), whole_millis(operation.done));
        for failover in &mut self.failovers {
            let moved = failover.from == operation.home && failover.to == operation.asked;
            if moved && sent_ms >= failover.shifted_ms {
                let first = failover.first_success_ms.get_or_insert(done_ms);
                *first = (*first).min(done_ms);
            }
        }
    }

    /// Counts a mutation as unseen in `to` at the moves between its commit in `from` and its
    /// arrival; `visible_ms` is `u64::MAX` for one that never arrived.
    pub(crate) fn arrived(&mut self, from: &str, to: usize, committed_ms: u64, visible_ms: u64) {
        for (failover, unseen) in self.failovers.iter().zip(&mut self.unseen) {
            let was_unseen = committed_ms <= failover.shifted_ms && visible_ms > failover.shifted_ms;
            if was_unseen && failover.from == from {
                *unseen.entry(to).or_default() += 1;
            }
        }
    }

    /// The moves. `holders` are the regions with replicas; `served_from_ms` says when the users of
    /// a region were served from a time on.
    pub(crate) fn finish(self, holders: &[String], served_from_ms: impl Fn(&str, u64) -> Option<u64>) -> Vec<Failover> {
        let moves = self.failovers.into_iter().zip(self.unseen);
        let finished = moves.map(|(failover, unseen)| {
            let others = holders.iter().filter(|holder| **holder != failover.from).count();
            // Regions receive a table's writes in order, so what all are missing is what the one
            // that is furthest is missing. With several tables this is an upper bound.
            let least = unseen.values().min().filter(|_| unseen.len() >= others);
            Failover {
                objective_ms: served_from_ms(&failover.from, failover.shifted_ms),
                unseen: least.copied().unwrap_or(0),
                ..failover
            }
        });
        finished.collect()
    }
}

/// The regions that hold replicas when the load ends.
pub(crate) fn holders(plan: &Plan) -> Vec<String> {
    let mut holders = plan.scenario.replicas.clone();
    for planned in &plan.timeline {
        match &planned.action {
            Action::AddReplica { region } => holders.push(region.clone()),
            Action::RemoveReplica { region } => holders.retain(|holder| holder != region),
            _ => {}
        }
    }
    holders
}

/// The shifts of traffic in a plan. Each belongs to the fault that made the region unreachable and
/// has not ended by then; of several, to the first, because clients are without the region from
/// then on.
fn failovers(plan: &Plan) -> Vec<Failover> {
    let shifts = plan.timeline.iter().filter_map(|planned| match &planned.action {
        Action::Shift { from, to } if from != to => Some((planned.at, from, to)),
        _ => None,
    });
    let faults = fault_spans(plan);
    shifts
        .map(|(at, from, to)| {
            let shifted_ms = whole_millis(at);
            let failed = faults.iter().find(|fault| {
                let open = fault.from_ms <= shifted_ms && fault.until_ms.is_none_or(|until| until > shifted_ms);
                open && fault.kind.makes_unreachable() && fault.regions.contains(from)
            });
            Failover {
                from: from.clone(),
                to: to.clone(),
                fault_ms: failed.map_or(shifted_ms, |fault| fault.from_ms),
                shifted_ms,
                first_success_ms: None,
                objective_ms: None,
                unseen: 0,
            }
        })
        .collect()
}
