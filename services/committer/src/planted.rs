//! The planted bugs that decide a transaction before its turn, and that read an item as it is not.
//! Without the feature `planted-bugs` they have no effect.

use std::{sync::Arc, time::Duration};

use beringia_item::{AttributeValue, Item, KeyBytes, TableId, Version};
use beringia_storage::{
    Change, ItemEffect, ItemWrite, LogPosition, PlantedBug, RangePage, Refusal, StoreError, backend::ReadScope,
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

    /// Notes the puts of a transaction that is to wait for its commit, and returns their keys.
    pub(crate) fn note_waiting(&self, transaction: &mut [ItemWrite]) -> Vec<(TableId, KeyBytes)> {
        let mut keys = Vec::new();
        if !self.shared.planted_bug.is_some_and(PlantedBug::reads_waiting) {
            return keys;
        }
        for write in transaction.iter_mut().filter(|write| !write.change.needs_current()) {
            if let Ok(ItemEffect::Put(item)) = write.change.decide(None) {
                let key = (write.table, write.key.clone());
                self.shared.waiting.lock().insert(key.clone(), item);
                keys.push(key);
            }
        }
        keys
    }

    /// Forgets puts that wait no longer.
    pub(crate) fn forget_waiting(&self, keys: Vec<(TableId, KeyBytes)>) {
        for key in keys {
            self.shared.waiting.lock().remove(&key);
        }
    }

    /// The item as a read with the planted bug shows it.
    pub(crate) fn shown(
        &self,
        (table, key): (TableId, &KeyBytes),
        found: Option<(Version, Item)>,
    ) -> Option<(Version, Item)> {
        let Some(bug) = self.shared.planted_bug else {
            return found;
        };
        let (version, mut item) = found?;
        if bug.reads_waiting() {
            let waiting = self.shared.waiting.lock().get(&(table, key.clone())).cloned();
            item = waiting.map_or(item, Arc::unwrap_or_clone);
        }
        if bug.sorts_lists() {
            for value in item.values_mut() {
                if let AttributeValue::L(elements) = value {
                    elements.sort_by_key(|element| format!("{element:?}"));
                }
            }
        }
        if bug.omits_attributes() && item.len() > 4 {
            item.pop_last();
        }
        Some((version, item))
    }

    /// The page as a read of a range with the planted bug shows it.
    pub(crate) fn page_shown(&self, mut page: RangePage) -> RangePage {
        if self.shared.planted_bug.is_some_and(PlantedBug::omits_rows) && page.rows.len() > 2 {
            page.rows.remove(1);
        }
        page
    }
}
