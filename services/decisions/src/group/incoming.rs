//! A mutation from another region: checked, and decoded on demand.

use std::cell::OnceCell;

use beringia_item::{
    CodecError, Item, ItemState, KeyBytes, KeySchema, Mutation, StateError, decode_item, encoded_attributes,
    encoded_item_size, item_to_json,
};
use beringia_storage::{
    StoreError,
    backend::{LogRecord, MergedRow, OriginNumber, RecordFlags, RecordHead},
};
use bytes::Bytes;

use super::{
    workspace::{Fail, Result},
    write::live_size,
};

/// A mutation that has been checked, but not yet applied.
pub(super) struct Incoming<'a> {
    pub(super) mutation: &'a Mutation,
    pub(super) origin: OriginNumber,
    /// The size of the item in its image, as rows store it; 0 for a delete.
    pub(super) size: u64,
    /// Whether its key was checked. That needs the key schema of its table.
    pub(super) has_checked_key: bool,
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
    /// itself defined the table.
    pub(super) fn known_state(&self, keys: &KeySchema) -> Result<ItemState> {
        self.state(keys)
            .map_err(|error| Fail::Written(malformed(self.mutation, &error)))
    }

    /// The decoded image while the batch is being applied. A failure is as in
    /// [`Incoming::known_state`].
    pub(super) fn known_item(&self) -> Result<Option<&Item>> {
        self.item()
            .map_err(|error| Fail::Written(malformed(self.mutation, &error)))
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
                replaced: 0,
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

/// Returns the size of the item in a mutation's image, as rows store it, or 0 for a delete. Also
/// checks that the mutation is written to the key that its item has under `keys`, the key schema of
/// its table, if that is known.
pub(super) fn checked_size(mutation: &Mutation, keys: Option<&KeySchema>) -> Result<u64, String> {
    let damaged = |error: CodecError| error.to_string();
    match (mutation.image.as_deref(), keys) {
        (None, None) => Ok(0),
        (None, Some(keys)) => {
            let is_valid = |key: &Item| keys.key_of(key).as_ref() == Ok(&mutation.key);
            if keys.attributes_of(&mutation.key).as_ref().is_some_and(is_valid) {
                Ok(0)
            } else {
                Err(format!("{:?} is no key of the table", mutation.key))
            }
        }
        (Some(image), None) => encoded_item_size(image).map(live_size).map_err(damaged),
        (Some(image), Some(keys)) => {
            let is_key = |name: &str| keys.parts().any(|part| part.name == name);
            let (size, found) = encoded_attributes(image, is_key).map_err(damaged)?;
            let under = || format!("the item under the key {}", shown(keys, &mutation.key));
            match keys.key_of(&found) {
                Ok(key) if key == mutation.key => Ok(live_size(size)),
                Ok(_) => Err(format!("{} has the key {}", under(), item_to_json(&found))),
                Err(error) => Err(format!("{} has no key of the table: {error}", under())),
            }
        }
    }
}

/// A key as JSON, or as bytes if it is no key of the schema.
fn shown(keys: &KeySchema, key: &KeyBytes) -> String {
    keys.attributes_of(key).map_or_else(
        || format!("{key:?}"),
        |attributes| item_to_json(&attributes).to_string(),
    )
}
