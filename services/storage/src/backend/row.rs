//! Rows and the keys under which they are stored.

use beringia_clock::HybridTime;
use beringia_item::{Origin, RowFingerprint, Version};

use crate::StoreError;

/// A table's number in this region. It changes each time the region's replica is filled from empty.
pub type TableNumber = u32;
/// An index's number in this region.
pub type IndexNumber = u32;
/// An origin's number in this region: its index in the list of all origins that rows refer to.
pub type OriginNumber = u16;

/// An ordered map from keys to small rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keyspace {
    /// A single row: the state of the region as a whole.
    Region,
    /// The origins that rows refer to, by number.
    Origins,
    /// The tables that this region holds, and those whose rows are being removed, by number.
    Tables,
    /// Their secondary indexes, by number.
    Indexes,
    /// The entries of indexes. They consist of keys only.
    Entries,
    /// The digests of tables, several ranges per row.
    Digests,
    /// Log checkpoints: remembered places in the log, by table, origin and sequence.
    LogCheckpoints,
    /// The end of the log at past wall times, by position.
    LogTimes,
    /// The tables whose records the trim may not pass at present, by number.
    LogHolds,
    /// The streams of tables, enabled or still readable.
    Streams,
    /// The shards of streams, open or still readable.
    Shards,
    /// The conflict journal, by number.
    Conflicts,
    /// The numbers of conflicts, by table and key.
    ConflictKeys,
    /// Unshipped writes of this region, by number.
    Unshipped,
    /// For how long each peer had been unreachable when that was last recorded, by region.
    Unreachable,
}

impl Keyspace {
    /// All keyspaces, in the order of their declaration.
    pub const ALL: [Self; 15] = [
        Self::Region,
        Self::Origins,
        Self::Tables,
        Self::Indexes,
        Self::Entries,
        Self::Digests,
        Self::LogCheckpoints,
        Self::LogTimes,
        Self::LogHolds,
        Self::Streams,
        Self::Shards,
        Self::Conflicts,
        Self::ConflictKeys,
        Self::Unshipped,
        Self::Unreachable,
    ];

    /// Whether its keys are numbers of eight bytes, big-endian, below 2^63. A backend may store
    /// them as integers.
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
                | Self::LogHolds
                | Self::Streams
                | Self::Conflicts
                | Self::Unshipped
        )
    }

    /// The keyspace's name, in lower case with underscores.
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
            Self::LogHolds => "log_holds",
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
    /// The least key of the range, which belongs to it.
    pub from: Vec<u8>,
    /// The bound above the greatest key, exclusive; `None` for no bound.
    pub to: Option<Vec<u8>>,
    /// Whether to read from the greatest key down.
    pub reverse: bool,
}

impl KeyRange {
    /// The range from one key (inclusive) to another (exclusive), ascending.
    #[must_use]
    pub const fn new(from: Vec<u8>, to: Vec<u8>) -> Self {
        Self {
            from,
            to: Some(to),
            reverse: false,
        }
    }

    /// The range of all keys, ascending.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            from: Vec::new(),
            to: None,
            reverse: false,
        }
    }

    /// The same range with the given direction.
    #[must_use]
    pub fn reversed(self, reverse: bool) -> Self {
        Self { reverse, ..self }
    }
}

/// How much of an item's record is read with its row. Parts that are not asked for must not be
/// looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// The row without its record.
    Row,
    /// The record without its images, which may be large.
    Context,
    /// Only the image of the current item ([`super::StoredRecord::current_image`]).
    Item,
    /// The record with all its parts.
    Record,
}

impl Detail {
    /// All details, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Row, Self::Context, Self::Item, Self::Record];

    /// Whether this includes everything that `other` includes.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self == other || self == Self::Record || other == Self::Row
    }

    /// The least detail that covers both.
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

/// An item's row: the current version, and the position of its record in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemRow {
    /// The record's position in the log.
    pub position: u64,
    /// Hybrid time of the current version.
    pub time: u64,
    /// The origin of the current version.
    pub origin: OriginNumber,
    /// The sequence of the current version.
    pub sequence: u64,
    /// The size of the item in bytes, as DynamoDB counts it; 0 for a tombstone.
    pub size: u64,
    /// The hash of the item's metadata; 0 if there is none.
    pub state: u64,
    /// The hash of the item's image ([`beringia_item::content_hash`]); 0 for a tombstone.
    pub content: u64,
}

impl ItemRow {
    /// Whether the row is an item, not a tombstone.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.size > 0
    }

    /// The current version of the item.
    pub fn version(&self, names: &[Origin]) -> Result<Version, StoreError> {
        version(names, self.time, self.origin, self.sequence)
    }

    /// The current version with the hashes of metadata and image.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if `names` does not contain the origin.
    pub fn fingerprint(&self, names: &[Origin]) -> Result<RowFingerprint, StoreError> {
        Ok(RowFingerprint {
            version: self.version(names)?,
            state: self.state,
            content: self.content,
        })
    }
}

/// Builds a version, with the name of the origin.
///
/// # Errors
/// [`StoreError::Unreadable`] if `names` does not contain the origin.
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
