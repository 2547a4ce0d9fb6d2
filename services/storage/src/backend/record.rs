//! Records of the log, one per write, for appending and for reading.

use beringia_clock::HybridTime;
use beringia_item::{Cause, KeyBytes, Origin, Transaction, Version};
use bytes::Bytes;

use super::{OriginNumber, TableNumber, row::version};
use crate::StoreError;

/// A set of bits with further facts about a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordFlags(u8);

impl RecordFlags {
    /// The write deleted an item whose time to live had expired.
    pub const TIME_TO_LIVE: Self = Self(1);
    /// The write came by copy or repair, outside its origin's order. Replication must not serve it.
    pub const UNORDERED: Self = Self(2);
    /// The write never became the current version here. It is kept for the peers that this region
    /// relays to.
    pub const STALE: Self = Self(4);
    /// Tells streams that an item was removed without a delete. No row and no other record points
    /// to this record.
    pub const REMOVAL: Self = Self(8);

    /// The flags as a number.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Restores the flags from [`RecordFlags::bits`]. Unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0xF)
    }

    /// The union of both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any flag of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The cause of the write.
    #[must_use]
    pub const fn cause(self) -> Cause {
        if self.has(Self::TIME_TO_LIVE) {
            Cause::TimeToLive
        } else {
            Cause::Client
        }
    }
}

impl From<Cause> for RecordFlags {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Client => Self::default(),
            Cause::TimeToLive => Self::TIME_TO_LIVE,
        }
    }
}

/// The part of a record by which a reader decides whether it wants the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead {
    /// The record's position in the log.
    pub position: u64,
    /// The number of the table.
    pub table: TableNumber,
    /// The number of the origin that committed the client's write.
    pub origin: OriginNumber,
    /// The origin's sequence of the write.
    pub sequence: u64,
    /// Hybrid time of the write at the origin.
    pub time: u64,
    /// Further facts about the record.
    pub flags: RecordFlags,
    /// The transaction that the write belongs to.
    pub transaction: Transaction,
    /// The position of the version that the write replaced.
    pub previous: Option<u64>,
    /// What the replaced item had contributed to the digest of its range; 0 if there was no live
    /// item, and in a record that never became current.
    pub replaced: u128,
}

impl RecordHead {
    /// The version of the write.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if `names` does not contain the origin.
    pub fn version(&self, names: &[Origin]) -> Result<Version, StoreError> {
        version(names, self.time, self.origin, self.sequence)
    }
}

/// A record as it is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The part by which a reader decides whether it wants the record.
    pub head: RecordHead,
    /// The stored key of the item.
    pub key: KeyBytes,
    /// The causal context: sequences by origin number, ten bytes each.
    pub context: Bytes,
    /// The item after the write at its origin, encoded; `None` for a delete.
    pub image: Option<Bytes>,
    /// The part of the item's state at the origin that the image does not express.
    pub metadata: Option<Bytes>,
    /// The merged row that became current here, if the write was merged with the row before it.
    pub merged: Option<MergedRow>,
}

impl LogRecord {
    /// The size of the record in a backlog, in bytes: key, image and metadata.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        (self.key.0.len() + len(&self.image) + len(&self.metadata)) as u64
    }

    /// The image of the row after the write; `None` for a delete.
    #[must_use]
    pub fn current_image(&self) -> Option<&[u8]> {
        let merged = self.merged.as_ref().and_then(|merged| merged.image.as_deref());
        merged.or(self.image.as_deref())
    }

    /// The version of the row after the write: hybrid time, origin, sequence.
    #[must_use]
    pub const fn current(&self) -> (u64, OriginNumber, u64) {
        match &self.merged {
            Some(merged) => (merged.time, merged.origin, merged.sequence),
            None => (self.head.time, self.head.origin, self.head.sequence),
        }
    }
}

/// The result of merging a write with the row before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedRow {
    /// Hybrid time of the greatest version in the row.
    pub time: u64,
    /// The origin of that version.
    pub origin: OriginNumber,
    /// The sequence of that version.
    pub sequence: u64,
    /// The causal contexts of all its writes, as in [`LogRecord::context`].
    pub context: Bytes,
    /// The item, if it differs from the write's own image.
    pub image: Option<Bytes>,
    /// The part of the state that the image does not express.
    pub metadata: Option<Bytes>,
}

/// The number of bytes before the context in the encoded form of a [`MergedRow`].
const MERGED_HEAD: usize = 26;

/// The encoded form of a merged row is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a merged row is too short")]
pub struct MergedRowError;

impl From<MergedRowError> for StoreError {
    fn from(error: MergedRowError) -> Self {
        Self::damaged(&error.to_string())
    }
}

impl MergedRow {
    /// Encodes everything except the image.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let metadata = self.metadata.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(MERGED_HEAD + self.context.len() + metadata.len());
        out.extend_from_slice(&self.time.to_be_bytes());
        out.extend_from_slice(&self.origin.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&(self.context.len() as u64).to_be_bytes());
        out.extend_from_slice(&self.context);
        out.extend_from_slice(metadata);
        out
    }

    /// Decodes what [`MergedRow::encode`] returned, given the image that was stored beside it.
    ///
    /// # Errors
    /// [`MergedRowError`] if there are too few bytes.
    pub fn decode(bytes: &[u8], image: Option<Bytes>) -> Result<Self, MergedRowError> {
        fn take<'b, const N: usize>(bytes: &mut &'b [u8]) -> Result<&'b [u8; N], MergedRowError> {
            let (field, rest) = bytes.split_first_chunk().ok_or(MergedRowError)?;
            *bytes = rest;
            Ok(field)
        }
        let mut rest = bytes;
        let time = u64::from_be_bytes(*take(&mut rest)?);
        let origin = u16::from_be_bytes(*take(&mut rest)?);
        let sequence = u64::from_be_bytes(*take(&mut rest)?);
        let context = u64::from_be_bytes(*take(&mut rest)?);
        let split = usize::try_from(context).ok().and_then(|len| rest.split_at_checked(len));
        let (context, metadata) = split.ok_or(MergedRowError)?;
        Ok(Self {
            time,
            origin,
            sequence,
            context: Bytes::copy_from_slice(context),
            image,
            metadata: (!metadata.is_empty()).then(|| Bytes::copy_from_slice(metadata)),
        })
    }
}

/// A record as it is read. Parts that are not asked for are not loaded.
pub trait StoredRecord {
    /// The part by which a reader decides whether it wants the record.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the record is damaged; this applies to all methods.
    fn head(&self) -> Result<RecordHead, StoreError>;

    /// The stored key of the item.
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn key(&self) -> Result<&[u8], StoreError>;

    /// The causal context, as in [`LogRecord::context`].
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn context(&self) -> Result<&[u8], StoreError>;

    /// The image, as in [`LogRecord::image`].
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn image(&self) -> Result<Option<&[u8]>, StoreError>;

    /// The metadata, as in [`LogRecord::metadata`].
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn metadata(&self) -> Result<Option<&[u8]>, StoreError>;

    /// The encoded merged row, as in [`LogRecord::merged`].
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn merged(&self) -> Result<Option<&[u8]>, StoreError>;

    /// The image of the current version after the write: the merged row's, or the write's own.
    /// `None` for a delete.
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn current_image(&self) -> Result<Option<&[u8]>, StoreError>;

    /// The size of the record in a backlog, in bytes ([`LogRecord::bytes`]).
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn bytes(&self) -> Result<u64, StoreError>;
}

impl RecordHead {
    /// Hybrid time of the write at the origin.
    #[must_use]
    pub const fn hybrid_time(&self) -> HybridTime {
        HybridTime::from_u64(self.time)
    }

    /// Whether the previous version was a live item.
    #[must_use]
    pub const fn replaced_item(&self) -> bool {
        self.replaced != 0 || self.flags.has(RecordFlags::REMOVAL)
    }
}
