//! Batches from their arrival until the store has answered: those that wait, and one commit.

use std::collections::VecDeque;

use beringia_storage_types::RemoteBatch;

use crate::{
    event::Ticket,
    message::{Batch, Goodbye},
};

/// The batches of a stream that came and are not done with.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The number of the last batch that came; 0 before the first.
    received: u64,
    waiting: VecDeque<Batch>,
    /// What those that wait weigh.
    bytes: usize,
    applying: Option<Applying>,
}

/// The commit under way.
#[derive(Debug)]
struct Applying {
    ticket: Ticket,
    /// The last batch that it covers.
    last: u64,
    /// What it is, until the store has said how far ahead writes may be: it may refuse it for one
    /// of them.
    kept: Option<RemoteBatch>,
}

impl Inbox {
    /// Puts the next batch behind those that wait.
    pub(super) fn push(&mut self, batch: Batch, bytes_max: usize) -> Result<(), Goodbye> {
        if batch.number != self.received + 1 {
            return Err(Goodbye::for_now("a batch out of turn"));
        }
        self.received = batch.number;
        self.bytes += batch.weight();
        self.waiting.push_back(batch);
        if self.bytes > bytes_max {
            return Err(Goodbye::for_now("more batches than the window allows"));
        }
        Ok(())
    }

    /// Takes the batches that the next commit covers: one, and as many more as `bytes_max` allows.
    /// None while a commit is under way.
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
            "the inbox weighs what is in it"
        );
        taken
    }

    /// The store was handed what was taken up to the batch `last`.
    pub(super) fn begin(&mut self, ticket: Ticket, last: u64, kept: Option<RemoteBatch>) {
        debug_assert!(self.applying.is_none(), "one commit at a time");
        debug_assert_eq!(
            last + self.waiting.len() as u64,
            self.received,
            "what came after the commit's batches waits"
        );
        self.applying = Some(Applying { ticket, last, kept });
    }

    /// Gives back what the commit under way is and the last batch that it covers, where it is that
    /// one and was kept.
    pub(super) fn take_kept(&mut self, ticket: Ticket) -> Option<(RemoteBatch, u64)> {
        let applying = self.applying.as_mut().filter(|applying| applying.ticket == ticket)?;
        Some((applying.kept.take()?, applying.last))
    }

    /// Ends the commit under way, where it is that one. Returns the last batch that it covers.
    pub(super) fn end(&mut self, ticket: Ticket) -> Option<u64> {
        let applying = self.applying.take_if(|applying| applying.ticket == ticket)?;
        Some(applying.last)
    }

    /// Drops what waits. Returns the last batch that came.
    pub(super) fn clear(&mut self) -> u64 {
        debug_assert!(self.applying.is_none(), "what the store has is not dropped");
        self.waiting.clear();
        self.bytes = 0;
        self.received
    }

    /// The number of the last batch that came; 0 before the first.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }
}
