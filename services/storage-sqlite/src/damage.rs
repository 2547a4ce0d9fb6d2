//! The log records that were found damaged or missing.

use std::collections::BTreeSet;

use beringia_storage::backend::Checked;
use parking_lot::Mutex;

/// The number of positions that are kept, so that a record that is read again is not counted again.
const POSITIONS_MAX: usize = 65_536;

/// The positions of damaged and missing records, as far as readers met them.
#[derive(Debug, Default)]
pub(crate) struct DamagedRecords(Mutex<BTreeSet<u64>>);

impl DamagedRecords {
    /// The record at this position, unless it is damaged. The first time, that goes to the log.
    pub(crate) fn checked<T>(&self, position: u64, record: Checked<T>) -> Option<T> {
        let note = |_| {
            if self.is_new(position) {
                tracing::error!(position, "a log record is damaged, and is treated as missing");
            }
        };
        record.map_err(note).ok()
    }

    /// Counts a record that is missing. The first time, that goes to the log.
    pub(crate) fn missing(&self, position: u64) {
        if self.is_new(position) {
            tracing::error!(position, "a log record is missing");
        }
    }

    /// Counts the record at this position, unless it is counted already.
    fn is_new(&self, position: u64) -> bool {
        let mut positions = self.0.lock();
        positions.len() < POSITIONS_MAX && positions.insert(position)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().len() as u64
    }
}
