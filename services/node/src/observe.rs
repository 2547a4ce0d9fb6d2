//! The interface of a measuring observer: it is notified of every write of another region that
//! becomes visible here.

use beringia_clock::HybridTime;
use beringia_item::{Mutation, Origin, TableId, Version};
use beringia_storage::RemoteKind;

/// Is notified of the writes of other regions that a region applies. Configured in
/// [`crate::NodeConfig`]; a region without an observer has no overhead.
///
/// It is called on the task that carries out the commit, after the commit is durable and visible to
/// readers, and before it is acknowledged. It has to return quickly, must not block, and must not
/// call the region. An observer that hands arrivals to another task should use a bounded channel
/// and count what it drops.
pub trait Observer: Send + Sync + 'static {
    /// The writes of one commit, in the order in which they were applied. A write is reported once.
    /// It is reported again only if it arrived by two paths at the same time, or if the region lost
    /// its disk and received it again.
    fn arrived(&self, arrivals: &[Arrival]);
}

/// A write of another region that became visible here.
///
/// It need not have become the current version of its item. A write that had already lost to a
/// newer version when it arrived is reported too, since from then on readers here see something at
/// least as new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The table that was written; changes of the catalog are writes to [`TableId::CATALOG`].
    pub table: TableId,
    /// The write's version: hybrid time of the commit at its origin, the origin, and its sequence
    /// there.
    pub version: Version,
    /// By which path the write arrived.
    pub way: Way,
    /// This region's wall clock after the commit here, milliseconds since the Unix epoch. It may
    /// differ from the origin's.
    pub applied_ms: u64,
}

/// The path by which a write arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From a log, its origin's or a relay's.
    Stream,
    /// As a row, during a bootstrap or a copy in place; the current row may have been the same or
    /// newer.
    Copy,
    /// As a row, during the repair of a range; the current row may have been the same or newer.
    Repair,
}

impl Arrival {
    pub(crate) fn of(mutation: &Mutation, kind: RemoteKind) -> Self {
        Self {
            table: mutation.table,
            version: mutation.version.clone(),
            way: match kind {
                RemoteKind::Stream => Way::Stream,
                RemoteKind::Copy => Way::Copy,
                RemoteKind::Repair => Way::Repair,
            },
            applied_ms: 0,
        }
    }

    /// The origin of the write.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.version.origin
    }

    /// When its origin committed it, by the origin's hybrid clock.
    #[must_use]
    pub fn committed(&self) -> HybridTime {
        self.version.time
    }

    /// The time from the commit at the origin to the commit here, milliseconds by the two wall
    /// clocks; 0 if it is negative.
    #[must_use]
    pub fn lag_ms(&self) -> u64 {
        self.applied_ms.saturating_sub(self.version.time.millis())
    }
}
