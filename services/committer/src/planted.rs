//! The planted bug that decides a transaction before its turn. Without the feature `planted-bugs`
//! it has no effect.

use beringia_item::Item;
use beringia_storage::{Change, ItemEffect, ItemWrite, PlantedBug, Refusal, StoreError, backend::ReadScope};

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

impl RegionStore {
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
