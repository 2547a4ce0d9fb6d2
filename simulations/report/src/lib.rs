//! What came of a run: the measurements, the verdicts on what was expected, and how people and programs read them.

mod run;

pub use run::{
    AnomalyCount, Backlog, ConflictCell, Convergence, DiskLoss, Divergence, EngineKind, Failover, FaultSpan, LagPoint,
    Pair, Quantiles, RegionSecond, Run, Verdict, Writes,
};
