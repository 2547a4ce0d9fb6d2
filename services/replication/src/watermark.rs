//! The sequence up to which each peer is known to have this region's own writes, and since when. A
//! drain waits for it and reports it as proof.

use std::collections::BTreeMap;

use beringia_item::TableId;
use beringia_storage_types::ReplicaStatus;

use crate::{context::Context, message::TableVectors};

/// How far a peer durably has this region's own writes to a table, as reported by the peer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The sequence up to which the peer has all of them.
    pub sequence: u64,
    /// When the peer first reported this sequence, by this region's wall clock: milliseconds since
    /// the Unix epoch.
    pub reported_ms: u64,
}

/// How far a replica of another region has this region's own writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaProgress {
    /// The status of the replica, according to this region's catalog.
    pub status: ReplicaStatus,
    /// Whether a stream is open between the two regions, in either direction. What a peer reported
    /// before it became unreachable does not count: it may come back with less.
    pub is_reachable: bool,
    /// The reports of the peer on the currently open streams; `None` if it has reported nothing
    /// about the table.
    pub watermark: Option<Watermark>,
}

/// The reports of the other side of one stream, per table.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReportedWatermarks(BTreeMap<TableId, Watermark>);

impl ReportedWatermarks {
    /// Records the vectors that the other side reports.
    pub(crate) fn learn(&mut self, context: &Context, vectors: &TableVectors) {
        for (table, vector) in vectors {
            let sequence = vector.get(&context.origin);
            if self.0.get(table).is_none_or(|known| known.sequence < sequence) {
                let reported_ms = context.now.wall_ms;
                let before = self.0.insert(*table, Watermark { sequence, reported_ms });
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
