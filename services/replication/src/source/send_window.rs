//! Batches that were sent and not yet acknowledged; the window bounds their bytes.

use std::collections::VecDeque;

use beringia_item::{Mutation, Origin, TableId};

use crate::message::{Batch, Goodbye};

/// The unacknowledged batches of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct SendWindow {
    /// The number of the last batch; 0 before the first.
    last: u64,
    /// Number and weight in bytes of each unacknowledged batch.
    unacknowledged: VecDeque<(u64, usize)>,
    /// The sum of their weights.
    bytes: usize,
}

impl SendWindow {
    /// Makes the next batch, which counts as sent from now on.
    pub(super) fn batch(
        &mut self,
        generation: u64,
        mutations: Vec<Mutation>,
        progress: Vec<(TableId, Origin, u64)>,
    ) -> Batch {
        let batch = Batch {
            number: self.last + 1,
            generation,
            mutations,
            progress,
        };
        debug_assert!(
            self.unacknowledged.back().is_none_or(|(last, _)| *last == self.last),
            "batch numbers have no gaps"
        );
        self.last = batch.number;
        let weight = batch.weight();
        self.unacknowledged.push_back((batch.number, weight));
        self.bytes += weight;
        batch
    }

    /// Removes all batches up to this one, which the receiver acknowledged.
    pub(super) fn acknowledge(&mut self, batch: u64) -> Result<(), Goodbye> {
        if batch > self.last {
            return Err(Goodbye::for_now("an acknowledgement names a batch that was not sent"));
        }
        while let Some((number, weight)) = self.unacknowledged.front().copied() {
            if number > batch {
                break;
            }
            self.unacknowledged.pop_front();
            self.bytes -= weight;
        }
        debug_assert_eq!(
            self.unacknowledged.is_empty(),
            self.bytes == 0,
            "the window counts the unacknowledged batches"
        );
        Ok(())
    }

    pub(super) const fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes >= bytes_max
    }
}
