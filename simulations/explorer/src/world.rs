//! A world: which region is in which state, what is on its way, and what may still happen. It
//! refers to regions, batches and vectors by their numbers in the [`Universe`](crate::universe).

use xxhash_rust::xxh3::xxh3_128;

use crate::{
    bounds::{Bounds, SITES},
    written::Writes,
};

/// The stream from one region to another, with 0 for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The batch that is on its way.
    pub(crate) in_flight: u32,
    /// The batch that arrived last.
    pub(crate) last: u32,
    /// The vectors that the receiver has acknowledged.
    pub(crate) acknowledged: u32,
}

/// How much may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) writes: u8,
    pub(crate) duplicates: u8,
    pub(crate) crashes: u8,
    pub(crate) lost_disks: u8,
    pub(crate) trims: u8,
    pub(crate) clock_steps: u8,
}

impl Left {
    pub(crate) const fn of(bounds: &Bounds) -> Self {
        Self {
            writes: bounds.writes,
            duplicates: bounds.duplicates,
            crashes: bounds.crashes,
            lost_disks: bounds.lost_disks,
            trims: bounds.trims,
            clock_steps: bounds.clock_steps,
        }
    }
}

/// A world. Two that are equal have the same future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) sites: [u32; SITES],
    /// By source and receiver.
    pub(crate) streams: [[Stream; SITES]; SITES],
    pub(crate) left: Left,
    /// The writes that only a lost disk had.
    pub(crate) lost: Writes,
    /// The writes of a region that lost its disk before all others had them: its later writes cover
    /// them in vectors.
    pub(crate) orphaned: Writes,
}

impl World {
    /// The hash by which equal worlds are recognised.
    pub(crate) fn fingerprint(&self) -> u128 {
        let mut bytes = Vec::with_capacity(160);
        for site in self.sites {
            bytes.extend(site.to_be_bytes());
        }
        for stream in self.streams.iter().flatten() {
            bytes.extend(stream.in_flight.to_be_bytes());
            bytes.extend(stream.last.to_be_bytes());
            bytes.extend(stream.acknowledged.to_be_bytes());
        }
        let left = self.left;
        bytes.extend([left.writes, left.duplicates, left.crashes]);
        bytes.extend([left.lost_disks, left.trims, left.clock_steps]);
        bytes.extend(self.lost.0.to_be_bytes());
        bytes.extend(self.orphaned.0.to_be_bytes());
        xxh3_128(&bytes)
    }

    /// Forgets what can make no difference any more.
    pub(crate) fn normalize(&mut self) {
        for stream in self.streams.iter_mut().flatten() {
            if self.left.duplicates == 0 {
                stream.last = 0;
            }
            if self.left.trims == 0 {
                stream.acknowledged = 0;
            }
        }
    }

    /// Ends the sessions of a region.
    pub(crate) fn end_sessions(&mut self, at: usize) {
        for other in 0..SITES {
            self.streams[at][other] = Stream::default();
            self.streams[other][at] = Stream::default();
        }
    }

    /// Whether anything is on its way.
    pub(crate) fn is_anything_in_flight(&self) -> bool {
        self.streams.iter().flatten().any(|stream| stream.in_flight != 0)
    }
}
