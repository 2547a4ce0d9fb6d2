//! Up to where each peer is known to have this region's own writes, and since when: what a drain waits for and proves.

use std::collections::BTreeMap;

use beringia_item::TableId;
use beringia_storage_types::ReplicaStatus;

use crate::{message::TableVectors, world::World};

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
            let sequence = vector.get(&world.origin);
            if self.0.get(table).is_none_or(|known| known.sequence < sequence) {
                let said_ms = world.now.wall_ms;
                let before = self.0.insert(*table, Watermark { sequence, said_ms });
                debug_assert!(
                    before.is_none_or(|before| before.sequence < sequence),
                    "a watermark only rises"
                );
            }
        }
    }

    pub(crate) fn of(&self, table: TableId) -> Option<Watermark> {
        self.0.get(&table).copied()
    }
}
