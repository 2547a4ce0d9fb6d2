//! Another region's mutation on its way into this region: read, decoded where that is wanted.

use std::cell::OnceCell;

use beringia_item::{CodecError, Item, ItemState, KeySchema, Mutation, StateError, decode_item};
use beringia_storage::{
    StoreError,
    backend::{MergedRow, OriginNumber, Record, RecordFlags, RecordHead},
};
use bytes::Bytes;

use super::workspace::{Fail, Result};

/// A mutation that was read, before it is applied.
pub(super) struct Incoming<'a> {
    pub(super) mutation: &'a Mutation,
    pub(super) origin: OriginNumber,
    /// Of the item that its image holds, as rows keep it; 0 for a delete.
    pub(super) size: u64,
    /// The decoded image, once it was wanted.
    pub(super) item: OnceCell<Item>,
    /// Its causal context as records hold it.
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

    /// The same once the batch is being written. That it cannot be read now means that the batch itself
    /// defined the table; then all of the group is undone.
    pub(super) fn known_state(&self, keys: &KeySchema) -> Result<ItemState> {
        self.state(keys)
            .map_err(|error| Fail::Group(malformed(self.mutation, &error)))
    }

    /// The decoded image once the batch is being written, as [`Incoming::known_state`] has the state.
    pub(super) fn known_item(&self) -> Result<Option<&Item>> {
        self.item()
            .map_err(|error| Fail::Group(malformed(self.mutation, &error)))
    }

    pub(super) fn record(&self, flags: RecordFlags, previous: Option<u64>, merged: Option<&MergedRow>) -> Record {
        let mutation = self.mutation;
        Record {
            head: RecordHead {
                position: 0,
                table: 0,
                origin: self.origin,
                sequence: mutation.version.sequence,
                time: mutation.version.time.as_u64(),
                flags,
                unit: mutation.unit,
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
        origin: mutation.origin().clone(),
        what: what.to_string(),
    }
}
