//! The measurements of one run, by any player. Times are in milliseconds since the load began.

use std::{collections::BTreeMap, time::Duration};

use beringia_oracle::Accounting;
use beringia_scenario::Objective;
use serde::{Deserialize, Serialize};

use crate::{
    DrainTimes, Failover, FailureCounts, Recovery, RunIdentity,
    quantiles::{micros, millis},
    recorder::whole_millis,
};

/// All measurements of a run. The JSON report has the same fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The scenario's name: that of a built-in one, or its file's without the extension.
    pub scenario: String,
    /// What the scenario shows, from its field `about`.
    pub about: String,
    /// Whether the simulator or a drill played the scenario.
    pub player: Player,
    /// The seed of all random choices.
    pub seed: u64,
    /// The command that repeats the run.
    pub replay: String,
    /// The conflict policy of its tables: `item`, `attribute` or `merge`.
    pub policy: String,
    /// The regions, in the order of the topology.
    pub regions: Vec<String>,
    /// The clients that used the regions.
    pub clients: LoadSource,
    /// How long clients sent operations, in milliseconds.
    pub load_ms: u64,
    /// When the regions had converged, or the player gave up.
    pub total_ms: u64,
    /// The faults and changes, with their times.
    pub faults: Vec<FaultSpan>,
    /// The objective of the scenario, against which outages and availability are measured.
    pub objective: ReportedObjective,
    /// The outages that users saw: of each region where users live, of each region that was called,
    /// and of all. Regions without operations have no entry.
    pub recoveries: Vec<Recovery>,
    /// The results of clients' operations, by region and second.
    pub seconds: Vec<RegionSecond>,
    /// The requests of applications, which an attached drill measures apart from its own.
    pub applications: Vec<crate::ApplicationTraffic>,
    /// How each application was served within the objective, in each region and in all, with its
    /// outages.
    pub application_recoveries: Vec<crate::ApplicationRecovery>,
    /// The requests of applications for one region that the endpoint for all regions had another
    /// one answer, since clients were moved or a region failed its health checks.
    pub rerouted: Vec<crate::ReroutedRequests>,
    /// Client latency of every region that answered clients.
    pub latencies: Vec<ClientLatency>,
    /// Lag, backlog and bytes of every ordered pair of regions.
    pub pairs: Vec<Pair>,
    /// How many keys or ranges differed, over time.
    pub divergence: Vec<Divergence>,
    /// Each time that regions had to converge: after every repair, and at the end.
    pub convergences: Vec<Convergence>,
    /// By region, the most mutations that it was seen to apply in a second.
    pub applied_per_second: BTreeMap<String, f64>,
    /// How many writes had each outcome.
    pub writes: Accounting,
    /// Each loss of a disk, with what was lost.
    pub disk_losses: Vec<DiskLoss>,
    /// Each shift of traffic after a fault.
    pub failovers: Vec<Failover>,
    /// Each drain of a region, with the times of its proof.
    pub drains: Vec<DrainTimes>,
    /// The anomalies that were visible to clients.
    pub anomalies: Vec<AnomalyCount>,
    /// How many conflicts there were, by pair of origins and second.
    pub conflicts: Vec<ConflictCell>,
    /// Broken promises as sentences; each is a bug in Beringia.
    pub violations: Vec<String>,
    /// For how many keys of how many regions, together, the oracle did not decide whether the
    /// region was consistent.
    pub undecided: u64,
    /// The events that did not happen: the drain that they wait for was not proven in time, or no
    /// region accepted the change.
    pub not_played: Vec<String>,
    /// Notes that a reader needs to understand the numbers, such as what the run did not wait for.
    pub notes: Vec<String>,
    /// The expectations, and whether they hold.
    pub verdicts: Vec<Verdict>,
    /// The time that the bounds of the verdicts allow for the machine, in milliseconds
    /// ([`Expectations::allowing`](beringia_scenario::Expectations::allowing)).
    pub allowance_ms: u64,
    /// What identifies the run, and what a replay needs.
    pub identity: RunIdentity,
}

/// The users of the regions during a run. The operations of applications are not recorded: they are
/// part of the lag and the backlog of regions, but not of [`Run::seconds`], [`Run::writes`] and
/// [`DiskLoss::writes`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadSource {
    /// Only the scenario's clients.
    #[default]
    Scenario,
    /// The scenario's clients, and applications with global tables of their own.
    ScenarioAndApplications,
    /// Applications, and the probes of a drill.
    ApplicationsAndProbes,
}

/// The scenario's objective ([`Objective`]).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReportedObjective {
    /// The least share of the operations that must succeed, in percent.
    pub success_percent: f64,
    /// The longest time from when an operation is due until its answer, in milliseconds, with which
    /// it succeeds.
    pub p99_ms: f64,
    /// How long success must stay above its threshold until users count as served again, in
    /// milliseconds.
    pub window_ms: u64,
}

impl From<&ReportedObjective> for Objective {
    fn from(reported: &ReportedObjective) -> Self {
        Self {
            success_percent_min: reported.success_percent,
            latency_max: Duration::from_secs_f64(reported.p99_ms / 1000.0),
            window: Duration::from_millis(reported.window_ms),
        }
    }
}

impl From<&Objective> for ReportedObjective {
    fn from(objective: &Objective) -> Self {
        Self {
            success_percent: objective.success_percent_min,
            p99_ms: millis(micros(objective.latency_max)),
            window_ms: whole_millis(objective.window),
        }
    }
}

/// The kind of player that ran a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Player {
    /// The simulator: virtual time, one process.
    Sim,
    /// A drill in real time, against the regions of one process.
    Drill,
    /// A drill in real time, against regions in processes or containers of their own.
    Containers,
}

/// A fault or change of the timeline, and how long it lasted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// When the fault or change began.
    pub from_ms: u64,
    /// The end of the fault; equal to `from_ms` for one that takes no time, `None` for one that
    /// lasted to the end.
    pub until_ms: Option<u64>,
    /// A short description, such as `isolate eu-west-1`.
    pub label: String,
    /// The regions that it affected.
    pub regions: Vec<String>,
    /// The kind of fault or change.
    pub kind: FaultKind,
}

/// The kinds of faults and changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// Links that let nothing through.
    Partition,
    /// Links that are slower, narrower or lossier.
    Network,
    /// A region that is down.
    Region,
    /// A disk that is slow or full.
    Disk,
    /// A clock that jumps or drifts.
    Clock,
    /// Operations: pauses, drains, replicas.
    Operation,
    /// Load that moves or changes.
    Traffic,
}

impl FaultKind {
    /// Whether it is a fault, and not an intended change.
    #[must_use]
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::Operation | Self::Traffic)
    }

    /// Whether clients or other regions cannot reach the region. Slow disks, slow links and wrong
    /// clocks do not count.
    #[must_use]
    pub fn makes_unreachable(self) -> bool {
        matches!(self, Self::Region | Self::Partition)
    }
}

/// The results of the operations of one region's clients that were due in one second and sent to
/// one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionSecond {
    /// The region where the clients live.
    pub region: String,
    /// The region that they called. It differs from `region` while traffic is shifted.
    pub called: String,
    /// The second since the load began.
    pub second: u64,
    /// Operations that were due by the workloads' rates.
    pub due: u64,
    /// Of these, the answered ones (a refusal that the workload provokes itself, such as a failed
    /// condition, counts as an answer).
    pub answered: u64,
    /// Of the answered operations, those that were answered within the objective's latency.
    pub within: u64,
    /// Of the answered operations, those that a condition rejected.
    pub rejected: u64,
    /// Of the due operations, those that got no connection, no answer, or an error of the region.
    pub failed: u64,
    /// The failed operations by their cause.
    pub causes: FailureCounts,
    /// The median latency of answered operations from when they were due, in milliseconds; `None`
    /// where none was answered.
    pub latency_ms_p50: Option<f64>,
    /// The 99th percentile of the same latency.
    pub latency_ms_p99: Option<f64>,
}

/// The latency of one region's clients, over the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientLatency {
    /// The region where the clients live.
    pub region: String,
    /// From when an operation was due to its answer, in milliseconds, for answered operations.
    pub latency_ms: Quantiles,
}

/// The number of samples, and their quantiles 0 (`min`), .5, .9, .95, .99, .999 and 1 (`max`).
#[expect(missing_docs, reason = "the fields' names say it all")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    pub count: u64,
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Quantiles {
    /// All quantiles, from the least to the greatest.
    pub(crate) const fn all(&self) -> [f64; 7] {
        [self.min, self.p50, self.p90, self.p95, self.p99, self.p999, self.max]
    }
}

/// The measurements of replication from one region to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The region in which the mutations were written.
    pub from: String,
    /// The region in which they became visible.
    pub to: String,
    /// The time from the commit in `from` until visible in `to`, in milliseconds.
    pub lag_ms: Quantiles,
    /// The lag without the link's one-way delay at that time.
    pub excess_ms: Quantiles,
    /// The lag over time, by the second of the commit.
    pub lag: Vec<LagPoint>,
    /// The unacknowledged mutations, over time.
    pub backlog: Vec<BacklogSample>,
    /// Bytes sent over the wire in this direction.
    pub wire_bytes: u64,
    /// Mutations of `from` that arrived at `to`.
    pub mutations: u64,
    /// Writes that `from` acknowledged to recorded clients and that were due to arrive at `to`; 0
    /// where `to` has no replicas.
    pub due: u64,
    /// Mutations that `from` committed and that never arrived at `to`, where that is known for each
    /// mutation: in simulation, and in a drill for its own tables.
    pub missing: u64,
    /// The age of the oldest of these at the end of the run, in milliseconds. It is not part of
    /// `lag_ms`.
    pub missing_ms: u64,
}

/// The lag of the mutations of one second, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LagPoint {
    /// The second since the load began.
    pub second: u64,
    /// The median lag in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile of the lag in milliseconds.
    pub p99_ms: f64,
    /// The greatest lag in milliseconds.
    pub max_ms: f64,
}

/// The mutations of a region that another had not acknowledged at a time.
#[expect(missing_docs, reason = "the fields' names say it all")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacklogSample {
    pub at_ms: u64,
    pub mutations: u64,
    pub bytes: u64,
}

/// How much regions differed at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// When they were compared, in milliseconds since the load began.
    pub at_ms: u64,
    /// Keys that are not equal in all running regions; where only digests can be compared, ranges.
    pub keys: u64,
}

/// How long regions took to converge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// The event before it, such as `restart eu-west-1` or `the end of the load`.
    pub after: String,
    /// The time of that event.
    pub from_ms: u64,
    /// How long it took; `None`: they did not converge before the run ended.
    pub elapsed_ms: Option<u64>,
    /// The least time that bandwidth, delay and the apply rate allow. The rate was measured in
    /// another run or is stated; if it is unknown, applying takes no time.
    pub bound_ms: f64,
    /// How long after the event something else kept regions apart (a partition, a region or disk
    /// with a fault, a pause, a degraded link), in milliseconds: 0 if it did from the beginning,
    /// `None` if nothing did before the regions had converged. A convergence is judged by the time
    /// until then.
    pub disturbed_after_ms: Option<u64>,
    /// Whether it took longer than the scenario allows, although nothing else kept regions apart
    /// until then: the run fails. It is set by [`judge`](crate::judge).
    pub is_late: bool,
}

impl Convergence {
    /// Whether it took longer than `most_ms`, although nothing else kept regions apart until then.
    #[must_use]
    pub fn took_longer(&self, most_ms: f64) -> bool {
        let was_undisturbed = self.disturbed_after_ms.is_none_or(|ms| ms as f64 >= most_ms);
        was_undisturbed && self.elapsed_ms.is_none_or(|ms| ms as f64 > most_ms)
    }

    /// The duration as a multiple of the bound; `None` where it did not end, or there was nothing
    /// to send.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.ratio_beyond(Duration::ZERO)
    }

    /// The duration without this allowance as a multiple of the bound; `None` as for
    /// [`Convergence::ratio`].
    pub(crate) fn ratio_beyond(&self, allowance: Duration) -> Option<f64> {
        let elapsed_ms = self.elapsed_ms?.saturating_sub(whole_millis(allowance)) as f64;
        (self.bound_ms > 0.0).then(|| elapsed_ms / self.bound_ms)
    }
}

/// The loss of a region's disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskLoss {
    /// The region that lost its disk.
    pub region: String,
    /// When the disk was lost.
    pub at_ms: u64,
    /// Acknowledged writes of recorded clients that no other region had. Without other clients this
    /// is [`DiskLoss::rpo`] in writes.
    pub writes: u64,
    /// The bytes of these writes.
    pub bytes: u64,
    /// The time from the acknowledgement of the oldest of them to the loss.
    pub seconds: f64,
    /// The backlog that the region reported before the loss; `None`: the region did not answer.
    pub reported_backlog: Option<ReportedBacklog>,
}

impl DiskLoss {
    /// The measured recovery point: the loss of recorded clients. If applications used the region,
    /// too, it is at least the backlog that the region reported, which includes their writes;
    /// `None`: it did not report one.
    #[must_use]
    pub fn rpo(&self, clients: LoadSource) -> Option<ReportedBacklog> {
        if clients == LoadSource::Scenario {
            return Some(ReportedBacklog {
                writes: self.writes,
                bytes: self.bytes,
                seconds: self.seconds,
            });
        }
        self.reported_backlog.map(|reported| ReportedBacklog {
            writes: reported.writes.max(self.writes),
            bytes: reported.bytes.max(self.bytes),
            seconds: reported.seconds.max(self.seconds),
        })
    }
}

/// The writes that were known to be in no other region when a disk was lost: in simulation, the
/// acknowledged writes that no other region's vector covered; in a drill, the backlog that the
/// region last reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReportedBacklog {
    /// The number of these writes.
    pub writes: u64,
    /// In simulation the bytes of the requests, in a drill the bytes of the records in the region's
    /// log.
    pub bytes: u64,
    /// The age of the oldest write: in simulation since it was acknowledged, in a drill since it
    /// was committed.
    pub seconds: f64,
}

/// An anomaly that was visible to clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyCount {
    /// Its name, such as `stale-read`.
    pub name: String,
    /// How often it was visible.
    pub count: u64,
    /// The worst case in milliseconds, if the anomaly has a duration (how stale).
    pub worst_ms: Option<f64>,
    /// An example, as a sentence.
    pub example: Option<String>,
}

/// Conflicts between writes of two regions in one second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictCell {
    /// The region whose write won.
    pub winner: String,
    /// The region whose write lost.
    pub loser: String,
    /// The second of the losing write, since the load began.
    pub second: u64,
    /// How many conflicts these two regions had in that second.
    pub count: u64,
}

/// An expectation of the scenario, and whether the run met it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The expectation with its bound, such as `converged within 10 s of each heal`.
    pub expected: String,
    /// The measured value, as text.
    pub measured: String,
    /// Whether the measured value is within the bound.
    pub holds: bool,
}
