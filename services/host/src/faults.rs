//! Pauses of the replication of tables, by name: for the control service and for fault injection
//! experiments.

use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use beringia_fis::{FaultError, FaultInjector, TableReplica};
use beringia_item::{Region, TableId};
use beringia_node::Node;
use beringia_proto::v1::{ReplicationPause, ReplicationResume, control_recorded::What};

use crate::{host::Host, region::Hosted};

/// The reason why the replication of a table cannot be paused in a region.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PauseError {
    /// The region is not running.
    #[error("{0} is down")]
    Down(Region),
    /// The region has no replica of a global table with this name.
    #[error("{region} has no replica of a global table `{table}`")]
    NoReplica { region: Region, table: String },
}

/// The id of the table with that name, if it is global.
fn global_table(node: &Node, name: &str) -> Option<TableId> {
    let catalog = node.store().catalog();
    let table = catalog
        .by_name
        .get(name)
        .filter(|table| table.held && table.is_global());
    table.map(|table| table.id)
}

impl Hosted {
    /// Pauses a table's replication in this region.
    pub(crate) async fn pause_replication(&self, table: &str) -> Result<(), PauseError> {
        let pause = |node: &Node| global_table(node, table).is_some_and(|id| node.pause_replication(id).is_ok());
        self.expect(self.with_node(pause).await, table)
    }

    /// Resumes a table's replication in this region, if it is paused.
    pub(crate) async fn resume_replication(&self, table: &str) {
        let resume = |node: &Node| {
            let Some(id) = global_table(node, table) else { return };
            node.resume_replication(id);
        };
        // A region that is down has no pauses.
        let _ = self.with_node(resume).await;
    }

    fn expect(&self, done: Option<bool>, table: &str) -> Result<(), PauseError> {
        let region = self.name().clone();
        match done {
            Some(true) => Ok(()),
            Some(false) => Err(PauseError::NoReplica {
                region,
                table: table.to_owned(),
            }),
            None => Err(PauseError::Down(region)),
        }
    }
}

/// The regions of this process as experiments see them. Each region serves experiments, so this is
/// created before the regions are.
#[derive(Default)]
pub(crate) struct HostFaults(OnceLock<Weak<Host>>);

impl HostFaults {
    /// Makes these regions available to experiments.
    pub(crate) fn attach(&self, host: &Arc<Host>) {
        self.0.get_or_init(|| Arc::downgrade(host));
    }

    fn host(&self) -> Result<Arc<Host>, FaultError> {
        let host = self.0.get().and_then(Weak::upgrade);
        host.ok_or_else(|| FaultError("the regions are starting or have ended".to_owned()))
    }
}

fn hosted<'h>(host: &'h Host, name: &str) -> Result<&'h Hosted, FaultError> {
    host.hosted(name)
        .map_err(|status| FaultError(status.message().to_owned()))
}

#[async_trait]
impl FaultInjector for HostFaults {
    async fn find(&self, replica: &TableReplica) -> Result<(), FaultError> {
        let host = self.host()?;
        let region = hosted(&host, &replica.region)?;
        let found = region
            .with_node(|node| global_table(node, &replica.table).is_some())
            .await;
        region
            .expect(found, &replica.table)
            .map_err(|error| FaultError(error.to_string()))
    }

    async fn pause(&self, replica: &TableReplica) -> Result<(), FaultError> {
        let host = self.host()?;
        let paused = hosted(&host, &replica.region)?.pause_replication(&replica.table).await;
        paused.map_err(|error| FaultError(error.to_string()))?;
        let TableReplica { region, table } = replica.clone();
        host.tap().note(What::Pause(ReplicationPause { region, table }));
        Ok(())
    }

    async fn resume(&self, replica: &TableReplica) {
        let Ok(host) = self.host() else { return };
        if let Ok(region) = hosted(&host, &replica.region) {
            region.resume_replication(&replica.table).await;
            let TableReplica { region, table } = replica.clone();
            host.tap().note(What::Resume(ReplicationResume { region, table }));
        }
    }
}
