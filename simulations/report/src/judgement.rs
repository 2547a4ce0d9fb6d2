//! Records the history of a run and the oracle's judgement of it.

use std::time::Duration;

use beringia_history::{History, OperationOutcome};
use beringia_oracle::{Anomaly, Judgement};

use crate::{AnomalyCount, DiskLoss, OperationSample, Recorder, ReportedBacklog};

impl Recorder {
    /// Records all operations of a load.
    pub fn history(&mut self, history: &History) {
        for operation in &history.operations {
            self.operation(&OperationSample {
                home: &operation.home,
                asked: &operation.region,
                due: Duration::from_micros(operation.due_us),
                sent: Duration::from_micros(operation.sent_us),
                done: Duration::from_micros(operation.done_us),
                failure: operation.failure,
                is_rejected: operation.is_rejected(),
            });
            if operation.outcome == OperationOutcome::Ok {
                self.acknowledged(&operation.region, operation.writes.len() as u64);
            }
        }
    }

    /// Adds the judgement of the oracle. `reported_backlogs` has, for each lost disk in the order
    /// in which the oracle was given them, [`DiskLoss::reported_backlog`].
    pub fn judged(
        &mut self,
        judgement: &Judgement,
        reported_backlogs: impl IntoIterator<Item = Option<ReportedBacklog>>,
    ) {
        let run = &mut self.run;
        run.writes = judgement.accounting;
        run.anomalies = judgement.anomalies.iter().map(AnomalyCount::from).collect();
        run.violations = judgement.violations.iter().map(ToString::to_string).collect();
        run.undecided = judgement.undecided;
        let losses = judgement.losses.iter().zip(reported_backlogs);
        run.disk_losses = losses
            .map(|(loss, reported_backlog)| DiskLoss {
                region: loss.region.clone(),
                at_ms: loss.at_us / 1000,
                writes: loss.writes,
                bytes: loss.bytes,
                seconds: loss.seconds,
                reported_backlog,
            })
            .collect();
        self.moves.judged(&judgement.writes);
    }
}

impl From<&Anomaly> for AnomalyCount {
    fn from(anomaly: &Anomaly) -> Self {
        Self {
            name: anomaly.name.to_owned(),
            count: anomaly.count,
            worst_ms: anomaly.worst_ms,
            example: anomaly.example.clone(),
        }
    }
}
