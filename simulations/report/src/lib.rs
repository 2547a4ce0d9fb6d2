//! The result of a run: the measurements, the verdicts on its expectations, and their output for
//! people and programs.
//!
//! A player feeds a [`Recorder`] while it plays a plan, adds the oracle's judgement
//! ([`Recorder::judged`]), takes the [`Run`] from it, and judges it with [`judge`]. [`summary`]
//! makes the text for the terminal, [`write()`] the files. A [`Comparison`] puts several runs side
//! by side.

mod allowance;
mod application;
mod application_recovery;
mod application_service;
mod bound;
mod causes;
mod comparison;
mod distribution;
mod drains;
mod failover;
mod faults;
mod figures;
mod files;
mod format;
mod identity;
mod judge;
mod judgement;
mod least;
mod missing;
mod moves;
mod outstanding;
mod page;
mod quantiles;
mod recorder;
mod recovery;
mod run;
mod series;
mod served;
mod summary;
mod traffic;

pub use application::{ApplicationSecond, ApplicationTraffic, RequestCounts, ReroutedRequests, TableRequests};
pub use application_recovery::{ApplicationOutage, ApplicationRecovery};
pub use bound::{Shipment, least_convergence};
pub use causes::FailureCounts;
pub use comparison::{ComparedRun, Comparison, Measured};
pub use distribution::{Distribution, Elapsed};
pub use drains::{DrainTimes, DrainedPeer};
pub use failover::{EffectiveLoss, Failover};
pub use faults::{fault_spans, heals};
pub use files::{WriteError, make, write};
pub use identity::{DrawnSwarm, RunDifference, RunIdentity, first_difference};
pub use judge::judge;
pub use quantiles::Samples;
pub use recorder::{ArrivalSample, Awaited, DrainSample, OperationSample, Recorder};
pub use recovery::{Outage, Recovery, Users};
pub use run::{
    AnomalyCount, BacklogSample, ClientLatency, ConflictCell, Convergence, DiskLoss, Divergence, FaultKind, FaultSpan,
    LagPoint, LoadSource, Pair, Player, Quantiles, RegionSecond, ReportedBacklog, ReportedObjective, Run, Verdict,
};
pub use summary::summary;
pub use traffic::{TrafficSample, TrafficSamples};
