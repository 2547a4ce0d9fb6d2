//! The measurements of one run, whoever played it. Times are since the load began.

use beringia_oracle::Accounting;
use serde::{Deserialize, Serialize};

/// Everything that was measured in a run. The JSON report is this, field by field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario teaches.
    pub about: String,
    /// What ran it.
    pub player: Player,
    /// From what everything random was drawn.
    pub seed: u64,
    /// The command that runs it again.
    pub replay: String,
    /// The conflict policy of its tables: `item`, `attribute` or `merge`.
    pub policy: String,
    /// The regions, in the order of the topology.
    pub regions: Vec<String>,
    /// Who used them.
    pub clients: Clients,
    /// How long the load lasted.
    pub load_ms: u64,
    /// Until the regions had converged, or patience ended.
    pub total_ms: u64,
    /// What went wrong when.
    pub faults: Vec<FaultSpan>,
    /// Every region's every second.
    pub seconds: Vec<RegionSecond>,
    /// Every region that had clients who were answered.
    pub latencies: Vec<ClientLatency>,
    /// Every ordered pair of regions.
    pub pairs: Vec<Pair>,
    /// Divergence over time.
    pub divergence: Vec<Divergence>,
    /// Each time that regions had to become equal: whenever something was put right, and at the end.
    pub convergences: Vec<Convergence>,
    /// What became of the writes.
    pub writes: Accounting,
    /// Each loss of a disk.
    pub disk_losses: Vec<DiskLoss>,
    /// Each shift of traffic after a fault.
    pub failovers: Vec<Failover>,
    /// Each drain of a region.
    pub drains: Vec<Drain>,
    /// What clients could see.
    pub anomalies: Vec<AnomalyCount>,
    /// How many conflicts there were, by pair of origins and second.
    pub conflicts: Vec<ConflictCell>,
    /// Promises that were broken, in words; empty, or something is wrong with Beringia.
    pub violations: Vec<String>,
    /// What of the timeline did not happen, since it waits for the proof of a drain that did not come in time.
    pub not_played: Vec<String>,
    /// What a reader has to know to understand the numbers, such as what was not waited for.
    pub notes: Vec<String>,
    /// What was expected, and whether it holds.
    pub verdicts: Vec<Verdict>,
}

/// Who used the regions during a run. What applications do nobody records: it is in the lag and the backlog of regions, and not in
/// [`Run::seconds`], [`Run::writes`] and [`DiskLoss::writes`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clients {
    /// The scenario's clients alone.
    #[default]
    Scenario,
    /// These, and applications that have global tables of their own.
    ScenarioAndApplications,
    /// Applications, and probes.
    ApplicationsAndProbes,
}

/// What ran a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Player {
    /// Virtual time, one process.
    Sim,
    /// Real time, regions of an `up`.
    Drill,
    /// Real time, regions in containers.
    Containers,
}

/// Something that was wrong for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// From.
    pub from_ms: u64,
    /// Until; the same as `from_ms` for what takes no time, `None` where it lasted to the end.
    pub until_ms: Option<u64>,
    /// What, in a few words.
    pub label: String,
    /// The regions that it touched.
    pub regions: Vec<String>,
    /// What kind of thing.
    pub kind: FaultKind,
}

/// Kinds of what a timeline does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// Links that let nothing through.
    Partition,
    /// Links that are slower, narrower or lossier.
    Network,
    /// A region that is gone.
    Region,
    /// A disk that is slow or full.
    Disk,
    /// A clock that goes wrong.
    Clock,
    /// What operators do: pauses, drains, replicas.
    Operation,
    /// Load that moves or changes.
    Traffic,
}

impl FaultKind {
    /// Whether something is broken, rather than done on purpose.
    #[must_use]
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::Operation | Self::Traffic)
    }

    /// Whether clients or other regions cannot reach the region that it touches; what only slows it or its clock does not.
    #[must_use]
    pub fn makes_unreachable(self) -> bool {
        matches!(self, Self::Region | Self::Partition)
    }
}

/// What one region's clients saw in one second, by when operations were due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionSecond {
    /// The region where the clients live.
    pub region: String,
    /// The second since the load began.
    pub second: u64,
    /// Operations that the rate wanted.
    pub due: u64,
    /// Of these, answered (also with a refusal that the workload provokes itself, such as a failed condition).
    pub answered: u64,
    /// Of these, without a connection or an answer, or that the region failed.
    pub failed: u64,
    /// From due to done, milliseconds, of those answered; `None` where none was.
    pub latency_ms_p50: Option<f64>,
    /// The same.
    pub latency_ms_p99: Option<f64>,
}

/// How long one region's clients waited for answers, over the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientLatency {
    /// The region where the clients live.
    pub region: String,
    /// From when an operation was due to its answer, milliseconds, of those answered.
    pub latency_ms: Quantiles,
}

/// The quantiles 0, .5, .9, .95, .99, .999 and 1 of a number of samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Samples.
    pub count: u64,
    /// The least.
    pub min: f64,
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
}

impl Quantiles {
    /// All of them, from the least to the greatest.
    pub(crate) const fn all(&self) -> [f64; 7] {
        [self.min, self.p50, self.p90, self.p95, self.p99, self.p999, self.max]
    }
}

/// What was measured between two regions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Where the mutations were written.
    pub from: String,
    /// Where they became visible.
    pub to: String,
    /// From commit there to visible here, milliseconds.
    pub lag_ms: Quantiles,
    /// The same without the link's one-way delay at that time.
    pub excess_ms: Quantiles,
    /// Over time, by the second of the commit.
    pub lag: Vec<LagPoint>,
    /// What had not arrived yet, over time.
    pub backlog: Vec<Backlog>,
    /// Bytes that went over the wire in this direction.
    pub wire_bytes: u64,
    /// Mutations of `from` that arrived at `to`.
    pub mutations: u64,
}

/// The lag of what was committed in one second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LagPoint {
    /// The second since the load began.
    pub second: u64,
    /// Median, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile, milliseconds.
    pub p99_ms: f64,
    /// The greatest, milliseconds.
    pub max_ms: f64,
}

/// What of a region's writes another had not acknowledged at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// The moment.
    pub at_ms: u64,
    /// Mutations.
    pub mutations: u64,
    /// Bytes.
    pub bytes: u64,
}

/// How much regions differed at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// The moment.
    pub at_ms: u64,
    /// Keys that are not equal in all running regions; where only digests can be compared, ranges.
    pub keys: u64,
}

/// How long it took regions to become equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// What they converged after, such as `restart eu-west-1` or `the end of the load`.
    pub after: String,
    /// From when it is counted.
    pub from_ms: u64,
    /// How long it took; `None`: they did not, while the run lasted.
    pub elapsed_ms: Option<u64>,
    /// The least that bandwidth, delay and the measured apply rate allowed.
    pub bound_ms: f64,
    /// Whether something else kept regions apart meanwhile (a partition, a region or disk that was away, a pause, a link that was made worse):
    /// then nothing follows from how long it took, and it is not judged.
    pub disturbed: bool,
}

impl Convergence {
    /// How many times the least time it took; `None` where it did not end, or there was nothing to send.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let elapsed_ms = self.elapsed_ms? as f64;
        (self.bound_ms > 0.0).then(|| elapsed_ms / self.bound_ms)
    }
}

/// A disk that was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskLoss {
    /// Whose.
    pub region: String,
    /// When.
    pub at_ms: u64,
    /// Acknowledged writes of recorded clients that no other region had: [`DiskLoss::rpo`] in writes, where there were no others.
    pub writes: u64,
    /// The same in bytes.
    pub bytes: u64,
    /// From when the oldest of them was acknowledged to the loss.
    pub seconds: f64,
    /// The same as it was known at that moment, before anybody looked for what is missing; `None`: the region did not answer.
    pub reported_backlog: Option<ReportedBacklog>,
}

impl DiskLoss {
    /// The recovery point. What recorded clients lost; where applications used the region besides, what the region said that it had alone, which
    /// is theirs too; `None`: it did not say.
    #[must_use]
    pub fn rpo(&self, clients: Clients) -> Option<ReportedBacklog> {
        if clients == Clients::Scenario {
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

/// What was known to be nowhere else when a disk was lost: in simulation what no other region's vector covered and a client had been told
/// of, in a drill what the region last said of its backlog.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReportedBacklog {
    /// Writes.
    pub writes: u64,
    /// Bytes: in simulation of the requests, in a drill of the records in the region's log.
    pub bytes: u64,
    /// The age of the oldest: in simulation since it was acknowledged, in a drill since it was committed.
    pub seconds: f64,
}

/// A region that was closed for writes, to be left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Which.
    pub region: String,
    /// When it was closed.
    pub from_ms: u64,
    /// When every other region was known to have its last write of every table; `None`: that was not seen before it was opened again, or
    /// the run ended.
    pub proven_ms: Option<u64>,
    /// When it was left: its clients were sent elsewhere, or it was taken down; `None`: it was not.
    pub left_ms: Option<u64>,
    /// When each other region had acknowledged its last write of every table.
    pub peers: Vec<DrainedPeer>,
}

/// What another region has of one that is drained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainedPeer {
    /// Which.
    pub peer: String,
    /// When it had acknowledged the last write; `None`: that was not seen.
    pub proven_ms: Option<u64>,
}

impl Drain {
    /// From the closing to the proof; `None`: there was none.
    #[must_use]
    pub fn elapsed_ms(&self) -> Option<u64> {
        Some(self.proven_ms?.saturating_sub(self.from_ms))
    }

    /// Whether the region was left before it was known that nothing would be lost by it.
    #[must_use]
    pub fn was_left_early(&self) -> bool {
        self.left_ms
            .is_some_and(|left| self.proven_ms.is_none_or(|proven| proven > left))
    }
}

/// Traffic that moved after a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// From where.
    pub from: String,
    /// To where.
    pub to: String,
    /// When `from` was first unreachable, or the traffic moved where it was not.
    pub fault_ms: u64,
    /// When traffic moved.
    pub shifted_ms: u64,
    /// The first success of moved traffic; `None`: there was none.
    pub first_success_ms: Option<u64>,
}

impl Failover {
    /// From the fault to the first success of moved traffic; `None`: there was none.
    #[must_use]
    pub fn rto_ms(&self) -> Option<u64> {
        Some(self.first_success_ms?.saturating_sub(self.fault_ms))
    }
}

/// An anomaly that clients could see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyCount {
    /// Its name, such as `stale-read`.
    pub name: String,
    /// How often.
    pub count: u64,
    /// The worst, in milliseconds where it has a length (how stale).
    pub worst_ms: Option<f64>,
    /// One of them, in words.
    pub example: Option<String>,
}

/// Conflicts between writes of two regions in one second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictCell {
    /// Whose write stayed.
    pub winner: String,
    /// Whose did not.
    pub loser: String,
    /// The second of the losing write, since the load began.
    pub second: u64,
    /// How many.
    pub count: u64,
}

/// Whether something expected holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was expected, in words with its bound, such as `converged within 10 s of each heal`.
    pub expected: String,
    /// What was measured, in words.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}
