//! How much may happen in a world.

use beringia_item::ConflictPolicy;
use beringia_storage::PlantedBug;

/// The regions of every world, in the order of their names.
pub(crate) const REGIONS: [&str; 3] = ["ap-northeast-1", "eu-west-1", "us-east-1"];
/// The number of regions.
pub(crate) const SITES: usize = REGIONS.len();

/// The kind of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Puts a whole item, with a value that no other write has.
    Put,
    /// Deletes the item, if the region has it.
    Delete,
    /// Adds 1 to the item's number `n`.
    Add,
    /// Sets an attribute of the writing region to a value that no other write has.
    Set,
}

/// How much may happen in a world. The counts are maxima: everything up to them is explored.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The number of writes of clients in all regions together, at most 4 per region.
    pub writes: u8,
    /// The number of keys that they write.
    pub keys: u8,
    /// The kinds of writes.
    pub kinds: Vec<Kind>,
    /// The conflict policy of the table.
    pub policy: ConflictPolicy,
    /// Whether acknowledgements may be late, as batches may. Otherwise they arrive at once.
    pub late_acks: bool,
    /// How often a stream between two regions breaks, and is opened again at once.
    pub breaks: u8,
    /// How often the store is given a batch a second time.
    pub duplicates: u8,
    /// How often a process crashes and starts again, with its disk.
    pub crashes: u8,
    /// How many disks are lost.
    pub lost_disks: u8,
    /// How often two regions are cut off from each other.
    pub cuts: u8,
    /// How often ten seconds pass in all regions, so that their timers expire.
    pub waits: u8,
    /// How often a log is trimmed. Tombstones are collected by it.
    pub trims: u8,
    /// The regions that trim their logs, by their places.
    pub trimmers: Vec<u8>,
    /// How often a clock jumps.
    pub clock_steps: u8,
    /// The jumps to choose from, in ms.
    pub jumps_ms: Vec<i64>,
    /// The number of worlds after which the search gives up.
    pub worlds_max: usize,
    /// The planted bug of every region.
    pub planted_bug: Option<PlantedBug>,
}

impl Default for Bounds {
    /// Three puts of one item, without faults.
    fn default() -> Self {
        Self {
            writes: 3,
            keys: 1,
            kinds: vec![Kind::Put],
            policy: ConflictPolicy::Item,
            late_acks: false,
            breaks: 0,
            duplicates: 0,
            crashes: 0,
            lost_disks: 0,
            cuts: 0,
            waits: 0,
            trims: 0,
            trimmers: vec![0, 1, 2],
            clock_steps: 0,
            jumps_ms: vec![100],
            worlds_max: usize::MAX,
            planted_bug: None,
        }
    }
}
