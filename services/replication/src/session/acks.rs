//! The reports of this region to the source: the last batch, and its vectors.

use beringia_item::TableId;

use crate::{
    context::Context,
    message::{Acknowledgement, TableVectors},
};

/// The state of this region as the source knows it.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// The last completed batch: it is durable here, or was dropped; 0 before the first.
    batch: u64,
    vectors: TableVectors,
}

impl Acks {
    /// Records vectors that a subscription reports to the source.
    pub(super) fn on_subscribed(&mut self, vectors: &TableVectors) {
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

    /// An acknowledgement with those vectors of these tables that the source does not know yet.
    pub(super) fn with_changes<'a>(
        &mut self,
        context: &Context,
        tables: impl Iterator<Item = &'a TableId>,
    ) -> Acknowledgement {
        let changed: TableVectors = tables
            .filter(|table| self.is_behind(context, table))
            .map(|table| (*table, context.vector(*table)))
            .collect();
        self.vectors.extend(changed.clone());
        debug_assert!(
            !changed.keys().any(|table| self.is_behind(context, table)),
            "a change is reported once"
        );
        Acknowledgement {
            batch: self.batch,
            tables: changed,
        }
    }

    /// Whether the source does not know this region's vector of the table.
    pub(super) fn is_behind(&self, context: &Context, table: &TableId) -> bool {
        let vector = context.local.get(table);
        vector.is_some_and(|vector| self.vectors.get(table) != Some(vector))
    }
}
