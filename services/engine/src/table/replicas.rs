//! `ReplicaUpdates` of UpdateTable: creating and deleting replicas of a global table, version
//! 2019.11.21.

use std::collections::BTreeSet;

use beringia_item::{Region, VersionVector};
use beringia_storage::{Aspect, Catalog, Edit, Replica, ReplicaStatus, Stream, StreamView, Table};

use super::{
    describe::is_removed,
    invalid,
    lifecycle::{Lifecycle, in_use},
};
use crate::{ApiError, api::ReplicationGroupUpdate};

/// The inputs of the edits besides the catalog.
pub(super) struct Here<'a> {
    pub(super) region: &'a Region,
    pub(super) known: &'a BTreeSet<Region>,
    pub(super) now_ms: u64,
    /// The time in the definition of a stream that is turned on now.
    pub(super) stream_ms: u64,
    pub(super) lifecycle: &'a Lifecycle,
}

/// The edits that carry out an update of the replicas.
pub(super) fn replica_edits(
    updates: &[ReplicationGroupUpdate],
    table: &Table,
    catalog: &Catalog,
    here: &Here<'_>,
) -> Result<Vec<Edit>, ApiError> {
    let [update] = updates else {
        return Err(ApiError::validation(
            "Update table operation with more than one create or delete replica actions not allowed",
        ));
    };
    let (ReplicationGroupUpdate::Create { region_name }
    | ReplicationGroupUpdate::Update { region_name }
    | ReplicationGroupUpdate::Delete { region_name }) = update;
    let region = here
        .known
        .iter()
        .find(|known| known.as_str() == region_name)
        .ok_or_else(|| {
            let known: Vec<&str> = here.known.iter().map(Region::as_str).collect();
            ApiError::Validation(format!(
                "Region {region_name} is not supported. The latest version of global tables are only supported in the following \
                 regions: [{}]",
                known.join(", ")
            ))
        })?;
    if region == here.region {
        let verbs = match update {
            ReplicationGroupUpdate::Create { .. } | ReplicationGroupUpdate::Delete { .. } => "add or delete",
            ReplicationGroupUpdate::Update { .. } => "add, delete, or update",
        };
        return Err(ApiError::Validation(format!(
            "Cannot {verbs} the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required."
        )));
    }
    match update {
        ReplicationGroupUpdate::Create { .. } => create(table, catalog, here, region),
        ReplicationGroupUpdate::Update { .. } => {
            member(table, region)?;
            Err(ApiError::validation(
                "A replica has no settings of its own, so there is nothing to update",
            ))
        }
        ReplicationGroupUpdate::Delete { .. } => {
            let replica = member(table, region)?;
            match replica.status {
                ReplicaStatus::Deleting => Err(in_use(&table.core.name, "updated")),
                // Nothing of the replica exists.
                ReplicaStatus::CreationFailed { .. } => {
                    let aspect = beringia_storage::AspectName::Replica(region.clone());
                    Ok(vec![Edit::Remove {
                        table: table.id,
                        aspect,
                    }])
                }
                // Its region learns of the removal when it is reachable again, and keeps its
                // unshipped writes.
                ReplicaStatus::Dropped { ref has, .. } => Ok(vec![set_dropped(table, region, replica, has, false)]),
                ReplicaStatus::Creating { .. } | ReplicaStatus::Active => {
                    Ok(vec![set_replica(table, region, ReplicaStatus::Deleting, here.now_ms)])
                }
            }
        }
    }
}

/// The edit that sets a replica's status.
pub(super) fn set_replica(table: &Table, region: &Region, status: ReplicaStatus, now_ms: u64) -> Edit {
    let replica = Replica {
        status,
        since_ms: now_ms,
    };
    Edit::Set {
        table: table.id,
        aspect: Aspect::Replica {
            region: region.clone(),
            replica,
        },
    }
}

fn set_dropped(table: &Table, region: &Region, replica: &Replica, has: &VersionVector, returns: bool) -> Edit {
    let replica = Replica {
        status: ReplicaStatus::Dropped {
            has: has.clone(),
            returns,
        },
        since_ms: replica.since_ms,
    };
    Edit::Set {
        table: table.id,
        aspect: Aspect::Dropped {
            region: region.clone(),
            replica,
        },
    }
}

fn member<'a>(table: &'a Table, region: &Region) -> Result<&'a Replica, ApiError> {
    table
        .replicas
        .get(region)
        .filter(|replica| !is_removed(replica))
        .ok_or_else(|| {
            ApiError::Validation(format!(
                "Update global table operation failed because one or more replicas were not part of the global table. Please retry the \
                 request without these replicas: [{region}]."
            ))
        })
}

fn create(table: &Table, catalog: &Catalog, here: &Here<'_>, region: &Region) -> Result<Vec<Edit>, ApiError> {
    let name = &table.core.name;
    let already_there = || {
        ApiError::Validation(format!(
            "Failed to create a the new replica of table with name: ‘{name}’ because one or more replicas already existed as tables."
        ))
    };
    if let Some(replica) = table.replicas.get(region).filter(|replica| is_removed(replica))
        && let ReplicaStatus::Dropped { has, .. } = &replica.status
    {
        return Ok(vec![set_dropped(table, region, replica, has, true)]);
    }
    let failed = |replica: &Replica| matches!(replica.status, ReplicaStatus::CreationFailed { .. });
    if table.replicas.get(region).is_some_and(|replica| !failed(replica)) {
        return Err(already_there());
    }
    // Another global table has this name. A regional table of this name is visible only to its own
    // region, which then lets the creation fail.
    let namesake = |other: &Table| {
        other.id != table.id
            && other.core.name == *name
            && other.replicas.get(region).is_some_and(|replica| !failed(replica))
    };
    if catalog.by_id.values().any(|other| namesake(other)) {
        return Err(already_there());
    }
    let mut edits = Vec::new();
    match table.stream {
        // As in DynamoDB, a table that becomes global gets a stream, which DynamoDB's replication
        // needs.
        None => {
            let stream = Stream {
                view: StreamView::NewAndOldImages,
                enabled_ms: here.stream_ms,
            };
            edits.push(Edit::Set {
                table: table.id,
                aspect: Aspect::Stream(Some(stream)),
            });
        }
        Some(Stream {
            view: StreamView::NewAndOldImages,
            ..
        }) => {}
        Some(_) => {
            return Err(invalid(format!(
                "Table {name} must have a stream with StreamViewType NEW_AND_OLD_IMAGES, or none, to be replicated"
            )));
        }
    }
    if table.replicas.is_empty() {
        edits.push(set_replica(table, here.region, ReplicaStatus::Active, here.now_ms));
    }
    edits.push(set_replica(
        table,
        region,
        ReplicaStatus::Creating {
            from: here.region.clone(),
        },
        here.now_ms,
    ));
    Ok(edits)
}
