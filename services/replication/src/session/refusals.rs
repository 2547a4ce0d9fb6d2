//! What the source refused because its log does not reach down to it, until it is asked for again.

use std::collections::BTreeSet;

use beringia_item::{Origin, TableId};

/// What the source's log does not reach down to.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    parts: BTreeSet<(TableId, Origin)>,
    /// When all of them are asked for again.
    retry_at_ms: u64,
}

impl Refusals {
    /// Notes what was refused; the pause begins again for what was refused before.
    pub(super) fn add(&mut self, parts: impl Iterator<Item = (TableId, Origin)>, retry_at_ms: u64) {
        debug_assert!(
            self.retry_at_ms <= retry_at_ms,
            "pauses of one length end in their order"
        );
        self.parts.extend(parts);
        self.retry_at_ms = retry_at_ms;
    }

    /// Drops everything when the pause is over. Returns whether there was anything.
    pub(super) fn expire(&mut self, now_ms: u64) -> bool {
        let is_over = !self.parts.is_empty() && now_ms >= self.retry_at_ms;
        if is_over {
            self.parts.clear();
        }
        is_over
    }

    /// Drops what was refused of other tables than these.
    pub(super) fn retain(&mut self, tables: &BTreeSet<TableId>) {
        self.parts.retain(|(table, _)| tables.contains(table));
    }

    /// Drops what was refused of the table. Returns whether there was anything.
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

    /// Whether writes of the origin were refused, to any table.
    pub(crate) fn concern(&self, origin: &Origin) -> bool {
        self.parts.iter().any(|(_, refused)| refused == origin)
    }
}
