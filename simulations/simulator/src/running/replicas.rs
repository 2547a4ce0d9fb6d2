//! The replicas that come and go during a run, and those that must be there at its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_scenario::Plan;
use beringia_workload::{replica_added, replica_removed};
use tokio::{sync::oneshot, task::JoinHandle};

use super::RunningSimulation;
use crate::tables::{self, ChangeOutcome};

/// For each table, the regions that must hold it.
pub(super) type Expected = BTreeMap<String, BTreeSet<String>>;

/// A change of one table's replicas that the timeline asked for.
pub(super) struct ReplicaChange {
    table: String,
    /// The region of the replica.
    region: String,
    /// Whether the change adds the replica, or else removes it.
    adds: bool,
    outcome: JoinHandle<ChangeOutcome>,
}

impl RunningSimulation<'_> {
    /// Adds or removes the replicas of all tables in a region, in the background, while the
    /// timeline continues. A table's change waits for the outcome of the one before, so that
    /// regions accept them in the order of the timeline.
    pub(super) fn change_replicas(&mut self, region: &str, adds: bool) {
        self.came_or_went.push(region.to_owned());
        let others: Vec<String> = self.cluster.names().into_iter().filter(|name| name != region).collect();
        for table in &self.tables {
            let update = if adds {
                replica_added(table, region)
            } else {
                replica_removed(table, region)
            };
            let (targets, others, trace) = (
                self.cluster.clients().clone(),
                others.clone(),
                Arc::clone(&self.cluster.trace),
            );
            let (is_done, next_turn) = oneshot::channel::<()>();
            let turn = self.replica_turns.insert(table.clone(), next_turn);
            let outcome = tokio::spawn(async move {
                if let Some(turn) = turn {
                    // It ends with an error: the change before drops its sender.
                    let _ = turn.await;
                }
                let outcome = tables::insist(targets, others, update.clone()).await;
                trace.note(format_args!("{update}: {outcome:?}"));
                drop(is_done);
                outcome
            });
            self.replica_changes.push(ReplicaChange {
                table: table.clone(),
                region: region.to_owned(),
                adds,
                outcome,
            });
        }
    }

    /// The regions that hold each table when the load begins.
    pub(super) fn first_replicas(&self) -> Expected {
        let replicas = &self.plan.scenario.replicas;
        let of_table = |table: &String| (table.clone(), replicas.iter().cloned().collect());
        self.tables.iter().map(of_table).collect()
    }

    /// Returns, for each table, the regions whose replica must be ACTIVE at the end, by the answers
    /// to the changes of replicas. A region is not among them if that is unknown: no answer came,
    /// or the region that accepted the change lost its disk.
    pub(super) async fn expected_replicas(&mut self) -> Expected {
        let mut expected = self.first_replicas();
        let mut uncertain = Vec::new();
        for change in self.replica_changes.drain(..) {
            let outcome = change.outcome.await.unwrap_or(ChangeOutcome::Unknown);
            let of_table = expected.entry(change.table.clone()).or_default();
            match outcome {
                ChangeOutcome::AcceptedBy(by) if self.losses.iter().all(|loss| loss.region != by) => {
                    if change.adds {
                        of_table.insert(change.region);
                    } else {
                        of_table.remove(&change.region);
                    }
                }
                ChangeOutcome::AcceptedBy(_) | ChangeOutcome::Unknown => uncertain.push((change.table, change.region)),
                ChangeOutcome::NotAccepted(error) => {
                    let verb = if change.adds { "add" } else { "remove" };
                    let what = format!("{verb} the replica of {} in {}: {error}", change.table, change.region);
                    self.measure.not_accepted(what);
                }
            }
        }
        for (table, region) in uncertain {
            expected.entry(table).or_default().remove(&region);
        }
        expected
    }
}

/// The regions that hold no replicas when the load begins.
pub(super) fn absent_at_first(plan: &Plan) -> Vec<String> {
    let names = plan.scenario.topology.names();
    names
        .filter(|name| !plan.scenario.replicas.iter().any(|replica| replica == name))
        .map(str::to_owned)
        .collect()
}
