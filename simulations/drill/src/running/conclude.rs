//! The end of a drill: gathers the evidence, reads every key back, and judges the run.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use beringia_history::{ConflictEntry, Evidence, FinalReplicas, History, LostDisk, ReplicaHistory};
use beringia_oracle::judge as judge_history;
use beringia_proto::v1::{ControlConflictsRequest, ControlDigestsRequest};
use beringia_report::{Recorder, Run, Verdict, judge};
use beringia_scenario::Action;
use beringia_workload::{read_back, replica_statuses};
use tokio::time::sleep;

use super::{Disk, RunningDrill, TICK};
use crate::{
    application,
    arrival_lag::Arrivals,
    error::DrillError,
    evidence::{gather, replica_epochs},
    never_arrived::FinalArrivals,
    plan::{PROBES, is_probed},
    read_back::Rows,
    scope::Apart,
};

/// How long replicas may take to become ACTIVE at the end.
const ACTIVE_WITHIN: Duration = Duration::from_mins(1);

impl RunningDrill<'_> {
    pub(super) async fn conclude(&mut self, history: &History, replay: &str) -> Result<Run, DrillError> {
        self.stage.progress.show("judging", None);
        let Some(measure) = self.measure.take() else {
            return Err(DrillError::NotBegun);
        };
        let (total, began_ms) = (measure.now(), measure.began_ms());
        // Messages of the control services may still be in transit.
        sleep(TICK).await;
        let Some(measured) = measure.end().await else {
            return Err(DrillError::Measuring);
        };
        let missed = measured.arrivals.missed_commits();
        if missed > 0 {
            self.stage.progress.note(&format!(
                "the arrivals of {missed} commits were not measured: this machine is too slow"
            ));
        }
        let evidence = self.evidence().await?;
        let mut recorder = self
            .recorded(measured.recorder, &measured.arrivals, &measured.apart, &evidence)
            .await?;
        recorder.history(history);
        if is_probed(self.plan) {
            self.journalled_conflicts(&mut recorder, began_ms).await?;
        } else {
            conflicts(&mut recorder, &evidence, began_ms);
        }
        let judgement = judge_history(history, &evidence, &self.lost_disks());
        recorder.judged(&judgement, self.disks.iter().map(|disk| disk.backlog));
        let mut run = recorder.finish(total, replay);
        run.used_by_applications(&measured.traffic);
        run.notes.extend(application::note(&run));
        self.judge(&mut run);
        Ok(run)
    }

    /// Adds the writes that never arrived.
    async fn recorded(
        &self,
        mut recorder: Recorder,
        arrivals: &Arrivals,
        apart: &Apart,
        evidence: &BTreeMap<String, Evidence>,
    ) -> Result<Recorder, DrillError> {
        let digests = self
            .stage
            .fleet
            .digests(ControlDigestsRequest::default())
            .await?
            .replies;
        let killed = self.plan.timeline.iter().filter_map(|planned| match &planned.action {
            Action::Crash { region, .. } => Some(region.clone()),
            _ => None,
        });
        let known = FinalArrivals {
            arrivals,
            digests: &digests,
            killed: &killed.collect(),
            apart,
            load_end: self.load_end,
        };
        for (table, evidence) in evidence {
            known.record(table, evidence, &self.expected, &mut recorder);
        }
        Ok(recorder)
    }

    async fn evidence(&self) -> Result<BTreeMap<String, Evidence>, DrillError> {
        let fleet = &self.stage.fleet;
        let replicas = ReplicaHistory::new(
            &self.plan.scenario.replicas,
            &self.came_or_went,
            self.disks.iter().map(|disk| disk.region.clone()).collect(),
            [&self.replica_epochs, &replica_epochs(fleet, &self.tables).await?],
        );
        let targets = self.stage.targets();
        let mut evidence = BTreeMap::new();
        for table in &self.tables {
            let mut of_table = gather(fleet, table, &replicas).await?;
            let doing = format!("reading every key of {} back", table.name);
            self.stage.progress.show(&doing, None);
            let rows = Rows::new(fleet, table);
            of_table.replicas = FinalReplicas {
                shown: replica_statuses(&targets, &table.name, &self.expected, ACTIVE_WITHIN).await,
                expected: self.expected.clone(),
                digests: rows.digests().await?,
            };
            let holders: Vec<String> = of_table.replicas.digests.keys().cloned().collect();
            of_table.misreads = read_back(&targets, &table.name, &holders, &rows).await?;
            evidence.insert(table.name.clone(), of_table);
        }
        Ok(evidence)
    }

    /// Records the conflicts of the applications' tables since the drill began, from the journals.
    async fn journalled_conflicts(&self, recorder: &mut Recorder, began_ms: u64) -> Result<(), DrillError> {
        let mut seen = BTreeSet::new();
        for mut client in self.stage.fleet.clients() {
            let mut journal = client.conflicts(ControlConflictsRequest::default()).await?.into_inner();
            while let Some(conflict) = journal.message().await? {
                let sides = conflict
                    .winner
                    .and_then(|side| side.version)
                    .zip(conflict.loser.and_then(|side| side.version));
                let Some((winner, loser)) = sides.filter(|_| conflict.table != PROBES && conflict.seen_ms >= began_ms)
                else {
                    continue;
                };
                if seen.insert((conflict.table_id, loser.origin.clone(), loser.sequence)) {
                    let at = Duration::from_millis((loser.hybrid_time >> 16).saturating_sub(began_ms));
                    recorder.conflict(&winner.origin, &loser.origin, at);
                }
            }
        }
        Ok(())
    }

    fn lost_disks(&self) -> Vec<LostDisk> {
        let lost = |disk: &Disk| LostDisk {
            region: disk.region.clone(),
            at_us: u64::try_from(disk.at.as_micros()).unwrap_or(u64::MAX),
            shipped: disk.shipped.clone(),
        };
        self.disks.iter().map(lost).collect()
    }

    /// Judges the run against the expectations.
    fn judge(&self, run: &mut Run) {
        judge(&self.plan.scenario.expect.clone().allowing(self.allowance), run);
        // Without an expectation of the time, too.
        if !self.not_converged.is_empty() {
            run.verdicts.push(Verdict {
                expected: format!(
                    "all tables equal within {} s of the end of the load",
                    self.patience.as_secs_f64()
                ),
                measured: self.not_converged.join("; "),
                holds: false,
            });
        }
    }
}

/// Records each conflict once, however many regions journalled it.
fn conflicts(recorder: &mut Recorder, evidence: &BTreeMap<String, Evidence>, began_ms: u64) {
    for ConflictEntry { winner, loser, .. } in evidence.values().flat_map(Evidence::conflicts) {
        let at = Duration::from_millis(loser.time.millis().saturating_sub(began_ms));
        recorder.conflict(winner.origin.region().as_str(), loser.origin.region().as_str(), at);
    }
}
