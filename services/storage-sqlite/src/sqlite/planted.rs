//! Where planted bugs act. Without the feature `planted-bugs` none of this does anything.

use beringia_item::{Item, Mutation};

use super::{committer::Group, fail::Result, layout::row_key, read, records::ItemRow, state::Home, store::SqliteStore};
use crate::{Change, Effect, ItemWrite, PlantedBug, Refusal, RemoteKind, StoreError};

/// Numbers of user tables begin here.
const FIRST_TABLE: u32 = 16;

/// A write that was decided before its turn.
struct TooEarly {
    needs_current: bool,
    decided: Option<Result<Effect, Refusal>>,
}

impl Change for TooEarly {
    fn needs_current(&self) -> bool {
        self.needs_current
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<Effect, Refusal> {
        self.decided.take().unwrap_or(Ok(Effect::Keep))
    }
}

impl SqliteStore {
    /// The unit as it is to be committed.
    pub(super) fn decided_early(&self, mut unit: Vec<ItemWrite>) -> Result<Vec<ItemWrite>, StoreError> {
        if !self.shared.planted_bug.is_some_and(PlantedBug::decides_early) {
            return Ok(unit);
        }
        for write in &mut unit {
            let current = self.read(|reading| read::get(reading, write.table, &write.key))?;
            let current = current.map(|(_, item)| item);
            let needs_current = write.change.needs_current();
            let decided = Some(write.change.decide(current.as_ref().filter(|_| needs_current)));
            write.change = Box::new(TooEarly { needs_current, decided });
        }
        Ok(unit)
    }
}

impl Group<'_> {
    /// Whether a mutation is to be counted and nothing else.
    pub(super) fn is_ignored(&self, mutation: &Mutation, kind: RemoteKind, row_key: &[u8]) -> Result<bool> {
        let Some(bug) = self.shared.planted_bug.filter(|_| Home::of(mutation.table).is_none()) else {
            return Ok(false);
        };
        if !bug.prefers_local() {
            return Ok(kind == RemoteKind::Stream && bug.skips(mutation.version.sequence));
        }
        let row = ItemRow::find(self.connection, row_key)?;
        Ok(row.is_some_and(|row| row.time == mutation.version.time.as_u64()))
    }

    /// Forgets all tombstones of items.
    pub(super) fn collect_tombstones_at_once(&self) -> Result<()> {
        if self.shared.planted_bug.is_some_and(PlantedBug::collects_tombstones) {
            let first = row_key(FIRST_TABLE, &[]);
            self.connection
                .execute("DELETE FROM item WHERE size = 0 AND k >= ?1", [first])?;
        }
        Ok(())
    }
}
