//! Pauses of the replication of tables, in the form of the control protocol.

use beringia_item::TableId;
use beringia_proto::v1::{PausedTable, ReplicationPause, ReplicationResume, control_replication_request::Action};
use tonic::Status;

use super::reports;
use crate::{faults::PauseError, host::Host, region::Hosted};

/// Pauses or resumes replication as requested.
pub(crate) async fn apply(host: &Host, action: Action) -> Result<(), Status> {
    match action {
        Action::Show(_) => Ok(()),
        Action::Pause(pause) => start(host, &pause).await,
        Action::Resume(resume) => end(host, &resume).await,
    }
}

/// The pauses in all regions of this process.
pub(crate) async fn show(host: &Host) -> Vec<PausedTable> {
    let mut paused = Vec::new();
    for region in host.regions() {
        paused.extend(of(region).await);
    }
    paused
}

/// The pauses in a region; none if the region is down.
pub(crate) async fn of(region: &Hosted) -> Vec<PausedTable> {
    let Some((tables, catalog)) = region
        .with_node(|node| (node.paused_replication(), node.store().catalog()))
        .await
    else {
        return Vec::new();
    };
    let paused = |id: TableId| PausedTable {
        region: region.name().to_string(),
        table_id: id.to_string(),
        table: reports::name_of(id, &catalog),
    };
    tables.into_iter().map(paused).collect()
}

async fn start(host: &Host, pause: &ReplicationPause) -> Result<(), Status> {
    let paused = host.hosted(&pause.region)?.pause_replication(&pause.table).await;
    paused.map_err(|error| match &error {
        PauseError::Down(_) => Status::failed_precondition(error.to_string()),
        PauseError::NoReplica { .. } => Status::not_found(error.to_string()),
    })
}

/// Ends the pauses that the request selects. Fails only for an unknown region; a pause ends when
/// its table is deleted.
async fn end(host: &Host, resume: &ReplicationResume) -> Result<(), Status> {
    let regions: Vec<&Hosted> = if resume.region.is_empty() {
        host.regions().iter().collect()
    } else {
        vec![host.hosted(&resume.region)?]
    };
    for region in regions {
        region
            .with_node(|node| {
                let catalog = node.store().catalog();
                let fits = |id: &TableId| {
                    resume.table.is_empty()
                        || catalog
                            .by_id
                            .get(id)
                            .is_some_and(|table| table.core.name == resume.table)
                };
                for id in node.paused_replication().into_iter().filter(fits) {
                    node.resume_replication(id);
                }
            })
            .await;
    }
    Ok(())
}
