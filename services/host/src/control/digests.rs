//! The digests of a region's tables, in the form of the control protocol.

use beringia_item::{RANGES, TableId, VersionVector};
use beringia_proto::v1::{ControlDigestsRequest, OriginSequence, RegionDigests, TableDigestReport};
use beringia_storage::{RangeDigest, ReplicaStatus, Store, StoreError, Table};
use bytes::Bytes;
use tonic::Status;
use xxhash_rust::xxh3::Xxh3;

use crate::{convergence::RANGE_BYTES, region::Hosted};

/// The digests of all tables that the region has, and of the catalog.
pub(crate) async fn of(region: &Hosted, request: ControlDigestsRequest) -> Result<RegionDigests, Status> {
    let name = region.name().to_string();
    let down = RegionDigests {
        region: name.clone(),
        running: false,
        tables: Vec::new(),
    };
    let Some(store) = region.store().await else {
        return Ok(down);
    };
    let catalog = store.catalog();
    let held = catalog
        .by_id
        .values()
        .filter(|table| table.held)
        .map(|table| (table.id, Some(&**table)));
    let mut tables = Vec::new();
    for (id, table) in std::iter::once((TableId::CATALOG, None)).chain(held) {
        match report(&*store, id, table, request).await {
            Ok(report) => tables.push(report),
            // Meanwhile the table was deleted, or the region killed.
            Err(StoreError::UnknownTable(_)) => {}
            Err(StoreError::Closed) => return Ok(down),
            Err(error) => return Err(Status::internal(format!("{name}: {error}"))),
        }
    }
    Ok(RegionDigests {
        region: name,
        running: true,
        tables,
    })
}

async fn report(
    store: &dyn Store,
    id: TableId,
    table: Option<&Table>,
    request: ControlDigestsRequest,
) -> Result<TableDigestReport, StoreError> {
    let mut repaired = Vec::new();
    if request.verify {
        for range in 0..RANGES {
            match store.verify_range(id, range).await {
                Ok(true) => repaired.push(u32::from(range)),
                // The range counts as damaged then.
                Ok(false) | Err(StoreError::Unreadable(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let digest = store.digest(id).await?;
    let damaged = store.damage().ranges.into_iter().filter(|damaged| damaged.table == id);
    let own = store.region();
    let replicas = match table {
        Some(table) if table.is_global() => table.replicas.keys().map(ToString::to_string).collect(),
        _ => vec![own.to_string()],
    };
    Ok(TableDigestReport {
        table_id: id.to_string(),
        table: table.map(|table| table.core.name.clone()).unwrap_or_default(),
        replicas,
        vector: vector(&digest.vector),
        digest: overall(&digest.ranges).to_be_bytes().to_vec().into(),
        items: digest.ranges.iter().map(|range| range.items).sum(),
        ranges: if request.ranges {
            digest.ranges.iter().flat_map(range_bytes).collect()
        } else {
            Bytes::new()
        },
        repaired,
        conflict_policy: table
            .and_then(|table| table.conflict_policy)
            .unwrap_or_default()
            .to_string(),
        replica_status: table.and_then(|table| replica_status(store, table)).unwrap_or_default(),
        replica_epoch: table.map(|table| table.replica_epoch).unwrap_or_default(),
        damaged: damaged.map(|damaged| u32::from(damaged.range)).collect(),
    })
}

/// The status of the table's replica in this region, if it is not active and bootstrapped.
fn replica_status(store: &dyn Store, table: &Table) -> Option<String> {
    match table.replicas.get(store.region()).map(|replica| &replica.status) {
        Some(ReplicaStatus::Creating { .. }) => Some("CREATING".to_owned()),
        Some(ReplicaStatus::CreationFailed { .. }) => Some("CREATION_FAILED".to_owned()),
        Some(ReplicaStatus::Dropped { .. }) => Some("REGION_DISABLED".to_owned()),
        Some(ReplicaStatus::Deleting) => Some("DELETING".to_owned()),
        Some(ReplicaStatus::Active) if !table.bootstrapped => Some("being bootstrapped".to_owned()),
        Some(ReplicaStatus::Active) | None => None,
    }
}

/// A vector in the form of the protocol.
pub(crate) fn vector(vector: &VersionVector) -> Vec<OriginSequence> {
    vector
        .iter()
        .map(|(origin, sequence)| OriginSequence {
            origin: origin.to_string(),
            sequence,
        })
        .collect()
}

/// One digest over all ranges of a table.
fn overall(ranges: &[RangeDigest]) -> u128 {
    let mut hash = Xxh3::new();
    for range in ranges {
        hash.update(&range.sum.to_be_bytes());
        hash.update(&range.items.to_be_bytes());
    }
    hash.digest128()
}

/// A range in the form of the protocol.
fn range_bytes(range: &RangeDigest) -> [u8; RANGE_BYTES] {
    let mut bytes = [0; RANGE_BYTES];
    let (sum, items) = bytes.split_at_mut(size_of::<u128>());
    sum.copy_from_slice(&range.sum.to_be_bytes());
    items.copy_from_slice(&range.items.to_be_bytes());
    bytes
}
