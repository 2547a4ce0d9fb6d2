//! Records of the log: one per write, as it is appended and as it is read.

use beringia_clock::HybridTime;
use beringia_item::{Cause, KeyBytes, Origin, Unit, Version};
use bytes::Bytes;

use super::{OriginNumber, TableNumber, row::version};
use crate::StoreError;

/// What else is known of a record: a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordFlags(u8);

impl RecordFlags {
    /// The item's time to live ran out.
    pub const TIME_TO_LIVE: Self = Self(1);
    /// Came by copy or repair, outside its origin's order: replication must not serve it.
    pub const UNORDERED: Self = Self(2);
    /// Never became the current version here. Kept for those that this region relays to.
    pub const STALE: Self = Self(4);
    /// Tells streams that an item went without a delete. Neither a row nor a record points to it.
    pub const REMOVAL: Self = Self(8);

    /// The bits as a number.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The flags that [`RecordFlags::bits`] gave; unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0xF)
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of those is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Why the write was made.
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

/// What of a record says whether a reader wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead {
    /// Its position in the log.
    pub position: u64,
    /// The table.
    pub table: TableNumber,
    /// Who committed the write of a client.
    pub origin: OriginNumber,
    /// The origin's number of the write.
    pub sequence: u64,
    /// Hybrid time at the origin.
    pub time: u64,
    /// What else is known of it.
    pub flags: RecordFlags,
    /// The atomic batch that it belongs to.
    pub unit: Unit,
    /// The position of the version that it replaced.
    pub previous: Option<u64>,
}

impl RecordHead {
    /// The version of the write.
    ///
    /// # Errors
    /// [`StoreError::Database`] where `names` has no such origin.
    pub fn version(&self, names: &[Origin]) -> Result<Version, StoreError> {
        version(names, self.time, self.origin, self.sequence)
    }
}

/// A record as it is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What says whether a reader wants it.
    pub head: RecordHead,
    /// The item's stored key.
    pub key: KeyBytes,
    /// The causal context: sequences by origin number, ten bytes each.
    pub context: Bytes,
    /// The item that the origin made of the write, encoded; `None` for a delete.
    pub image: Option<Bytes>,
    /// What the image does not say of the state at the origin.
    pub metadata: Option<Bytes>,
    /// What was current here after the write, where that was merged from it and the row before.
    pub merged: Option<MergedRow>,
}

impl Record {
    /// Bytes that it counts for in a backlog: key, image and metadata.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        (self.key.0.len() + len(&self.image) + len(&self.metadata)) as u64
    }

    /// The version of the row after the write.
    #[must_use]
    pub const fn current(&self) -> (u64, OriginNumber, u64) {
        match &self.merged {
            Some(merged) => (merged.time, merged.origin, merged.sequence),
            None => (self.head.time, self.head.origin, self.head.sequence),
        }
    }
}

/// What a write and the row before it were merged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedRow {
    /// The greatest version in it: hybrid time, origin, sequence.
    pub time: u64,
    /// Its origin.
    pub origin: OriginNumber,
    /// Its sequence.
    pub sequence: u64,
    /// The causal contexts of all its writes, as in [`Record::context`].
    pub context: Bytes,
    /// The item, where it is another than the write's own image.
    pub image: Option<Bytes>,
    /// What the image does not say of the state.
    pub metadata: Option<Bytes>,
}

/// Bytes before the context in the encoded form of a [`MergedRow`].
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
    /// All but the image as bytes.
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

    /// What [`MergedRow::encode`] made, with the image that was kept beside it.
    ///
    /// # Errors
    /// [`MergedRowError`] where the bytes are too few.
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

/// A record as it is read: what is not asked for is not loaded.
pub trait StoredRecord {
    /// What says whether a reader wants it.
    ///
    /// # Errors
    /// [`StoreError::Database`] where it is damaged; so for all others.
    fn head(&self) -> Result<RecordHead, StoreError>;

    /// The item's stored key.
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn key(&self) -> Result<&[u8], StoreError>;

    /// [`Record::context`].
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn context(&self) -> Result<&[u8], StoreError>;

    /// [`Record::image`].
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn image(&self) -> Result<Option<&[u8]>, StoreError>;

    /// [`Record::metadata`].
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn metadata(&self) -> Result<Option<&[u8]>, StoreError>;

    /// [`Record::merged`], encoded.
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn merged(&self) -> Result<Option<&[u8]>, StoreError>;

    /// The image of what was current after the write: of the merged row, or the write's own; `None` for a delete.
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn current_image(&self) -> Result<Option<&[u8]>, StoreError>;

    /// Bytes that it counts for in a backlog ([`Record::bytes`]).
    ///
    /// # Errors
    /// As for [`StoredRecord::head`].
    fn bytes(&self) -> Result<u64, StoreError>;
}

impl RecordHead {
    /// Hybrid time at the origin.
    #[must_use]
    pub const fn hybrid_time(&self) -> HybridTime {
        HybridTime::from_u64(self.time)
    }
}
