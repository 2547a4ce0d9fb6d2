//! Reads of live items: by key, and several at once.

use beringia_decisions::layout::{row_key, stored_key};
use beringia_item::{Item, KeyBytes, TableId, Version, decode_item};
use beringia_storage::{
    StoreError,
    backend::{Checked, Detail, ItemRow, StoredRecord},
};

use super::reading::Reading;

/// Reads an item and its version; `None` for a tombstone, and for a key without a row. Fails if the
/// table is unknown.
pub(crate) fn get(
    reading: &Reading<'_>,
    table: TableId,
    key: &KeyBytes,
) -> Result<Option<(Version, Item)>, StoreError> {
    let number = reading.view.table(table)?.number;
    find(reading, table, &row_key(number, &key.0))
}

/// Reads the live item under a row key of a table.
pub(super) fn find(
    reading: &Reading<'_>,
    table: TableId,
    row_key: &[u8],
) -> Result<Option<(Version, Item)>, StoreError> {
    let mut found = None;
    reading
        .snapshot
        .items(&[row_key], Detail::Item, &mut |_, row, record| {
            found = version_and_item(reading, (table, row_key), row, record)?;
            Ok(())
        })?;
    Ok(found)
}

/// The item of the row under a row key of a table; `None` for a tombstone.
pub(super) fn version_and_item(
    reading: &Reading<'_>,
    (table, row_key): (TableId, &[u8]),
    row: Checked<&ItemRow>,
    record: Option<&dyn StoredRecord>,
) -> Result<Option<(Version, Item)>, StoreError> {
    let corrupt = || StoreError::Corrupt {
        table,
        key: stored_key(row_key),
    };
    let row = row.map_err(|_| corrupt())?;
    if !row.is_live() {
        return Ok(None);
    }
    let image = record.map(|record| record.current_image()).transpose()?.flatten();
    let image = image.ok_or_else(corrupt)?;
    let item = decode_item(image).map_err(|error| StoreError::damaged(&error.to_string()))?;
    Ok(Some((row.version(&reading.names())?, item)))
}

/// Reads several items from one snapshot.
pub(crate) fn get_many(
    reading: &Reading<'_>,
    keys: &[(TableId, KeyBytes)],
) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
    let row_keys = keys.iter().map(|(table, key)| {
        let number = reading.view.table(*table)?.number;
        Ok(row_key(number, &key.0))
    });
    let row_keys: Vec<Vec<u8>> = row_keys.collect::<Result<_, StoreError>>()?;
    let row_keys: Vec<&[u8]> = row_keys.iter().map(Vec::as_slice).collect();
    let mut found = vec![None; keys.len()];
    reading
        .snapshot
        .items(&row_keys, Detail::Item, &mut |place, row, record| {
            found[place] = version_and_item(reading, (keys[place].0, row_keys[place]), row, record)?;
            Ok(())
        })?;
    Ok(found)
}
