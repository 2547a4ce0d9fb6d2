//! One event in a world.

use std::fmt;

use crate::bounds::{Kind, REGIONS};

/// One event. Regions are named by their places in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A client writes, and the region acknowledges.
    Write {
        /// The place of the region.
        at: u8,
        /// The number of the key.
        key: u8,
        /// The kind of write.
        kind: Kind,
    },
    /// A region puts its next transaction for another one on the stream.
    Send(u8, u8),
    /// What is on its way from a region to another one arrives. Without batches in flight it is
    /// sent at the same time.
    Deliver(u8, u8),
    /// What is on its way from a region to another one is lost.
    Lose(u8, u8),
    /// What arrived last from a region at another one arrives again.
    Duplicate(u8, u8),
    /// A region acknowledges to another one what it has: receiver, then source.
    Acknowledge(u8, u8),
    /// A region trims its log.
    Trim(u8),
    /// A region's process crashes and starts again.
    Crash(u8),
    /// A region crashes, loses its disk, and starts again.
    LoseDisk(u8),
    /// A region's clock jumps by a number of ms.
    JumpClock(u8, i64),
    /// A region copies the catalog from another one: source, then copier.
    CopyCatalog(u8, u8),
    /// A region copies the table from another one: source, then copier.
    CopyTable(u8, u8),
    /// A region finds that its rows are gone, and sets its replica to be created again.
    Rejoin(u8),
    /// A region whose copy is complete sets its replica active.
    Activate(u8),
    /// A region repairs its table from another one: source, then the repaired region.
    Repair(u8, u8),
}

/// The name of the region at a place.
pub(crate) fn name(place: u8) -> &'static str {
    REGIONS.get(usize::from(place)).copied().unwrap_or_default()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Write { at, key, kind } => {
                let what = match kind {
                    Kind::Put => "puts",
                    Kind::Delete => "deletes",
                    Kind::Add => "adds 1 to a number of",
                    Kind::Set => "sets an attribute of",
                };
                write!(f, "{} {what} k{key}", name(at))
            }
            Self::Send(from, to) => write!(f, "{} sends its next transaction to {}", name(from), name(to)),
            Self::Deliver(from, to) => write!(f, "a batch from {} arrives in {}", name(from), name(to)),
            Self::Lose(from, to) => write!(f, "the batch from {} to {} is lost", name(from), name(to)),
            Self::Duplicate(from, to) => write!(f, "the last batch from {} arrives in {} again", name(from), name(to)),
            Self::Acknowledge(from, to) => write!(f, "{} acknowledges to {}", name(from), name(to)),
            Self::Trim(at) => write!(f, "{} trims its log", name(at)),
            Self::Crash(at) => write!(f, "{} crashes and restarts", name(at)),
            Self::LoseDisk(at) => write!(f, "{} loses its disk", name(at)),
            Self::JumpClock(at, ms) => write!(f, "the clock of {} jumps by {ms} ms", name(at)),
            Self::CopyCatalog(from, to) => write!(f, "{} copies the catalog from {}", name(to), name(from)),
            Self::CopyTable(from, to) => write!(f, "{} copies the table from {}", name(to), name(from)),
            Self::Rejoin(at) => write!(f, "{} has its replica created again", name(at)),
            Self::Activate(at) => write!(f, "the replica in {} becomes active", name(at)),
            Self::Repair(from, to) => write!(f, "{} repairs its table from {}", name(to), name(from)),
        }
    }
}

impl Step {
    /// Whether the step brings what is still missing somewhere. When no such step is possible,
    /// regions must agree.
    pub(crate) const fn delivers(self) -> bool {
        match self {
            Self::Send(..)
            | Self::Deliver(..)
            | Self::CopyCatalog(..)
            | Self::CopyTable(..)
            | Self::Rejoin(_)
            | Self::Activate(_)
            | Self::Repair(..) => true,
            Self::Write { .. }
            | Self::Lose(..)
            | Self::Duplicate(..)
            | Self::Acknowledge(..)
            | Self::Trim(_)
            | Self::Crash(_)
            | Self::LoseDisk(_)
            | Self::JumpClock(..) => false,
        }
    }
}
