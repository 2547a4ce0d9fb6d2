//! Batches that were sent and are not acknowledged, whose bytes the window bounds.

use std::collections::VecDeque;

use beringia_item::{Mutation, Origin, TableId};

use crate::message::{Batch, Goodbye};

/// The batches of a stream that are on their way.
#[derive(Debug, Default)]
pub(super) struct SendWindow {
    /// The number of the last batch; 0 before the first.
    last: u64,
    /// Number and weight of each batch that is not acknowledged.
    unacknowledged: VecDeque<(u64, usize)>,
    /// What they weigh.
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
            "batches are numbered without a gap"
        );
        self.last = batch.number;
        let weight = batch.weight();
        self.unacknowledged.push_back((batch.number, weight));
        self.bytes += weight;
        batch
    }

    /// The receiver acknowledges all batches up to this one.
    pub(super) fn acknowledge(&mut self, batch: u64) -> Result<(), Goodbye> {
        if batch > self.last {
            return Err(Goodbye::for_now("an acknowledgement of what was not sent"));
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
            "the window holds what is not acknowledged"
        );
        Ok(())
    }

    pub(super) const fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes >= bytes_max
    }
}
