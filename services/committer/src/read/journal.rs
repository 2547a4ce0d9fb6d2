//! The conflict journal, unshipped writes, and what is noted of unreachable peers.

use std::{collections::BTreeMap, ops::ControlFlow};

use beringia_decisions::{journal, layout::number_key, layout::number_of, layout::row_key, unshipped as unshipped_row};
use beringia_item::{KeyBytes, Region, TableId, decode_item};
use beringia_storage::{
    Conflict, Explained, StoreError, Unshipped,
    backend::{KeyRange, Keyspace},
};

use super::{reading::Reading, rows::current};

/// From a number on.
fn after(number: u64) -> KeyRange {
    KeyRange {
        from: number_key(number.saturating_add(1)),
        to: None,
        reverse: false,
    }
}

/// Conflicts with a greater id, oldest first.
pub(crate) fn conflicts(
    reading: &Reading<'_>,
    table: Option<TableId>,
    after_id: u64,
    max: usize,
) -> Result<Vec<Conflict>, StoreError> {
    let tables = &reading.view.tables;
    let wanted = table
        .map(|id| tables.table(id).map(|table| table.journal))
        .transpose()?;
    let mut found = Vec::new();
    if max == 0 {
        return Ok(found);
    }
    // Along the ids, also where only one table is wanted: by the keys of its journal, every page would sort all
    // of its conflicts.
    reading
        .snapshot
        .scan(Keyspace::Conflicts, &after(after_id), &mut |key, row| {
            let journal = journal::journal_of(row)?;
            // The conflicts of a table that is being dropped go with it.
            let held = tables.by_journal.get(&journal);
            if let Some(table) = held.filter(|_| wanted.is_none_or(|wanted| wanted == journal)) {
                found.push(journal::read(number_of(key)?, row, *table, &reading.names())?);
            }
            Ok(if found.len() >= max {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
    Ok(found)
}

/// Own writes that no other region has, with a greater id, oldest first.
pub(crate) fn unshipped(reading: &Reading<'_>, after_id: u64, max: usize) -> Result<Vec<Unshipped>, StoreError> {
    let mut found = Vec::new();
    if max == 0 {
        return Ok(found);
    }
    reading
        .snapshot
        .scan(Keyspace::Unshipped, &after(after_id), &mut |key, row| {
            found.push(unshipped_row::read(key, row, &reading.names())?);
            Ok(if found.len() >= max {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
    Ok(found)
}

/// The current row under a key, and why it is that.
pub(crate) fn explain(reading: &Reading<'_>, table: TableId, key: &KeyBytes) -> Result<Option<Explained>, StoreError> {
    let held = reading.view.tables.table(table)?;
    let Some(record) = current(reading, &row_key(held.number, &key.0))? else {
        return Ok(None);
    };
    let mutation = record.into_mutation(table, key.clone(), &reading.names())?;
    let mut numbers = Vec::new();
    let keys = journal::keys_of_item(held.journal, key);
    reading.snapshot.scan(Keyspace::ConflictKeys, &keys, &mut |_, row| {
        numbers.push(journal::conflict_number(row)?);
        Ok(ControlFlow::Continue(()))
    })?;
    numbers.sort_unstable();
    let mut conflicts = Vec::with_capacity(numbers.len());
    for number in numbers {
        if let Some(row) = reading.snapshot.get(Keyspace::Conflicts, &number_key(number))? {
            conflicts.push(journal::read(number, &row, table, &reading.names())?);
        }
    }
    let item = mutation.image.as_deref().map(decode_item).transpose();
    Ok(Some(Explained {
        version: mutation.version,
        vector: mutation.vector,
        item: item.map_err(|error| StoreError::damaged(&error.to_string()))?,
        conflicts,
    }))
}

/// For how long peers had been unreachable when that was last noted, milliseconds.
pub(crate) fn unreachable(reading: &Reading<'_>) -> Result<BTreeMap<Region, u64>, StoreError> {
    let mut unreachable = BTreeMap::new();
    let damaged = |what: &dyn std::fmt::Display| StoreError::damaged(&what.to_string());
    reading
        .snapshot
        .scan(Keyspace::Unreachable, &KeyRange::all(), &mut |key, row| {
            let name = std::str::from_utf8(key).map_err(|error| damaged(&error))?;
            let region = Region::new(name).map_err(|error| damaged(&error))?;
            unreachable.insert(region, number_of(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(unreachable)
}
