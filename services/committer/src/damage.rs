//! The ranges of tables that are known to be damaged.

use std::collections::BTreeMap;

use beringia_item::{TableId, range_of};
use beringia_storage::{DamagedRange, StoreError};
use parking_lot::Mutex;

/// The damaged ranges, each with what was found. A range is removed once its verification succeeds.
#[derive(Debug, Default)]
pub(crate) struct DamagedRanges(Mutex<BTreeMap<(TableId, u16), String>>);

impl DamagedRanges {
    /// Notes the range of an item that a request found damaged.
    pub(crate) fn found(&self, error: &StoreError) -> Option<(TableId, u16)> {
        let StoreError::Corrupt { table, key } = error else {
            return None;
        };
        let place = (*table, range_of(key));
        self.note(place, "a row, or its log record, is damaged or missing");
        Some(place)
    }

    /// Notes how the verification of a range ended.
    pub(crate) fn verified(&self, place: (TableId, u16), result: Result<bool, &StoreError>) {
        match result {
            Ok(_) | Err(StoreError::UnknownTable(_)) => drop(self.0.lock().remove(&place)),
            Err(error @ StoreError::Unreadable(_)) => self.note(place, &error.to_string()),
            Err(_) => {}
        }
    }

    fn note(&self, place: (TableId, u16), what: &str) {
        let replaced = self.0.lock().insert(place, what.to_owned());
        if replaced.is_none_or(|replaced| replaced != what) {
            let (table, range) = place;
            tracing::error!(%table, range, what, "a range is damaged");
        }
    }

    /// The ranges that are damaged now.
    pub(crate) fn ranges(&self) -> Vec<DamagedRange> {
        let ranges = self.0.lock();
        let ranges = ranges.iter().map(|((table, range), what)| DamagedRange {
            table: *table,
            range: *range,
            what: what.clone(),
        });
        ranges.collect()
    }
}
