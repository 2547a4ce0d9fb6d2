//! Rows and the keys under which they are kept.

use beringia_clock::HybridTime;
use beringia_item::{Origin, Stamp, Version};

use crate::StoreError;

/// A table's small number. It is another one each time that a region's replica is filled from nothing.
pub type TableNumber = u32;
/// An index's small number.
pub type IndexNumber = u32;
/// An origin's small number: its place in the list of all origins that rows name.
pub type OriginNumber = u16;

/// An ordered map from keys to small rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keyspace {
    /// One row: what belongs to the region as a whole.
    Region,
    /// The origins that rows name, by number.
    Origins,
    /// The tables that this region holds, and those whose rows are being removed, by number.
    Tables,
    /// Their secondary indexes, by number.
    Indexes,
    /// The entries of indexes. Only keys.
    Entries,
    /// The digests of tables, some ranges in a row.
    Digests,
    /// Log checkpoints: remembered places in the log, by table, origin and sequence.
    LogCheckpoints,
    /// How far the log had grown at which wall time, by position.
    LogTimes,
    /// Streams of tables.
    Streams,
    /// Shards of streams.
    Shards,
    /// The conflict journal, by number.
    Conflicts,
    /// The numbers of conflicts, by what is in conflict.
    ConflictKeys,
    /// Writes of this region that no other region has, by number.
    Unshipped,
    /// For how long peers were unreachable when that was last noted, by region.
    Unreachable,
}

impl Keyspace {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Region,
        Self::Origins,
        Self::Tables,
        Self::Indexes,
        Self::Entries,
        Self::Digests,
        Self::LogCheckpoints,
        Self::LogTimes,
        Self::Streams,
        Self::Shards,
        Self::Conflicts,
        Self::ConflictKeys,
        Self::Unshipped,
        Self::Unreachable,
    ];

    /// Whether its keys are numbers, of eight bytes with the greatest first. A backend may keep them as
    /// such. Numbers are below 2^63.
    #[must_use]
    pub const fn is_numbered(self) -> bool {
        matches!(
            self,
            Self::Region
                | Self::Origins
                | Self::Tables
                | Self::Indexes
                | Self::Digests
                | Self::LogTimes
                | Self::Streams
                | Self::Conflicts
                | Self::Unshipped
        )
    }

    /// The name of what it keeps, in lower case with underscores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Origins => "origins",
            Self::Tables => "tables",
            Self::Indexes => "indexes",
            Self::Entries => "entries",
            Self::Digests => "digests",
            Self::LogCheckpoints => "log_checkpoints",
            Self::LogTimes => "log_times",
            Self::Streams => "streams",
            Self::Shards => "shards",
            Self::Conflicts => "conflicts",
            Self::ConflictKeys => "conflict_keys",
            Self::Unshipped => "unshipped",
            Self::Unreachable => "unreachable",
        }
    }
}

/// A half-open range of keys, and the direction in which it is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRange {
    /// The least key.
    pub from: Vec<u8>,
    /// Above the greatest key; `None` where there is no bound.
    pub to: Option<Vec<u8>>,
    /// From the greatest key down.
    pub reverse: bool,
}

impl KeyRange {
    /// From one key to below another, upwards.
    #[must_use]
    pub const fn new(from: Vec<u8>, to: Vec<u8>) -> Self {
        Self {
            from,
            to: Some(to),
            reverse: false,
        }
    }

    /// All keys, upwards.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            from: Vec::new(),
            to: None,
            reverse: false,
        }
    }

    /// The same range in that direction.
    #[must_use]
    pub fn reversed(self, reverse: bool) -> Self {
        Self { reverse, ..self }
    }
}

/// How much of an item's record is read with its row. What is not asked for must not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Only the row.
    Row,
    /// The record, but for its images, which may be large.
    Context,
    /// Only the image of the current item ([`super::StoredRecord::current_image`]).
    Item,
    /// The whole record.
    Record,
}

impl Detail {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Row, Self::Context, Self::Item, Self::Record];

    /// Whether nothing of `other` is missing in this.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self == other || self == Self::Record || other == Self::Row
    }

    /// What covers both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        if self.covers(other) {
            self
        } else if other.covers(self) {
            other
        } else {
            Self::Record
        }
    }
}

/// An item's row: which version is current, and where in the log its record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemRow {
    /// The record's position in the log.
    pub position: u64,
    /// Hybrid time of the current version.
    pub time: u64,
    /// Its origin.
    pub origin: OriginNumber,
    /// Its sequence.
    pub sequence: u64,
    /// Bytes of the item as DynamoDB counts them; 0 for a tombstone.
    pub size: u64,
    /// The hash of the item's metadata; 0 where there is none.
    pub state: u64,
}

impl ItemRow {
    /// Whether there is an item, not a tombstone.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.size > 0
    }

    /// The current version.
    ///
    /// # Errors
    /// [`StoreError::Database`] where `names` has no such origin.
    pub fn version(&self, names: &[Origin]) -> Result<Version, StoreError> {
        version(names, self.time, self.origin, self.sequence)
    }

    /// The current version with the hash of the metadata.
    ///
    /// # Errors
    /// [`StoreError::Database`] where `names` has no such origin.
    pub fn stamp(&self, names: &[Origin]) -> Result<Stamp, StoreError> {
        Ok(Stamp {
            version: self.version(names)?,
            state: self.state,
        })
    }
}

/// A version with the origin's name.
///
/// # Errors
/// [`StoreError::Database`] where `names` has no such origin.
pub fn version(names: &[Origin], time: u64, origin: OriginNumber, sequence: u64) -> Result<Version, StoreError> {
    let origin = names
        .get(usize::from(origin))
        .ok_or_else(|| StoreError::damaged("a row names an unknown origin"))?;
    Ok(Version {
        time: HybridTime::from_u64(time),
        origin: origin.clone(),
        sequence,
    })
}
