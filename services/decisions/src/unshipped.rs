//! Unshipped writes: those of a dropped replica that no other region has, kept when its rows are
//! removed.

use std::sync::Arc;

use beringia_item::{Item, KeySchema, TableId, VersionVector, decode_item, encode_item};
use beringia_storage::{
    ConflictSide, StoreError, Unshipped,
    backend::{Keyspace, WriteSet},
};

use serde::{Deserialize, Serialize};

use crate::{
    journal::{Side, decode_side, encode_side},
    layout::{Fields, OriginNames, number_key, number_of, put_bytes},
};

/// Decides which of a table's rows are unshipped: those that `has` does not cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnshippedFilter {
    /// The id of the table, as big-endian bytes.
    table: [u8; 16],
    /// The name of the table, for the list of unshipped writes.
    name: String,
    pub(crate) keys: KeySchema,
    /// The version vector of what the others have.
    pub(crate) has: VersionVector,
}

impl UnshippedFilter {
    /// Creates the filter for a table's rows.
    pub(crate) fn of(table: TableId, keys: KeySchema, name: String, has: VersionVector) -> Arc<Self> {
        Arc::new(Self {
            table: table.0.to_be_bytes(),
            name,
            keys,
            has,
        })
    }
}

/// Writes a row of [`Keyspace::Unshipped`].
pub(crate) fn write(
    number: u64,
    filter: &UnshippedFilter,
    key: &Item,
    side: &Side<'_>,
    seen_ms: u64,
    writes: &mut WriteSet,
) {
    let mut row = Vec::new();
    row.extend_from_slice(&filter.table);
    row.extend_from_slice(&seen_ms.to_be_bytes());
    put_bytes(&mut row, filter.name.as_bytes());
    put_bytes(&mut row, &encode_item(key));
    encode_side(&mut row, side);
    writes.rows.insert((Keyspace::Unshipped, number_key(number)), Some(row));
}

/// When the region recorded an unshipped write, in ms, and the name of its table, from a row of
/// [`Keyspace::Unshipped`].
///
/// # Errors
/// [`StoreError::Unreadable`] if the row is damaged.
pub fn seen_of(row: &[u8]) -> Result<(u64, &str), StoreError> {
    let mut fields = Fields(row);
    fields.u128()?;
    let seen_ms = fields.u64()?;
    let name = std::str::from_utf8(fields.bytes()?).map_err(|error| StoreError::damaged(&error.to_string()))?;
    Ok((seen_ms, name))
}

/// Reads a row of [`Keyspace::Unshipped`].
///
/// # Errors
/// [`StoreError::Unreadable`] if the row is damaged.
pub fn read(key: &[u8], row: &[u8], names: &OriginNames) -> Result<Unshipped, StoreError> {
    let damaged = |what: &dyn std::fmt::Display| StoreError::damaged(&what.to_string());
    let mut fields = Fields(row);
    let table = TableId(fields.u128()?);
    let seen_ms = fields.u64()?;
    let name = std::str::from_utf8(fields.bytes()?).map_err(|error| damaged(&error))?;
    let item_key = decode_item(fields.bytes()?).map_err(|error| damaged(&error))?;
    let write: ConflictSide = decode_side(&mut fields, names)?;
    Ok(Unshipped {
        id: number_of(key)?,
        table,
        table_name: name.to_owned(),
        key: item_key,
        write,
        seen_ms,
    })
}
