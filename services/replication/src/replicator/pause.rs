//! Pausing the replication of a table in this region, as a fault that somebody wants: the table goes on being read and written here, and
//! nothing of it goes out or comes in. All others go on among themselves.
//!
//! To others the region is one that does not serve the table now. Nobody takes that for damage: what it announced is withdrawn, digests
//! are not compared, nothing that it may lack is forgotten, and it is neither copied nor copied from. A restart ends all pauses.

use std::collections::BTreeSet;

use beringia_item::TableId;

use super::Replicator;

impl Replicator {
    pub(super) fn pause(&mut self, table: TableId) {
        if !self.world.catalog.contains_key(&table) || !self.world.paused.insert(table) {
            return;
        }
        self.bootstraps.pause(&self.world, table);
        self.dirty = true;
    }

    pub(super) fn resume(&mut self, table: TableId) {
        self.dirty |= self.world.paused.remove(&table);
    }

    /// Tables whose replication is paused here.
    #[must_use]
    pub fn paused(&self) -> &BTreeSet<TableId> {
        &self.world.paused
    }
}
