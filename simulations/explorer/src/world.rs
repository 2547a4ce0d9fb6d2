//! A world: which region is in which state, what is on its way, and what may still happen. It
//! refers to regions and messages by their numbers in the [`Universe`](crate::universe).

use xxhash_rust::xxh3::xxh3_128;

use crate::{
    bounds::{Bounds, SITES},
    written::Writes,
};

/// The stream from one region to another. Queues are named by number, the empty one by 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    /// What the source sent and the receiver does not have yet.
    pub(crate) to_receiver: u32,
    /// What the receiver sent and the source does not have yet.
    pub(crate) to_source: u32,
    /// The batch that arrived last, or 0.
    pub(crate) last: u32,
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
    pub(crate) breaks: u8,
    pub(crate) cuts: u8,
    pub(crate) waits: u8,
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
            breaks: bounds.breaks,
            cuts: bounds.cuts,
            waits: bounds.waits,
        }
    }
}

/// A world. Two that are equal have the same future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) sites: [u32; SITES],
    /// By source and receiver.
    pub(crate) streams: [[Stream; SITES]; SITES],
    /// By place: which regions are cut off from each other. It is symmetric.
    pub(crate) cut: [[bool; SITES]; SITES],
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
            bytes.extend(stream.to_receiver.to_be_bytes());
            bytes.extend(stream.to_source.to_be_bytes());
            bytes.extend(stream.last.to_be_bytes());
        }
        bytes.extend(self.cut.iter().flatten().map(|is_cut| u8::from(*is_cut)));
        let left = self.left;
        bytes.extend([left.writes, left.duplicates, left.crashes]);
        bytes.extend([left.lost_disks, left.trims, left.clock_steps]);
        bytes.extend([left.breaks, left.cuts, left.waits]);
        bytes.extend(self.lost.0.to_be_bytes());
        bytes.extend(self.orphaned.0.to_be_bytes());
        xxh3_128(&bytes)
    }

    /// Forgets what can make no difference any more.
    pub(crate) fn normalize(&mut self) {
        if self.left.duplicates == 0 {
            for stream in self.streams.iter_mut().flatten() {
                stream.last = 0;
            }
        }
    }

    /// The writes that a disk took, and those that later vectors cover although a disk took them.
    pub(crate) const fn excused(&self) -> Writes {
        self.lost.with(self.orphaned)
    }

    /// Whether anything is on its way.
    pub(crate) fn is_anything_on_its_way(&self) -> bool {
        let mut streams = self.streams.iter().flatten();
        streams.any(|stream| stream.to_receiver != 0 || stream.to_source != 0)
    }
}
