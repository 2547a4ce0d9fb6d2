//! Turns observations of a simulated cluster into the measurements of a run.

use std::{collections::BTreeMap, time::Duration};

use beringia_history::{ConflictEntry, Evidence, History, LostDisk};
use beringia_item::{Origin, Region, TableId, Version};
use beringia_oracle::Violation;
use beringia_report::{ArrivalSample, Awaited, BacklogSample, DrainSample, Player, Recorder, Run, Shipment};
use beringia_scenario::{Action, Plan, TimelineCursor};

use crate::{
    Cluster, SimulationError,
    losses::Loss,
    recorder::{Step, first_from},
    sampler,
};

/// Collects the measurements of one run.
pub(crate) struct Measure {
    recorder: Recorder,
    /// The time from the cluster's start to the load's.
    load_began: Duration,
    /// Bytes on the wires before the load.
    wire_before: BTreeMap<(String, String), u64>,
    /// Bytes on the wires when the run was over.
    wire_after: BTreeMap<(String, String), u64>,
    /// The settings of the links, each with the time since the load began from which they applied.
    links: Vec<(Duration, Links)>,
    /// The times after which regions had to converge while the load continued.
    heals: Vec<Heal>,
}

/// A time after which regions had to converge while the load continued.
struct Heal {
    awaited: Awaited,
    at: Duration,
    /// When the last of the writes committed until then was in every region; `None` if one never
    /// arrived.
    everywhere: Option<Duration>,
}

type Links = BTreeMap<(String, String), Link>;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Link {
    one_way: Duration,
    bandwidth_mbit: Option<f64>,
}

impl Measure {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            recorder: Recorder::new(plan, Player::Sim),
            load_began: Duration::ZERO,
            wire_before: BTreeMap::new(),
            wire_after: BTreeMap::new(),
            links: Vec::new(),
            heals: Vec::new(),
        }
    }

    /// Records that the load begins now.
    pub(crate) fn begin(&mut self, cluster: &Cluster) {
        self.load_began = cluster.recorder.elapsed();
        self.wire_before = cluster.trace.wire_bytes();
        self.links_changed(cluster, Duration::ZERO);
    }

    /// Sets how many mutations each region can apply in a second.
    pub(crate) fn can_apply(&mut self, per_second: BTreeMap<String, f64>) {
        self.recorder.can_apply(per_second);
    }

    /// When the load began, in microseconds since the cluster started.
    pub(crate) fn load_began_us(&self) -> u64 {
        u64::try_from(self.load_began.as_micros()).unwrap_or(u64::MAX)
    }

    /// Records that link settings may have changed.
    pub(crate) fn links_changed(&mut self, cluster: &Cluster, at: Duration) {
        let links: Links = cluster
            .network()
            .show()
            .into_iter()
            .map(|link| {
                let state = Link {
                    one_way: link.settings.delay,
                    bandwidth_mbit: link.settings.bandwidth_mbit,
                };
                ((link.from, link.to), state)
            })
            .collect();
        if self.links.last().is_none_or(|(_, last)| *last != links) {
            self.links.push((at, links));
        }
    }

    pub(crate) async fn sample(
        &mut self,
        cluster: &Cluster,
        tables: &[String],
        at: Duration,
    ) -> Result<(), SimulationError> {
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        for (from, to, backlog) in sampler::backlogs(cluster).await? {
            let sample = BacklogSample {
                at_ms,
                mutations: backlog.mutations,
                bytes: backlog.bytes,
            };
            self.recorder.backlog(&from, &to, sample);
        }
        let mut keys = 0;
        for table in tables {
            keys += sampler::divergent_keys(cluster, table).await?;
        }
        self.recorder.divergence(at, keys);
        Ok(())
    }

    /// Records what happened and when, at the end of the timeline.
    pub(crate) fn played(&mut self, timeline: &TimelineCursor, end: Duration) {
        self.recorder.rescheduled(&timeline.played());
        self.recorder.not_played(&timeline.overdue(end));
    }

    /// Records a change that no region accepted.
    pub(crate) fn not_accepted(&mut self, what: String) {
        self.recorder.not_accepted(what);
    }

    /// Records that the run is over, before the regions are read.
    pub(crate) fn over(&mut self, cluster: &Cluster) {
        self.wire_after = cluster.trace.wire_bytes();
    }

    /// Records an observation of a drain.
    pub(crate) fn drained(&mut self, sample: DrainSample) {
        self.recorder.drain(sample);
    }

    /// Records that this action repaired something.
    pub(crate) async fn healed(&mut self, cluster: &Cluster, by: &Action, at: Duration) -> Result<(), SimulationError> {
        let awaited = self.must_converge(cluster, &by.to_string(), at).await?;
        self.heals.push(Heal {
            awaited,
            at,
            everywhere: Some(at),
        });
        Ok(())
    }

    /// Records that the load is over and everything is repaired.
    pub(crate) async fn ended(&mut self, cluster: &Cluster, at: Duration) -> Result<Awaited, SimulationError> {
        self.must_converge(cluster, "the end of the load", at).await
    }

    pub(crate) fn converged(&mut self, awaited: Awaited, at: Duration) {
        self.recorder.converged(awaited, at);
    }

    async fn must_converge(
        &mut self,
        cluster: &Cluster,
        after: &str,
        at: Duration,
    ) -> Result<Awaited, SimulationError> {
        let links = self.links.last().map(|(_, links)| links.clone()).unwrap_or_default();
        let shipments = sampler::backlogs(cluster)
            .await?
            .into_iter()
            .map(|(from, to, backlog)| {
                let link = links.get(&(from.clone(), to.clone()));
                Shipment {
                    mutations: backlog.mutations,
                    bytes: backlog.bytes,
                    one_way: link.map_or(Duration::ZERO, |link| link.one_way),
                    bandwidth_mbit: link.and_then(|link| link.bandwidth_mbit),
                    from,
                    to,
                }
            });
        Ok(self.recorder.must_converge(after, at, shipments.collect()))
    }

    /// Returns all observations as a run, and the promises that were broken in it, those about a
    /// recreated table included. `evidence` is by table.
    pub(crate) fn finish(
        mut self,
        cluster: &Cluster,
        history: &History,
        evidence: &BTreeMap<String, Evidence>,
        losses: &[Loss],
        of_recreated: Vec<Violation>,
        total: Duration,
    ) -> Result<(Run, Vec<Violation>), SimulationError> {
        self.recorder.history(history);
        for (table, evidence) in evidence {
            let Some(id) = cluster
                .names()
                .iter()
                .find_map(|region| cluster.table_id(region, table).ok())
            else {
                continue;
            };
            self.arrivals(cluster, id, evidence)?;
            self.conflicts(cluster, id, evidence);
        }
        for heal in &self.heals {
            if let Some(everywhere) = heal.everywhere {
                self.recorder.converged(heal.awaited, everywhere);
            }
        }
        for (pair, bytes) in &self.wire_after {
            let before = self.wire_before.get(pair).copied().unwrap_or(0);
            self.recorder.wire_bytes(&pair.0, &pair.1, bytes - before);
        }
        let disks: Vec<LostDisk> = losses.iter().map(Loss::disk).collect();
        let mut judgement = beringia_oracle::judge(history, evidence, &disks);
        judgement.violations.extend(of_recreated);
        let reported = losses.iter().map(|loss| Some(loss.reported(history)));
        self.recorder.judged(&judgement, reported);
        Ok((self.recorder.finish(total, ""), judgement.violations))
    }

    /// Records when each mutation of a table arrived in each region that holds the table at the
    /// end.
    fn arrivals(&mut self, cluster: &Cluster, table: TableId, evidence: &Evidence) -> Result<(), SimulationError> {
        for (from, keys) in &evidence.logs {
            let region = Region::new(from)?;
            let origin = Origin::of_only_shard(&region);
            let steps = cluster.recorder.steps(table, &origin, &region);
            let since_load = |steps: &[Step], sequence| self.since_load(first_from(steps, sequence)?);
            let of_load = keys.values().flatten().filter_map(|logged| {
                let sequence = logged.held.version.sequence;
                Some((sequence, since_load(&steps, sequence)?))
            });
            let of_load: Vec<(u64, Duration)> = of_load.collect();
            for to in evidence.held.keys().filter(|to| *to != from) {
                let steps = cluster.recorder.steps(table, &origin, &Region::new(to)?);
                let ways = self.ways(from, to);
                let visible = |sequence| self.since_load(first_from(&steps, sequence)?);
                let of_load = of_load.iter();
                let came: Vec<(u64, Duration, Option<Duration>)> = of_load
                    .map(|(sequence, committed)| (*sequence, *committed, visible(*sequence)))
                    .collect();
                let arrivals = came.iter().filter_map(|(sequence, committed, visible)| {
                    let way = ways.partition_point(|(since, _)| since <= committed).checked_sub(1);
                    Some(ArrivalSample {
                        sequence: *sequence,
                        committed: *committed,
                        lag: (*visible)?.saturating_sub(*committed),
                        one_way: way.map_or(Duration::ZERO, |way| ways[way].1),
                    })
                });
                self.recorder.arrivals(from, to, arrivals);
                for (sequence, committed, _) in came.iter().filter(|(_, _, visible)| visible.is_none()) {
                    self.recorder.never_arrived(from, to, *sequence, *committed);
                }
                for heal in &mut self.heals {
                    for (_, _, visible) in came.iter().filter(|(_, committed, _)| *committed <= heal.at) {
                        heal.everywhere = heal.everywhere.zip(*visible).map(|(last, visible)| last.max(visible));
                    }
                }
            }
        }
        Ok(())
    }

    /// Converts a time of the recorder to one since the load began; `None` if it was before.
    fn since_load(&self, at_us: u64) -> Option<Duration> {
        Duration::from_micros(at_us).checked_sub(self.load_began)
    }

    /// When a region applied a write, since the load began; `None` also if that was before the
    /// load.
    fn applied(
        &self,
        cluster: &Cluster,
        table: TableId,
        origin: &Origin,
        sequence: u64,
        region: &Region,
    ) -> Option<Duration> {
        self.since_load(cluster.recorder.applied_us(table, origin, sequence, region)?)
    }

    /// A link's one-way delays, each with the time from which it applied.
    fn ways(&self, from: &str, to: &str) -> Vec<(Duration, Duration)> {
        let pair = (from.to_owned(), to.to_owned());
        let way = |(since, links): &(Duration, Links)| {
            let one_way = links.get(&pair).map_or(Duration::ZERO, |link| link.one_way);
            (*since, one_way)
        };
        self.links.iter().map(way).collect()
    }

    fn conflicts(&mut self, cluster: &Cluster, table: TableId, evidence: &Evidence) {
        for ConflictEntry { winner, loser, .. } in evidence.conflicts() {
            // If the loser's own region no longer knows the time, the winner's does. The two writes
            // were concurrent, so they were close in time.
            let of = |version: &Version| {
                self.applied(
                    cluster,
                    table,
                    &version.origin,
                    version.sequence,
                    version.origin.region(),
                )
            };
            let at = of(loser).or_else(|| of(winner));
            let (winner, loser) = (winner.origin.region().as_str(), loser.origin.region().as_str());
            self.recorder.conflict(winner, loser, at.unwrap_or_default());
        }
    }
}
