//! What a measuring observer is told of a region while it runs: every write of another region, as it becomes visible here.

use beringia_clock::HybridTime;
use beringia_item::{Mutation, Origin, TableId, Version};
use beringia_storage::RemoteKind;

/// Is told what a region applies of others' writes. Given in [`crate::NodeConfig`]; a region without one pays nothing for it.
///
/// It is called on the task that carries out the commit, after the commit is durable and visible to readers, and before it is
/// acknowledged: it has to be quick, must not block, and must not call the region. One that hands over to another task does so
/// through a bounded channel and counts what it had to drop.
pub trait Observer: Send + Sync + 'static {
    /// Writes of one commit, in the order in which they were applied. A write is told once, and again only where it came by two ways
    /// at the same moment, or where the region lost its disk and got it anew.
    fn arrived(&self, arrivals: &[Arrival]);
}

/// A write of another region that became visible here.
///
/// Whether it became the current version of its item is another matter: one that had lost to a newer version when it came is told
/// too, since from then on its readers see something at least as new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The table; the catalog's changes are writes to [`TableId::CATALOG`].
    pub table: TableId,
    /// Hybrid time of the commit at its origin, the origin, and its sequence there.
    pub version: Version,
    /// How it came.
    pub way: Way,
    /// This region's wall clock after the commit here, milliseconds since the Unix epoch. The clocks of two regions differ.
    pub applied_ms: u64,
}

/// How a write came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a log, its origin's or a relay's.
    Stream,
    /// As a row, while a replica was filled; what stood here may be the same or newer.
    Copy,
    /// As a row, to mend a range that differed; what stood here may be the same or newer.
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

    /// Whose write it is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.version.origin
    }

    /// When its origin committed it, by the origin's hybrid clock.
    #[must_use]
    pub fn committed(&self) -> HybridTime {
        self.version.time
    }

    /// From the origin's commit to the one here, milliseconds by the two wall clocks; 0 where it seems to come from the future.
    #[must_use]
    pub fn lag_ms(&self) -> u64 {
        self.applied_ms.saturating_sub(self.version.time.millis())
    }
}
