//! Records the history of a run and the oracle's judgement of it.

use std::time::Duration;

use beringia_history::{History, OperationOutcome};
use beringia_oracle::{Anomaly, Judgement};

use crate::{AnomalyCount, DiskLoss, OperationSample, Recorder, ReportedBacklog};

impl Recorder {
    /// Records the requests of a load. The parts of one are one operation, which failed if one of
    /// them did.
    pub fn history(&mut self, history: &History) {
        for request in history.requests() {
            let Some(first) = request.first() else { continue };
            self.operation(&OperationSample {
                home: &first.home,
                asked: &first.region,
                due: Duration::from_micros(first.due_us),
                sent: Duration::from_micros(first.sent_us),
                done: Duration::from_micros(first.done_us),
                failure: request.failure(),
                is_rejected: request.is_rejected(),
            });
            let done = request.0.iter().filter(|part| part.outcome == OperationOutcome::Ok);
            let writes = done.map(|part| part.writes.len() as u64).sum();
            self.acknowledged(&first.region, writes);
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
