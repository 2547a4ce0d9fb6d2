//! Reads of live items: by key, and several at once.

use beringia_decisions::layout::row_key;
use beringia_item::{Item, KeyBytes, TableId, Version, decode_item};
use beringia_storage::{
    StoreError,
    backend::{Detail, ItemRow, StoredRecord},
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
    find(reading, &row_key(number, &key.0))
}

/// Reads the live item under a row key.
pub(super) fn find(reading: &Reading<'_>, row_key: &[u8]) -> Result<Option<(Version, Item)>, StoreError> {
    let mut found = None;
    reading
        .snapshot
        .items(&[row_key], Detail::Item, &mut |_, row, record| {
            found = version_and_item(reading, row, record)?;
            Ok(())
        })?;
    Ok(found)
}

/// The item of a row. `None` for a tombstone, and if its record is missing, which verification
/// repairs.
pub(super) fn version_and_item(
    reading: &Reading<'_>,
    row: &ItemRow,
    record: Option<&dyn StoredRecord>,
) -> Result<Option<(Version, Item)>, StoreError> {
    let Some(record) = record.filter(|_| row.is_live()) else {
        return Ok(None);
    };
    let image = record.current_image()?;
    let image = image.ok_or_else(|| StoreError::damaged("the image of a live item is missing"))?;
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
            found[place] = version_and_item(reading, row, record)?;
            Ok(())
        })?;
    Ok(found)
}
