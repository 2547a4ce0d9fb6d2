//! The reports of this region to the source: the last batch, and its vectors.

use beringia_item::{TableId, VersionVector};
use beringia_storage_types::{SharedVectors, changed_vectors};

use super::subscribed::Subscribed;
use crate::{
    context::Context,
    message::{Acknowledgement, TableVectors},
};

/// The state of this region as the source knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Acks {
    /// The last completed batch: it is durable here, or was dropped; 0 before the first.
    batch: u64,
    vectors: TableVectors,
    /// This region's vectors at the last acknowledgement that reported changes, and those of later
    /// subscriptions. Of the subscribed tables, the source knows these.
    compared: SharedVectors,
}

impl Acks {
    /// Empties what only saves comparisons.
    pub(super) fn normalize(&mut self) {
        self.compared = SharedVectors::new();
    }

    /// Records vectors that a subscription reports to the source. Those of a replica that was
    /// dropped fall back, and may reach later what they were at the last comparison.
    pub(super) fn on_subscribed(&mut self, vectors: &TableVectors) {
        for (table, vector) in vectors {
            if self.compared.get(table) != Some(vector) {
                self.compared.insert(*table, vector.clone());
            }
        }
        self.vectors.extend(vectors.clone());
    }

    /// Records that all batches up to this one are completed.
    pub(super) fn complete(&mut self, batch: u64) {
        debug_assert!(self.batch < batch, "batches are completed once and in order");
        self.batch = batch;
    }

    /// An acknowledgement of the last batch, without vectors.
    pub(super) fn of_batch(&self) -> Acknowledgement {
        Acknowledgement {
            batch: self.batch,
            tables: TableVectors::new(),
        }
    }

    /// An acknowledgement with those vectors of the subscribed tables that the source does not know
    /// yet.
    pub(super) fn with_changes(&mut self, context: &Context, subscribed: &Subscribed) -> Acknowledgement {
        let changed: TableVectors = self
            .changes(context, subscribed)
            .map(|(table, vector)| (table, vector.clone()))
            .collect();
        self.vectors.extend(changed.clone());
        self.compared.clone_from(&context.local);
        debug_assert!(
            subscribed.tables().all(|table| {
                let vector = context.local.get(table);
                vector.is_none_or(|vector| self.vectors.get(table) == Some(vector))
            }),
            "the source knows all vectors of subscribed tables"
        );
        Acknowledgement {
            batch: self.batch,
            tables: changed,
        }
    }

    /// Whether the source does not know all of this region's vectors of the subscribed tables.
    pub(super) fn is_behind(&self, context: &Context, subscribed: &Subscribed) -> bool {
        self.changes(context, subscribed).next().is_some()
    }

    /// This region's vectors of the subscribed tables that the source does not know. Only those
    /// that changed since the last comparison are looked at: there may be thousands of tables.
    fn changes<'c>(
        &'c self,
        context: &'c Context,
        subscribed: &'c Subscribed,
    ) -> impl Iterator<Item = (TableId, &'c VersionVector)> {
        let changed = changed_vectors(&self.compared, &context.local);
        changed.filter(|(table, vector)| subscribed.contains_table(table) && self.vectors.get(table) != Some(*vector))
    }
}
