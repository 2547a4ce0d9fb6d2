//! The tables and origins that the source refused because its log no longer holds them, until they
//! are requested again.

use std::collections::BTreeSet;

use beringia_item::{Origin, TableId};

/// The tables and origins whose writes the source's log no longer holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals {
    parts: BTreeSet<(TableId, Origin)>,
    /// When all of them are requested again.
    retry_at_ms: u64,
}

impl Refusals {
    /// Adds refused parts. The pause restarts for those refused before.
    pub(super) fn add(&mut self, parts: impl Iterator<Item = (TableId, Origin)>, retry_at_ms: u64) {
        debug_assert!(self.retry_at_ms <= retry_at_ms, "pauses of equal length end in order");
        self.parts.extend(parts);
        self.retry_at_ms = retry_at_ms;
    }

    /// Drops everything once the pause is over. Returns whether there was anything.
    pub(super) fn expire(&mut self, now_ms: u64) -> bool {
        let is_over = !self.parts.is_empty() && now_ms >= self.retry_at_ms;
        if is_over {
            self.parts.clear();
        }
        is_over
    }

    /// Drops the refused parts of all tables except these.
    pub(super) fn retain(&mut self, tables: &BTreeSet<TableId>) {
        self.parts.retain(|(table, _)| tables.contains(table));
    }

    /// Drops the refused parts of the table. Returns whether there were any.
    pub(super) fn remove(&mut self, table: TableId) -> bool {
        let before = self.parts.len();
        self.parts.retain(|(refused, _)| *refused != table);
        self.parts.len() != before
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(TableId, Origin)> {
        self.parts.iter()
    }

    pub(crate) fn contains(&self, part: &(TableId, Origin)) -> bool {
        self.parts.contains(part)
    }

    /// Whether writes of the origin to any table were refused.
    pub(crate) fn concern(&self, origin: &Origin) -> bool {
        self.parts.iter().any(|(_, refused)| refused == origin)
    }
}
