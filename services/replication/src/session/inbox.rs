//! Batches from their arrival until the store has answered: those that wait, and one commit.

use std::collections::VecDeque;

use beringia_item::TableId;
use beringia_storage_types::{RemoteBatch, planted};

use crate::{
    event::Ticket,
    message::{Batch, Goodbye},
};

/// The batches of a stream that arrived and are not completed.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox {
    /// The number of the last batch that arrived; 0 before the first.
    received: u64,
    waiting: VecDeque<Batch>,
    /// The weight of the waiting batches, bytes.
    bytes: usize,
    applying: Option<Applying>,
}

/// The batches that the store is committing.
#[derive(Debug, Clone)]
struct Applying {
    ticket: Ticket,
    /// The last batch that it covers.
    last: u64,
    /// Its content, kept until the store has reported how far ahead writes may be: the store may
    /// refuse the commit because of one of them.
    kept: Option<RemoteBatch>,
}

impl Inbox {
    /// Appends the next batch to those that wait.
    pub(super) fn push(&mut self, mut batch: Batch, bytes_max: usize) -> Result<(), Goodbye> {
        if batch.number != self.received + 1 {
            return Err(Goodbye::for_now("a batch arrived out of order"));
        }
        self.received = batch.number;
        if planted().is_some_and(|bug| bug.drops_batch(batch.number)) {
            batch.mutations.retain(|mutation| mutation.table == TableId::CATALOG);
        }
        self.bytes += batch.weight();
        self.waiting.push_back(batch);
        if self.bytes > bytes_max {
            return Err(Goodbye::for_now("the source sent more than the window allows"));
        }
        Ok(())
    }

    /// Takes the batches for the next commit: one, and as many more as `bytes_max` allows. Takes
    /// none while a commit is in progress.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<Batch> {
        let mut taken = Vec::new();
        if self.applying.is_some() {
            return taken;
        }
        let mut taken_bytes = 0;
        while let Some(next) = self.waiting.front() {
            let weight = next.weight();
            if !taken.is_empty() && taken_bytes + weight > bytes_max {
                break;
            }
            taken_bytes += weight;
            taken.extend(self.waiting.pop_front());
        }
        self.bytes -= taken_bytes;
        debug_assert_eq!(
            self.waiting.is_empty(),
            self.bytes == 0,
            "an empty inbox weighs nothing"
        );
        taken
    }

    /// Records that the store was handed the batches up to `last`.
    pub(super) fn begin(&mut self, ticket: Ticket, last: u64, kept: Option<RemoteBatch>) {
        debug_assert!(self.applying.is_none(), "one commit at a time");
        debug_assert_eq!(
            last + self.waiting.len() as u64,
            self.received,
            "batches after the commit wait"
        );
        self.applying = Some(Applying { ticket, last, kept });
    }

    /// Takes the content of the commit in progress and the last batch that it covers, if it has
    /// this ticket and its content was kept.
    pub(super) fn take_kept(&mut self, ticket: Ticket) -> Option<(RemoteBatch, u64)> {
        let applying = self.applying.as_mut().filter(|applying| applying.ticket == ticket)?;
        Some((applying.kept.take()?, applying.last))
    }

    /// Ends the commit in progress, if it has this ticket. Returns the last batch that it covers.
    pub(super) fn end(&mut self, ticket: Ticket) -> Option<u64> {
        let applying = self.applying.take_if(|applying| applying.ticket == ticket)?;
        Some(applying.last)
    }

    /// Drops the waiting batches. Returns the number of the last batch that arrived.
    pub(super) fn clear(&mut self) -> u64 {
        debug_assert!(self.applying.is_none(), "batches that the store has are not dropped");
        self.waiting.clear();
        self.bytes = 0;
        self.received
    }

    /// The number of the last batch that arrived; 0 before the first.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }
}
