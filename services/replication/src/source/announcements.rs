//! What this region has announced to the receiver: its vectors, and the regions that it has lost.

use std::collections::BTreeSet;

use beringia_item::{Region, TableId};

use crate::{
    message::{TableVectors, ToReceiver},
    world::World,
};

/// What was announced on a stream.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// Vectors of the tables that both regions have and this region serves.
    vectors: TableVectors,
    lost: BTreeSet<Region>,
    /// When changes are looked for again.
    due_at_ms: u64,
}

impl Announcements {
    pub(super) const fn is_due(&self, world: &World) -> bool {
        world.now.elapsed_ms >= self.due_at_ms
    }

    /// What changed since the last announcement, as messages to the peer.
    pub(super) fn changes(&mut self, world: &World, peer: &Region) -> Vec<ToReceiver> {
        let due_at_ms = world.now.elapsed_ms + world.tuning.announce_ms;
        debug_assert!(self.due_at_ms <= due_at_ms, "announcements are made in order");
        self.due_at_ms = due_at_ms;
        let mut messages = Vec::new();
        let lost = world.lost();
        if self.lost != lost {
            self.lost.clone_from(&lost);
            messages.push(ToReceiver::Lost(lost));
        }
        let mut changed = TableVectors::new();
        for table in world.served() {
            if !world.has_replica(peer, table) {
                continue;
            }
            let vector = world.vector(table);
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
    pub(super) fn withdraw(&mut self, world: &World, peer: &Region) -> Option<ToReceiver> {
        let is_valid = |table: TableId| world.serves(table) && world.has_replica(peer, table);
        let gone: Vec<TableId> = self.vectors.keys().copied().filter(|table| !is_valid(*table)).collect();
        if gone.is_empty() {
            return None;
        }
        self.vectors.retain(|table, _| !gone.contains(table));
        Some(ToReceiver::Withdraw(gone))
    }
}
