//! The effects of planted bugs on decisions. Without the feature `planted-bugs` there are none.

use beringia_item::Mutation;
use beringia_storage::{
    PlantedBug, RemoteKind,
    backend::{Detail, ItemRow, KeyRange},
};

use super::workspace::{Group, Result};
use crate::{
    layout::{FIRST_TABLE, row_key},
    rows::ItemScan,
    state::Home,
};

impl Group<'_> {
    /// Whether a mutation is counted as applied without being applied.
    pub(super) fn is_ignored(&self, mutation: &Mutation, kind: RemoteKind, current: Option<&ItemRow>) -> bool {
        let bug = self.environment.planted_bug;
        let Some(bug) = bug.filter(|_| Home::of(mutation.table).is_none()) else {
            return false;
        };
        if bug.prefers_local() {
            return current.is_some_and(|row| row.time == mutation.version.time.as_u64());
        }
        kind == RemoteKind::Stream && bug.skips(mutation.version.sequence)
    }

    /// Collects all tombstones of items.
    pub(super) fn collect_tombstones_at_once(&mut self) -> Result<()> {
        if !self
            .environment
            .planted_bug
            .is_some_and(PlantedBug::collects_tombstones)
        {
            return Ok(());
        }
        let scan = ItemScan {
            range: KeyRange {
                from: row_key(FIRST_TABLE, &[]),
                to: None,
                reverse: false,
            },
            detail: Detail::Row,
            live_only: false,
            rows_max: usize::MAX,
        };
        let dead = self
            .scan_items(scan)?
            .iter()
            .filter(|(_, current)| !current.row.is_live());
        let dead: Vec<Vec<u8>> = dead.map(|(row_key, _)| row_key.clone()).collect();
        dead.into_iter().for_each(|row_key| self.delete_item(row_key));
        Ok(())
    }
}
