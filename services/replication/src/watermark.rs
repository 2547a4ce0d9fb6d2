//! Up to where each peer is known to have this region's own writes, and since when: what a drain waits for and proves.

use std::collections::BTreeMap;

use beringia_item::{Region, TableId};
use beringia_storage_types::ReplicaStatus;

use crate::{message::TableVectors, receiver::Receiver, replicator::Replicator, world::World};

/// What a peer durably has of this region's own writes to a table, as it said itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The sequence up to which it has them all.
    pub sequence: u64,
    /// When it said so first, by this region's wall clock: milliseconds since the Unix epoch.
    pub said_ms: u64,
}

/// How a replica of another region stands to this region's own writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The status of the replica, as the catalog here says.
    pub status: ReplicaStatus,
    /// Whether a stream is open between the two, in either direction. What a peer said before it went out of reach does not count: it
    /// may come back with less.
    pub in_reach: bool,
    /// What it said on the streams that are open now; `None` where it has said nothing of the table.
    pub watermark: Option<Watermark>,
}

/// What one stream's other side said, per table.
#[derive(Debug, Default)]
pub(crate) struct Said(BTreeMap<TableId, Watermark>);

impl Said {
    /// Its vectors as it says them now.
    pub(crate) fn learn(&mut self, world: &World, vectors: &TableVectors) {
        for (table, vector) in vectors {
            let sequence = vector.get(&world.region);
            if self.0.get(table).is_none_or(|known| known.sequence < sequence) {
                let said_ms = world.now.wall_ms;
                self.0.insert(*table, Watermark { sequence, said_ms });
            }
        }
    }

    fn of(&self, table: TableId) -> Option<Watermark> {
        self.0.get(&table).copied()
    }
}

impl Replicator {
    /// For each table, how all other replicas stand that stay; for the catalog, how all peers do.
    ///
    /// What a peer has is known from two streams: its acknowledgements on the one that it dialled, and what it announces of itself on the
    /// one that this region dialled, which is durable too. Both count what came to it by a relay. That a relay passed a write on is not
    /// known otherwise: a peer with which no stream is open in either direction cannot be vouched for.
    #[must_use]
    pub fn standings(&self) -> BTreeMap<TableId, BTreeMap<Region, Standing>> {
        let world = self.world();
        let of_catalog = world.peers.iter().map(|peer| (peer, &ReplicaStatus::Active)).collect();
        let of_tables = world.catalog.iter().map(|(table, view)| {
            let stays = |(region, status): &(&Region, &ReplicaStatus)| **region != world.region && status.stays();
            (*table, view.replicas.iter().filter(stays).collect())
        });
        let tables = std::iter::once((TableId::CATALOG, of_catalog)).chain(of_tables);
        tables
            .map(|(table, replicas): (TableId, Vec<(&Region, &ReplicaStatus)>)| {
                let standing = |(region, status)| (Region::clone(region), self.standing(table, region, status));
                (table, replicas.into_iter().map(standing).collect())
            })
            .collect()
    }

    fn standing(&self, table: TableId, region: &Region, status: &ReplicaStatus) -> Standing {
        let source = self.source_of(region);
        let session = self.receiver(region).and_then(Receiver::session);
        let acknowledged = source.and_then(|source| source.said.of(table));
        let announced = session.and_then(|session| session.said.of(table));
        Standing {
            status: status.clone(),
            in_reach: source.is_some() || session.is_some(),
            watermark: [acknowledged, announced]
                .into_iter()
                .flatten()
                .max_by_key(|known| (known.sequence, std::cmp::Reverse(known.said_ms))),
        }
    }
}
