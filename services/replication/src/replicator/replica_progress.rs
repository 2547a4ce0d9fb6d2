//! How far the replicas of other regions have this region's own writes.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId};
use beringia_storage_types::ReplicaStatus;

use super::Replicator;
use crate::{receiver::Receiver, watermark::ReplicaProgress};

impl Replicator {
    /// For each table, how far each other replica that stays has this region's own writes; for the
    /// catalog, how far each peer has them.
    ///
    /// Two streams report what a peer has: its acknowledgements on the stream that it dialled, and
    /// its announcements, which are durable too, on the stream that this region dialled. Both
    /// include what reached it through a relay. Nothing else tells that a relay passed a write on:
    /// nothing is known of a peer without an open stream in either direction.
    #[must_use]
    pub fn replica_progress(&self) -> BTreeMap<TableId, BTreeMap<Region, ReplicaProgress>> {
        let context = self.context();
        let of_catalog = context
            .peers
            .iter()
            .map(|peer| (peer, &ReplicaStatus::Active))
            .collect();
        let of_tables = context.catalog.iter().map(|(table, view)| {
            let stays = |(region, status): &(&Region, &ReplicaStatus)| **region != context.region && status.stays();
            (*table, view.replicas.iter().filter(stays).collect())
        });
        let tables = std::iter::once((TableId::CATALOG, of_catalog)).chain(of_tables);
        tables
            .map(|(table, replicas): (TableId, Vec<(&Region, &ReplicaStatus)>)| {
                let progress = |(region, status)| (Region::clone(region), self.progress(table, region, status));
                (table, replicas.into_iter().map(progress).collect())
            })
            .collect()
    }

    fn progress(&self, table: TableId, region: &Region, status: &ReplicaStatus) -> ReplicaProgress {
        let source = self.source_of(region);
        let session = self.receiver(region).and_then(Receiver::session);
        let acknowledged = source.and_then(|source| source.reported.of(table));
        let announced = session.and_then(|session| session.announced.reported.of(table));
        ReplicaProgress {
            status: status.clone(),
            is_reachable: source.is_some() || session.is_some(),
            watermark: [acknowledged, announced]
                .into_iter()
                .flatten()
                .max_by_key(|known| (known.sequence, std::cmp::Reverse(known.reported_ms))),
        }
    }
}
