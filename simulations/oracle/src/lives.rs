//! The lives of a region's replicas: each begins with the replacement of a lost disk, and ends with
//! the loss of the next one.
//!
//! ```text
//!        life 0        disk lost        life 1        disk lost      life 2
//! ───w1───────w2───r3──────┼──────w4──────────────r5──────┼──────w6────────▶
//! ```
//!
//! What a region did in one life is judged against what it did in the same life. Across a loss, it
//! is judged by what was not lost.

use std::ops::Range;

use beringia_history::{LostDisk, Operation, OperationOutcome};
use beringia_item::Version;

use crate::index::Table;

impl Table<'_> {
    /// The life of its region in which an operation was done, counted from 0; `None` if it can have
    /// been done before or after the loss of a disk.
    pub(crate) fn life_of(&self, operation: &Operation) -> Option<usize> {
        let is_answered = operation.outcome != OperationOutcome::Unknown;
        let done_us = if is_answered { operation.done_us } else { u64::MAX };
        let before = |at_us: u64| self.disks_of(&operation.region).filter(move |disk| disk.at_us < at_us);
        let life = before(operation.sent_us).count();
        (before(done_us.saturating_add(1)).count() == life).then_some(life)
    }

    /// The lives of its region in which a write of this version was there for sure: that in which
    /// it was made, and those after disks with which it was not lost.
    pub(crate) fn lives_with(&self, operation: &Operation, version: &Version) -> Range<usize> {
        let Some(first) = self.life_of(operation) else {
            return 0..0;
        };
        let later = self.disks_of(&operation.region).skip(first);
        let survived = later.take_while(|disk| !self.is_unshipped(disk, version));
        first..first + 1 + survived.count()
    }

    fn disks_of(&self, region: &str) -> impl Iterator<Item = &LostDisk> {
        self.lost_disks.iter().filter(move |disk| disk.region == region)
    }
}
