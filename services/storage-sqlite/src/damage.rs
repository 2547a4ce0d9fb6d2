//! The log records that were found damaged.

use std::collections::BTreeSet;

use beringia_storage::backend::Checked;
use parking_lot::Mutex;

/// The number of positions that are kept, so that a record that is read again is not counted again.
const POSITIONS_MAX: usize = 65_536;

/// The positions of damaged records, as far as readers met them.
#[derive(Debug, Default)]
pub(crate) struct DamagedRecords(Mutex<BTreeSet<u64>>);

impl DamagedRecords {
    /// The record at this position, unless it is damaged. The first time, that goes to the log.
    pub(crate) fn checked<T>(&self, position: u64, record: Checked<T>) -> Option<T> {
        record.map_err(|_| self.note(position)).ok()
    }

    fn note(&self, position: u64) {
        let mut positions = self.0.lock();
        if positions.len() < POSITIONS_MAX && positions.insert(position) {
            tracing::error!(position, "a log record is damaged, and is treated as missing");
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().len() as u64
    }
}
