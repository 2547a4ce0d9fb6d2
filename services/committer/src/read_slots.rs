//! Where a read runs: on the caller's thread, or on a blocking thread, in a slot of its kind.
//!
//! Each kind of read has slots of its own, so that clients' scans of data that is not in memory
//! never keep replication waiting, and copies of such data never the log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use beringia_item::TableId;
use beringia_storage::StoreError;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::fair_slots::{FairSlot, FairSlots};

/// The greatest number of reads of one kind that run concurrently on threads of their own.
const CLIENTS_MAX: usize = 4;
const POINTS_MAX: usize = 8;
const LOG_MAX: usize = 4;
const COPIES_MAX: usize = 4;
const UPKEEP_MAX: usize = 2;
/// A read of a few items that takes so long has waited for the disk.
const SLOW: Duration = Duration::from_millis(1);
/// For so long after a slow read, the next ones are expected to be slow.
const SLOW_FOR: Duration = Duration::from_secs(1);

/// What a read is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadKind {
    /// A few items for a client, while reads are slow.
    Point,
    /// A page of a table or of a stream for a client.
    Clients(TableId),
    /// The log, for other regions.
    Log,
    /// Rows of a table for a copy or a repair, here or in another region.
    Copies(TableId),
    /// Comparison of replicas, scrubs, and what operators ask for.
    Upkeep,
}

/// The slots of reads on blocking threads.
pub(crate) struct ReadSlots {
    points: Arc<Semaphore>,
    clients: Arc<FairSlots>,
    log: Arc<Semaphore>,
    copies: Arc<FairSlots>,
    upkeep: Arc<Semaphore>,
}

/// A slot, until it is dropped.
pub(crate) enum ReadSlot {
    Fair(#[expect(dead_code, reason = "held until the read ends")] FairSlot),
    Plain(#[expect(dead_code, reason = "held until the read ends")] OwnedSemaphorePermit),
}

impl ReadSlots {
    pub(crate) fn new() -> Self {
        let semaphore = |count| Arc::new(Semaphore::new(count));
        Self {
            points: semaphore(POINTS_MAX),
            clients: FairSlots::new(CLIENTS_MAX),
            log: semaphore(LOG_MAX),
            copies: FairSlots::new(COPIES_MAX),
            upkeep: semaphore(UPKEEP_MAX),
        }
    }

    /// Waits for a slot of this kind.
    pub(crate) async fn acquire(&self, kind: ReadKind) -> Result<ReadSlot, StoreError> {
        let slots = match kind {
            ReadKind::Clients(table) => return Ok(ReadSlot::Fair(self.clients.acquire(table).await)),
            ReadKind::Copies(table) => return Ok(ReadSlot::Fair(self.copies.acquire(table).await)),
            ReadKind::Point => &self.points,
            ReadKind::Log => &self.log,
            ReadKind::Upkeep => &self.upkeep,
        };
        let permit = slots.clone().acquire_owned().await;
        permit.map(ReadSlot::Plain).map_err(|_| StoreError::Closed)
    }
}

/// Decides whether a read of a few items runs on the caller's thread, a worker of the runtime.
///
/// A read from memory takes some 10 µs there, less than the way to another thread. A read from a
/// slow disk blocks the worker, and with all workers blocked the region answers nothing. So while
/// reads are slow, one worker is left free: further reads take a slot on a blocking thread.
pub(crate) struct Places {
    began: Instant,
    /// Until when reads are expected to be slow, in ms since `began`.
    slow_until_ms: AtomicU64,
    /// The number of reads on workers.
    taken: AtomicUsize,
}

/// A read on the caller's thread.
pub(crate) struct Place<'a> {
    places: &'a Places,
    began: Instant,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            slow_until_ms: AtomicU64::new(0),
            taken: AtomicUsize::new(0),
        }
    }

    /// Takes a place on the caller's thread, or none if the read should run elsewhere.
    pub(crate) fn take(&self) -> Option<Place<'_>> {
        let place = Place {
            places: self,
            began: Instant::now(),
        };
        let others = self.taken.fetch_add(1, Ordering::Relaxed);
        let is_slow = self.ms(place.began) < self.slow_until_ms.load(Ordering::Relaxed);
        (!is_slow || others + 1 < workers()).then_some(place)
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from((at - self.began).as_millis()).unwrap_or(u64::MAX)
    }

    fn note(&self, began: Instant, ended: Instant) {
        if ended - began >= SLOW {
            self.slow_until_ms.store(self.ms(ended + SLOW_FOR), Ordering::Relaxed);
        }
    }
}

/// The number of the runtime's workers.
fn workers() -> usize {
    Handle::try_current().map_or(usize::MAX, |runtime| runtime.metrics().num_workers())
}

impl Place<'_> {
    /// Ends the read, and notes whether it was slow.
    pub(crate) fn end(self) {
        self.places.note(self.began, Instant::now());
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn slow_reads_leave_a_worker_free() {
        let places = Places::new();
        let many: Vec<_> = (0..9).map(|_| places.take()).collect();
        assert!(many.iter().all(Option::is_some), "reads from memory");
        drop(many);
        let ended = Instant::now();
        places.note(ended - SLOW, ended);
        let few: Vec<_> = (0..9).map(|_| places.take().is_some()).collect();
        assert!(few.iter().all(|taken| *taken), "one after the other");
        let held: Vec<_> = (0..9).map(|_| places.take()).collect();
        assert_eq!(held.iter().filter(|place| place.is_some()).count(), 2);
        drop(held);
        assert_eq!(places.taken.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn slowness_is_forgotten() {
        let places = Places::new();
        let began = Instant::now();
        tokio::time::advance(SLOW).await;
        places.note(began, Instant::now());
        assert!(places.take().is_none(), "the only worker stays free");
        tokio::time::advance(SLOW_FOR).await;
        assert!(places.take().is_some());
        places.take().unwrap().end();
        assert!(places.take().is_some(), "a fast read");
    }
}
