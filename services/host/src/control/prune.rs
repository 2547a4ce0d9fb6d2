//! Removes conflicts and unshipped writes, as requested by the control protocol.

use beringia_clock::WallClock as _;
use beringia_item::TableId;
use beringia_proto::v1::{ControlPruneConflictsReply, ControlPruneConflictsRequest, PrunedReport};
use beringia_storage::{PruneFilter, PruneTable, Pruned, Store, StoreError};
use tonic::Status;

use crate::{convergence::CATALOG_NAME, host::Host, region::Hosted};

/// Removes what the request names from the journals of hosted regions.
pub(crate) async fn apply(
    host: &Host,
    request: ControlPruneConflictsRequest,
) -> Result<ControlPruneConflictsReply, Status> {
    if !request.dry_run && host.leases().keeps_log() {
        return Err(Status::failed_precondition(
            "a drill judges by the conflicts of these regions; prune when it has ended, or use --dry-run",
        ));
    }
    let regions = match request.region.as_str() {
        "" => host.regions().iter().collect(),
        name => vec![host.hosted(name)?],
    };
    let mut is_known = request.table.is_empty();
    let mut reports = Vec::new();
    for region in regions {
        let store = region.store().await;
        let pruned = match &store {
            Some(store) => prune(region, &**store, &request, &mut is_known).await?,
            None => None,
        };
        let Pruned {
            conflicts,
            unshipped,
            bytes,
        } = pruned.unwrap_or_default();
        reports.push(PrunedReport {
            region: region.name().to_string(),
            down: pruned.is_none(),
            conflicts,
            unshipped,
            bytes,
        });
    }
    if !is_known {
        let table = &request.table;
        return Err(Status::not_found(format!(
            "no region of this process has a table `{table}`, or unshipped writes of it that are old enough"
        )));
    }
    Ok(ControlPruneConflictsReply { regions: reports })
}

/// Prunes one region; `None` if it is down. Notes whether it knows the table of the request.
async fn prune(
    region: &Hosted,
    store: &dyn Store,
    request: &ControlPruneConflictsRequest,
    is_known: &mut bool,
) -> Result<Option<Pruned>, Status> {
    let id = match request.table.as_str() {
        CATALOG_NAME => Some(TableId::CATALOG),
        name => store.catalog().by_name.get(name).map(|table| table.id),
    };
    let table = (!request.table.is_empty()).then(|| PruneTable {
        id,
        name: request.table.clone(),
    });
    let Some(until_ms) = region.clock().now_ms().checked_sub(request.older_than_ms) else {
        *is_known |= id.is_some();
        return Ok(Some(Pruned::default()));
    };
    let filter = PruneFilter {
        until_ms,
        table,
        dry_run: request.dry_run,
    };
    match store.prune_conflicts(&filter).await {
        Ok(pruned) => {
            *is_known |= id.is_some() || pruned.unshipped > 0;
            Ok(Some(pruned))
        }
        Err(StoreError::Closed) => Ok(None),
        Err(error) => Err(Status::internal(format!("{}: {error}", region.name()))),
    }
}
