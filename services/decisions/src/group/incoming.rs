//! A mutation from another region: checked, and decoded on demand.

use std::cell::OnceCell;

use beringia_item::{CodecError, Item, ItemState, KeySchema, Mutation, StateError, decode_item};
use beringia_storage::{
    StoreError,
    backend::{LogRecord, MergedRow, OriginNumber, RecordFlags, RecordHead},
};
use bytes::Bytes;

use super::workspace::{Fail, Result};

/// A mutation that has been checked, but not yet applied.
pub(super) struct Incoming<'a> {
    pub(super) mutation: &'a Mutation,
    pub(super) origin: OriginNumber,
    /// The size of the item in its image, as rows store it; 0 for a delete.
    pub(super) size: u64,
    /// The decoded image, once it was needed.
    pub(super) item: OnceCell<Item>,
    /// The causal context in the format of records.
    pub(super) context: Bytes,
}

impl Incoming<'_> {
    /// The decoded image; `None` for a delete.
    pub(super) fn item(&self) -> Result<Option<&Item>, CodecError> {
        let Some(image) = self.mutation.image.as_deref() else {
            return Ok(None);
        };
        if self.item.get().is_none() {
            let item = decode_item(image)?;
            self.item.get_or_init(|| item);
        }
        Ok(self.item.get())
    }

    /// The state that the mutation left in its region, by the key schema of its table.
    pub(super) fn state(&self, keys: &KeySchema) -> Result<ItemState, StateError> {
        let mutation = self.mutation;
        let attributes = keys.attributes_of(&mutation.key).unwrap_or_default();
        ItemState::read(
            &mutation.version,
            self.item()?,
            mutation.metadata.as_deref(),
            &attributes,
        )
    }

    /// The same while the batch is being applied. A failure to read it now means that the batch
    /// itself defined the table; the whole group is then undone.
    pub(super) fn known_state(&self, keys: &KeySchema) -> Result<ItemState> {
        self.state(keys)
            .map_err(|error| Fail::Group(malformed(self.mutation, &error)))
    }

    /// The decoded image while the batch is being applied. A failure is as in
    /// [`Incoming::known_state`].
    pub(super) fn known_item(&self) -> Result<Option<&Item>> {
        self.item()
            .map_err(|error| Fail::Group(malformed(self.mutation, &error)))
    }

    pub(super) fn record(&self, flags: RecordFlags, previous: Option<u64>, merged: Option<&MergedRow>) -> LogRecord {
        let mutation = self.mutation;
        LogRecord {
            head: RecordHead {
                position: 0,
                table: 0,
                origin: self.origin,
                sequence: mutation.version.sequence,
                time: mutation.version.time.as_u64(),
                flags,
                transaction: mutation.transaction,
                previous,
            },
            key: mutation.key.clone(),
            context: self.context.clone(),
            image: mutation.image.clone(),
            metadata: mutation.metadata.clone(),
            merged: merged.cloned(),
        }
    }
}

pub(super) fn malformed(mutation: &Mutation, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Malformed {
        table: mutation.table,
        origin: mutation.origin().clone(),
        what: what.to_string(),
    }
}
