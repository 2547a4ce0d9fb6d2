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
    /// The first batch on the stream from a region to another one arrives.
    Deliver(u8, u8),
    /// The stream from a region to another one breaks. What is on its way is lost, and the receiver
    /// dials again.
    Break(u8, u8),
    /// The store of a region gets the batch again that arrived last from another one: source, then
    /// receiver.
    Duplicate(u8, u8),
    /// The first acknowledgement on a stream arrives: receiver, then source.
    Acknowledge(u8, u8),
    /// Two regions are cut off from each other.
    Cut(u8, u8),
    /// Two regions reach each other again.
    Heal(u8, u8),
    /// A region trims its log.
    Trim(u8),
    /// A region's process crashes and starts again.
    Crash(u8),
    /// A region crashes, loses its disk, and starts again.
    LoseDisk(u8),
    /// A region's clock jumps by a number of ms.
    JumpClock(u8, i64),
    /// Ten seconds pass in all regions.
    Wait,
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
            Self::Deliver(from, to) => write!(f, "a batch from {} arrives in {}", name(from), name(to)),
            Self::Break(from, to) => write!(f, "the stream from {} to {} breaks", name(from), name(to)),
            Self::Duplicate(from, to) => write!(f, "the last batch from {} arrives in {} again", name(from), name(to)),
            Self::Acknowledge(from, to) => write!(f, "{} acknowledges to {}", name(from), name(to)),
            Self::Cut(one, other) => write!(f, "{} and {} are cut off from each other", name(one), name(other)),
            Self::Heal(one, other) => write!(f, "{} and {} reach each other again", name(one), name(other)),
            Self::Trim(at) => write!(f, "{} trims its log", name(at)),
            Self::Crash(at) => write!(f, "{} crashes and restarts", name(at)),
            Self::LoseDisk(at) => write!(f, "{} loses its disk", name(at)),
            Self::JumpClock(at, ms) => write!(f, "the clock of {} jumps by {ms} ms", name(at)),
            Self::Wait => write!(f, "ten seconds pass"),
        }
    }
}
