//! The announcements of this region to the receiver: its vectors, and the regions that it cannot
//! reach.

use std::collections::BTreeSet;

use beringia_item::{Region, TableId};

use crate::{
    context::Context,
    message::{TableVectors, ToReceiver},
};

/// The announcements on one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Announcements {
    /// Vectors of the tables that both regions have and this region serves.
    vectors: TableVectors,
    lost: BTreeSet<Region>,
    /// When changes are looked for again.
    due_at_ms: u64,
}

impl Announcements {
    pub(super) const fn is_due(&self, context: &Context) -> bool {
        context.now.elapsed_ms >= self.due_at_ms
    }

    /// The changes since the last announcement, as messages to the peer.
    pub(super) fn changes(&mut self, context: &Context, peer: &Region) -> Vec<ToReceiver> {
        let due_at_ms = context.now.elapsed_ms + context.tuning.announce_ms;
        debug_assert!(self.due_at_ms <= due_at_ms, "announcements are made in order");
        self.due_at_ms = due_at_ms;
        let mut messages = Vec::new();
        let lost = context.lost();
        if self.lost != lost {
            self.lost.clone_from(&lost);
            messages.push(ToReceiver::Lost(lost));
        }
        let mut changed = TableVectors::new();
        for table in context.served() {
            if !context.has_replica(peer, table) {
                continue;
            }
            let vector = context.vector(table);
            if self.vectors.get(&table) != Some(&vector) {
                changed.insert(table, vector);
            }
        }
        if !changed.is_empty() {
            self.vectors.extend(changed.clone());
            messages.push(ToReceiver::Vectors(changed));
        }
        messages
    }

    /// Takes back the announcements of tables that are not served any more, so that the receiver
    /// does not expect them here.
    pub(super) fn withdraw(&mut self, context: &Context, peer: &Region) -> Option<ToReceiver> {
        let is_valid = |table: TableId| context.serves(table) && context.has_replica(peer, table);
        let gone: Vec<TableId> = self.vectors.keys().copied().filter(|table| !is_valid(*table)).collect();
        if gone.is_empty() {
            return None;
        }
        self.vectors.retain(|table, _| !gone.contains(table));
        Some(ToReceiver::Withdraw(gone))
    }
}
