//! Pauses of a table's replication in this region, requested by an operator or a fault injection
//! experiment: clients read and write the table here as before, but nothing of it is sent to other
//! regions or taken from them. The others continue among themselves.
//!
//! To its peers, a paused region is one that does not serve the table at present. They do not
//! mistake that for damage: the region withdraws its announcements, digests are not compared,
//! nothing that it may be missing is collected or trimmed, and it is neither copied to nor from. A
//! restart ends all pauses.

use std::collections::BTreeSet;

use beringia_item::TableId;

use super::Replicator;
use crate::change::ReplicaChange;

impl Replicator {
    pub(super) fn pause(&mut self, table: TableId) {
        if !self.context.catalog.contains_key(&table) || !self.context.paused.insert(table) {
            return;
        }
        self.out.report_replica(table, ReplicaChange::Paused);
        self.bootstraps.pause(&self.context, &mut self.out, table);
        self.dirty = true;
    }

    pub(super) fn resume(&mut self, table: TableId) {
        if self.context.paused.remove(&table) {
            self.out.report_replica(table, ReplicaChange::Resumed);
            self.dirty = true;
        }
    }

    /// Tables whose replication is paused here.
    #[must_use]
    pub fn paused(&self) -> &BTreeSet<TableId> {
        &self.context.paused
    }
}
