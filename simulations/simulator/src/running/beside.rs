//! The clients beside the workloads, if the scenario has them: those of a table that is created
//! again and again, and those of DynamoDB streams.

use std::collections::BTreeMap;

use beringia_history::{Evidence, ReplicaHistory};
use beringia_oracle::{Violation, judge_recreated};
use beringia_scenario::Scenario;
use beringia_workload::WorkloadTable;

use crate::{Cluster, SimulationError, losses::Loss, recreation::Recreation, stream_readers::StreamReaders};

/// The clients of a run that no workload has.
#[derive(Default)]
pub(super) struct ClientsBeside {
    recreation: Option<Recreation>,
    stream_readers: Option<StreamReaders>,
}

impl ClientsBeside {
    /// Starts the clients when the load begins; `tables` are those of the workloads.
    pub(super) fn start(scenario: &Scenario, cluster: &Cluster, tables: &[WorkloadTable]) -> Self {
        Self {
            recreation: scenario.recreated_table.then(|| Recreation::start(cluster)),
            stream_readers: scenario.stream_readers.then(|| StreamReaders::start(cluster, tables)),
        }
    }

    /// Ends the clients that write.
    pub(super) fn end_load(&mut self) {
        if let Some(recreation) = &mut self.recreation {
            recreation.stop();
        }
    }

    /// Reads the streams to their end, and adds them to the evidence, which is by table. Streams of
    /// replicas that lost their beginning are left out.
    pub(super) async fn add_streams(&mut self, replicas: &ReplicaHistory, evidence: &mut BTreeMap<String, Evidence>) {
        let Some(readers) = self.stream_readers.take() else {
            return;
        };
        for ((region, table), read) in readers.finish().await {
            if replicas.has_whole_log(&region, &table)
                && let Some(of_table) = evidence.get_mut(&table)
            {
                of_table.streams.insert(region, read);
            }
        }
    }

    /// Waits until the regions agree on the recreated table, and returns the promises about it that
    /// were broken. If replicas `may_be_dropped`, any region may lose writes.
    ///
    /// # Errors
    /// [`SimulationError::Store`] if a store cannot be read.
    pub(super) async fn judge_recreated(
        &mut self,
        cluster: &Cluster,
        losses: &[Loss],
        may_be_dropped: bool,
    ) -> Result<Vec<Violation>, SimulationError> {
        let Some(recreation) = self.recreation.take() else {
            return Ok(Vec::new());
        };
        let mut lost_before_us = BTreeMap::new();
        if may_be_dropped {
            lost_before_us.extend(cluster.names().into_iter().map(|region| (region, u64::MAX)));
        }
        for loss in losses {
            let until = lost_before_us.entry(loss.region.clone()).or_insert(0);
            *until = loss.at_us().max(*until);
        }
        Ok(judge_recreated(
            &recreation.until_agreed(cluster, lost_before_us).await?,
        ))
    }
}
