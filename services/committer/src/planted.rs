//! The planted bugs that decide a transaction before its turn, and that read a stale item. Without
//! the feature `planted-bugs` they have no effect.

use std::time::Duration;

use beringia_item::Item;
use beringia_storage::{
    Change, ItemEffect, ItemWrite, LogPosition, PlantedBug, Refusal, StoreError, backend::ReadScope,
};

use crate::{read, store::RegionStore};

/// A write that was decided before its turn.
struct TooEarly {
    needs_current: bool,
    decided: Result<ItemEffect, Refusal>,
}

impl Change for TooEarly {
    fn needs_current(&self) -> bool {
        self.needs_current
    }

    fn decide(&mut self, _: Option<&Item>) -> Result<ItemEffect, Refusal> {
        self.decided.clone()
    }
}

/// How old the state is from which the planted bug reads.
const STALE: Duration = Duration::from_millis(200);

impl RegionStore {
    /// The position as of which an item is read with the planted bug.
    pub(crate) fn stale_position(&self) -> Option<LogPosition> {
        let bug = self.shared.planted_bug?;
        bug.reads_stale().then(|| self.shared.as_of.ago(STALE)).flatten()
    }

    /// The transaction to commit: with the planted bug, its changes are decided here already.
    pub(crate) fn decided_early(&self, mut transaction: Vec<ItemWrite>) -> Result<Vec<ItemWrite>, StoreError> {
        if !self.shared.planted_bug.is_some_and(PlantedBug::decides_early) {
            return Ok(transaction);
        }
        for write in &mut transaction {
            let current = self.read(ReadScope::Call, |reading| read::get(reading, write.table, &write.key))?;
            let current = current.map(|(_, item)| item);
            let needs_current = write.change.needs_current();
            let decided = write.change.decide(current.as_ref().filter(|_| needs_current));
            write.change = Box::new(TooEarly { needs_current, decided });
        }
        Ok(transaction)
    }
}
