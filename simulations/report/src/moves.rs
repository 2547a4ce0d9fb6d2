//! The moves of clients to another region, and what they could not see there then.

use std::collections::BTreeMap;

use beringia_oracle::{JudgedWrite, WriteOutcome};
use beringia_scenario::{Action, Plan};

use crate::{
    EffectiveLoss, Failover, LoadSource, OperationSample, Run, fault_spans, judge::CLOCK_SECONDS,
    recorder::whole_millis,
};

/// The moves of clients in a run.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    failovers: Vec<Failover>,
    /// By the regions of a move, the mutations of the first by sequence, and when each became
    /// visible in the second.
    mutations: BTreeMap<(String, String), BTreeMap<u64, MutationTimes>>,
    /// The acknowledged writes of the regions that clients left.
    writes: BTreeMap<String, Vec<JudgedWrite>>,
}

impl Moves {
    pub(crate) fn planned(plan: &Plan) -> Self {
        Self {
            failovers: failovers(plan),
            ..Self::default()
        }
    }

    /// Replaces the times. What was recorded stays.
    pub(crate) fn rescheduled(&mut self, plan: &Plan) {
        self.failovers = failovers(plan);
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

    /// Records when a mutation of `from` became visible in `to`; of several times, the first
    /// counts.
    pub(crate) fn arrived(&mut self, from: &str, to: &str, sequence: u64, times: MutationTimes) {
        if !self.failovers.iter().any(|one| one.from == from && one.to == to) {
            return;
        }
        let mutations = self.mutations.entry((from.to_owned(), to.to_owned())).or_default();
        let known = mutations.entry(sequence).or_insert(times);
        known.visible_ms = known.visible_ms.min(times.visible_ms);
    }

    /// Records what became of the acknowledged writes, by the region that acknowledged them.
    pub(crate) fn judged(&mut self, writes: &BTreeMap<String, Vec<JudgedWrite>>) {
        let left = |region: &&String| self.failovers.iter().any(|failover| failover.from == **region);
        let writes = writes.iter().filter(|(region, _)| left(region));
        self.writes = writes
            .map(|(region, writes)| (region.clone(), writes.clone()))
            .collect();
    }

    /// The moves of a run. `served_from_ms` says when the users of a region were served from a time
    /// on.
    pub(crate) fn finish(self, run: &Run, served_from_ms: impl Fn(&str, u64) -> Option<u64>) -> Vec<Failover> {
        let finished = self.failovers.iter().map(|failover| Failover {
            objective_ms: served_from_ms(&failover.from, failover.shifted_ms),
            effective_loss: self.effective_loss(run, failover),
            ..failover.clone()
        });
        finished.collect()
    }

    fn effective_loss(&self, run: &Run, failover: &Failover) -> EffectiveLoss {
        let mut loss = EffectiveLoss::default();
        let pair = (failover.from.clone(), failover.to.clone());
        let mutations = self.mutations.get(&pair);
        let acknowledged = self.writes.get(&failover.from).into_iter().flatten();
        for write in acknowledged.filter(|write| write.done_us / 1000 <= failover.shifted_ms) {
            let mutation = write.sequence.and_then(|sequence| mutations?.get(&sequence));
            let visible_ms = mutation.map(|mutation| mutation.visible_ms);
            if visible_ms.is_some_and(|ms| ms <= failover.shifted_ms) {
                continue;
            }
            // What is in no log was visible in no other region, unless a later write replaced it.
            let number = match (write.outcome, visible_ms) {
                (WriteOutcome::LostWithDisk, _) => &mut loss.lost_with_disk,
                (WriteOutcome::Unshipped, _) => &mut loss.unshipped,
                (WriteOutcome::Lost, _) | (WriteOutcome::Current | WriteOutcome::Superseded, Some(u64::MAX)) => {
                    &mut loss.missing
                }
                (WriteOutcome::LostToConflict, Some(_)) => &mut loss.lost_to_conflicts,
                (WriteOutcome::LostToConflict, None) if write.sequence.is_none() => &mut loss.lost_to_conflicts,
                (WriteOutcome::Current | WriteOutcome::Superseded, Some(_)) => &mut loss.visible_later,
                (WriteOutcome::Current | WriteOutcome::Superseded | WriteOutcome::LostToConflict, None) => {
                    &mut loss.unheard
                }
            };
            *number += 1;
        }
        let was_unseen =
            |mutation: &&MutationTimes| (mutation.committed_ms..mutation.visible_ms).contains(&failover.shifted_ms);
        let unseen = mutations.into_iter().flat_map(BTreeMap::values).filter(was_unseen);
        let lost_with_disk = most_lost_with_disk(run, failover, loss.lost_with_disk);
        loss.mutations_max = lost_with_disk.map(|most| most.saturating_add(unseen.count() as u64));
        loss
    }
}

/// The most writes from before a move that the region lost with its disk; `None`: not known. Of
/// recorded clients, these are the `recorded` ones. Where applications used the region, too, it is
/// at least the backlog that the region reported before each loss, which includes their writes.
fn most_lost_with_disk(run: &Run, failover: &Failover, recorded: u64) -> Option<u64> {
    if run.clients == LoadSource::Scenario {
        return Some(recorded);
    }
    let losses = run.disk_losses.iter().filter(|loss| loss.region == failover.from);
    let reported: Option<u64> = losses
        .map(|loss| {
            let reported = loss.reported_backlog?;
            // A backlog that is younger than the move has nothing from before it.
            let oldest_ms = loss.at_ms as f64 - (reported.seconds + CLOCK_SECONDS) * 1000.0;
            Some(if oldest_ms > failover.shifted_ms as f64 {
                0
            } else {
                reported.writes
            })
        })
        .sum();
    Some(reported?.max(recorded))
}

/// When a mutation was committed and became visible in another region, in milliseconds since the
/// load began; `u64::MAX` if it never arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MutationTimes {
    pub(crate) committed_ms: u64,
    pub(crate) visible_ms: u64,
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
                effective_loss: EffectiveLoss::default(),
            }
        })
        .collect()
}
