//! The tables and origins that a stream is subscribed to, and from which generation on each table
//! and origin is taken.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, TableId};

/// A generation that no batch has.
const NEVER: u64 = u64::MAX;

/// The subscription of one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Subscribed {
    /// The generation of the last subscription; 0 before the first.
    generation: u64,
    /// The tables, each with the generation since which it has been subscribed to without
    /// interruption. Batches of older generations may leave a gap.
    tables: BTreeMap<TableId, u64>,
    /// The origins, likewise; [`NEVER`] if nothing more is taken in this subscription.
    origins: BTreeMap<Origin, u64>,
    /// Whether the next subscription starts over even if it asks for the same.
    starts_over: bool,
}

impl Subscribed {
    /// Whether the stream is subscribed to exactly these tables, given in order, and origins.
    pub(super) fn is_to(&self, tables: impl Iterator<Item = TableId> + Clone, origins: &BTreeSet<Origin>) -> bool {
        debug_assert!(tables.clone().is_sorted(), "the catalog comes first");
        self.generation > 0
            && !self.starts_over
            && tables.eq(self.tables.keys().copied())
            && origins.iter().eq(self.origins.keys())
    }

    /// Subscribes to these tables and origins. Returns the new generation.
    pub(super) fn change(&mut self, tables: &BTreeSet<TableId>, origins: &BTreeSet<Origin>) -> u64 {
        if self.starts_over {
            self.tables.clear();
            self.origins.clear();
            self.starts_over = false;
        }
        self.generation += 1;
        let generation = self.generation;
        let since = |before: Option<&u64>| before.copied().unwrap_or(generation);
        self.tables = tables
            .iter()
            .map(|table| (*table, since(self.tables.get(table))))
            .collect();
        self.origins = origins
            .iter()
            .map(|origin| (origin.clone(), since(self.origins.get(origin))))
            .collect();
        debug_assert!(
            self.tables.values().all(|since| *since <= generation)
                && self
                    .origins
                    .values()
                    .all(|since| *since <= generation || *since == NEVER),
            "no part is taken from a future generation: {self:?}"
        );
        generation
    }

    /// Makes the next subscription start over, so that nothing of older generations is taken after
    /// it.
    pub(super) fn start_over(&mut self) {
        self.starts_over = true;
    }

    /// Takes nothing more of what has been sent so far, and makes the next subscription start over.
    pub(super) fn stop(&mut self) {
        self.start_over();
        self.tables.clear();
        self.origins.clear();
    }

    /// Takes nothing more of the origin in this subscription.
    pub(super) fn stop_origin(&mut self, origin: &Origin) {
        self.origins.insert(origin.clone(), NEVER);
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &TableId> {
        self.tables.keys()
    }

    pub(super) fn contains_table(&self, table: &TableId) -> bool {
        self.tables.contains_key(table)
    }

    pub(super) fn contains(&self, table: &TableId, origin: &Origin) -> bool {
        self.tables.contains_key(table) && self.origins.contains_key(origin)
    }

    /// Whether a batch of that generation continues the table and origin without a gap.
    pub(super) fn takes(&self, generation: u64, table: &TableId, origin: &Origin) -> bool {
        self.tables.get(table).is_some_and(|since| generation >= *since)
            && self.origins.get(origin).is_some_and(|since| generation >= *since)
    }
}
