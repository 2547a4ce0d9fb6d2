//! An item's current row with its record, as a decision reads it.

use beringia_item::{
    Cause, ItemState, KeyBytes, KeySchema, Mutation, TableId, Transaction, Version, VersionVector, decode_item,
};
use beringia_storage::{
    StoreError,
    backend::{Detail, ItemRow, LogRecord, MergedRow, OriginNumber, StoredRecord, version},
};
use bytes::Bytes;

use crate::layout::{OriginNames, decode_context, named, named_context};

/// The item that was current after a record, as the record describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentRecord {
    pub(crate) time: u64,
    pub(crate) origin: OriginNumber,
    pub(crate) sequence: u64,
    /// The causal context of all writes in the item, those writes themselves excluded.
    pub(crate) context: Bytes,
    /// The encoded item; `None` for a delete, and if it was not read.
    pub image: Option<Bytes>,
    /// The part of the state that the image does not express.
    pub(crate) metadata: Option<Bytes>,
    /// The cause of the write; [`Cause::Client`] for a merged row.
    pub(crate) cause: Cause,
    /// The transaction of the write. For a merged row, its version's sequence alone.
    transaction: Transaction,
    /// Whether the item was merged from several writes, so that it differs from what this record's
    /// write left.
    pub(crate) is_merged: bool,
}

impl CurrentRecord {
    /// Reads a stored record, with its image if `detail` is [`Detail::Record`].
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the record is damaged.
    pub fn read(record: &dyn StoredRecord, detail: Detail) -> Result<Self, StoreError> {
        let image = match detail {
            Detail::Record => record.current_image()?.map(Bytes::copy_from_slice),
            Detail::Row | Detail::Item | Detail::Context => None,
        };
        match record.merged()? {
            Some(merged) => Ok(Self::merged(MergedRow::decode(merged, None)?, image)),
            None => Self::own(record, image),
        }
    }

    /// Reads what the record's write left at its origin, whatever it was merged with here.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the record is damaged.
    pub(crate) fn as_written(record: &dyn StoredRecord) -> Result<Self, StoreError> {
        Self::own(record, record.image()?.map(Bytes::copy_from_slice))
    }

    fn own(record: &dyn StoredRecord, image: Option<Bytes>) -> Result<Self, StoreError> {
        let head = record.head()?;
        Ok(Self {
            time: head.time,
            origin: head.origin,
            sequence: head.sequence,
            context: Bytes::copy_from_slice(record.context()?),
            image,
            metadata: record.metadata()?.map(Bytes::copy_from_slice),
            cause: head.flags.cause(),
            transaction: head.transaction,
            is_merged: false,
        })
    }

    /// Converts a record that is about to be appended.
    pub(crate) fn of(record: &LogRecord) -> Self {
        if let Some(merged) = &record.merged {
            let image = merged.image.clone().or_else(|| record.image.clone());
            return Self::merged(merged.clone(), image);
        }
        Self {
            time: record.head.time,
            origin: record.head.origin,
            sequence: record.head.sequence,
            context: record.context.clone(),
            image: record.image.clone(),
            metadata: record.metadata.clone(),
            cause: record.head.flags.cause(),
            transaction: record.head.transaction,
            is_merged: false,
        }
    }

    fn merged(merged: MergedRow, image: Option<Bytes>) -> Self {
        Self {
            time: merged.time,
            origin: merged.origin,
            sequence: merged.sequence,
            context: merged.context,
            image,
            metadata: merged.metadata,
            cause: Cause::Client,
            transaction: Transaction {
                first: merged.sequence,
                last: merged.sequence,
            },
            is_merged: true,
        }
    }

    /// Whether this describes the version that `row` says is current.
    #[must_use]
    pub const fn is_of(&self, row: &ItemRow) -> bool {
        self.origin == row.origin && self.sequence == row.sequence
    }

    /// The greatest version in the item.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if `names` does not contain the origin.
    pub fn version(&self, names: &OriginNames) -> Result<Version, StoreError> {
        version(names, self.time, self.origin, self.sequence)
    }

    /// The causal context of the writes in the item, those writes included.
    pub(crate) fn covered(&self, names: &OriginNames) -> Result<VersionVector, StoreError> {
        named(self.covered_numbers()?, names)
    }

    /// The same by origin numbers; an origin may occur twice.
    pub(crate) fn covered_numbers(&self) -> Result<Vec<(OriginNumber, u64)>, StoreError> {
        let mut covered = decode_context(&self.context)?;
        covered.push((self.origin, self.sequence));
        Ok(covered)
    }

    /// The state of the item, which has this key.
    pub(crate) fn state(&self, keys: &KeySchema, key: &KeyBytes, names: &OriginNames) -> Result<ItemState, StoreError> {
        let damaged = |what: &dyn std::fmt::Display| StoreError::damaged(&what.to_string());
        let image = self.image.as_deref().map(decode_item).transpose();
        let image = image.map_err(|error| damaged(&error))?;
        let version = version(names, self.time, self.origin, self.sequence)?;
        let attributes = keys.attributes_of(key).unwrap_or_default();
        ItemState::read(&version, image.as_ref(), self.metadata.as_deref(), &attributes)
            .map_err(|error| damaged(&error))
    }

    /// The row as a mutation: the last write, with all that was merged into it.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the record is damaged.
    pub fn into_mutation(self, table: TableId, key: KeyBytes, names: &OriginNames) -> Result<Mutation, StoreError> {
        Ok(Mutation {
            table,
            key,
            version: version(names, self.time, self.origin, self.sequence)?,
            causal_context: named_context(&self.context, names)?,
            image: self.image,
            metadata: self.metadata,
            cause: self.cause,
            transaction: self.transaction,
        })
    }
}
