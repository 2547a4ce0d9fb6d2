//! Reads of rows for copy, repair and scrub.

use std::ops::RangeInclusive;

use beringia_decisions::{
    CurrentRecord, check_table,
    layout::{above, range_keys, row_key, stored_key},
};
use beringia_item::{KeyBytes, Mutation, TableId};
use beringia_storage::{RawRow, StoreError, backend::Detail};

use super::reading::{Reading, while_wanted};

/// Whether a range needs repair.
pub(crate) fn is_damaged(reading: &Reading<'_>, id: TableId, range: u16) -> Result<bool, StoreError> {
    let table = reading.view.table(id)?;
    let damage = check_table(reading.snapshot, table, &reading.names(), range)?;
    Ok(!damage.is_none_stored())
}

/// The rows of consecutive ranges after a key, tombstones too.
pub(crate) fn raw_rows(
    reading: &Reading<'_>,
    table: TableId,
    ranges: RangeInclusive<u16>,
    after: Option<&KeyBytes>,
    max_rows: usize,
) -> Result<Vec<RawRow>, StoreError> {
    let number = reading.view.table(table)?.number;
    let mut keys = range_keys(number, ranges);
    if let Some(after) = after {
        keys.from = keys.from.max(above(row_key(number, &after.0)));
    }
    let mut found = Vec::new();
    if max_rows == 0 {
        return Ok(found);
    }
    reading.snapshot.scan_items(&keys, Detail::Row, &mut |key, row, _| {
        let key = stored_key(key);
        let row = row.map_err(|_| StoreError::Corrupt {
            table,
            key: key.clone(),
        })?;
        found.push(RawRow {
            key,
            fingerprint: row.fingerprint(&reading.names())?,
            live: row.is_live(),
        });
        Ok(while_wanted(found.len() < max_rows))
    })?;
    Ok(found)
}

/// The rows under these keys as mutations.
pub(crate) fn mutations_of(
    reading: &Reading<'_>,
    table: TableId,
    keys: &[KeyBytes],
) -> Result<Vec<Mutation>, StoreError> {
    let number = reading.view.table(table)?.number;
    let row_keys: Vec<Vec<u8>> = keys.iter().map(|key| row_key(number, &key.0)).collect();
    let row_keys: Vec<&[u8]> = row_keys.iter().map(Vec::as_slice).collect();
    let mut found: Vec<Option<CurrentRecord>> = vec![None; keys.len()];
    reading
        .snapshot
        .items(&row_keys, Detail::Record, &mut |place, row, record| {
            let record = record.filter(|_| row.is_ok()).ok_or_else(|| StoreError::Corrupt {
                table,
                key: keys[place].clone(),
            })?;
            found[place] = Some(CurrentRecord::read(record, Detail::Record)?);
            Ok(())
        })?;
    let names = reading.names();
    let rows = keys.iter().zip(found);
    rows.filter_map(|(key, record)| Some(record?.into_mutation(table, key.clone(), &names)))
        .collect()
}

/// The current record under a row key, tombstones too.
pub(super) fn current(reading: &Reading<'_>, row_key: &[u8]) -> Result<Option<CurrentRecord>, StoreError> {
    let mut found = None;
    reading
        .snapshot
        .items(&[row_key], Detail::Record, &mut |_, _, record| {
            found = record
                .map(|record| CurrentRecord::read(record, Detail::Record))
                .transpose()?;
            Ok(())
        })?;
    Ok(found)
}
