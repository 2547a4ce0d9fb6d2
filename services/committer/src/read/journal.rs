//! Reads of the conflict journal, of unshipped writes, and of the recorded times of unreachable
//! peers.

use std::{collections::BTreeMap, ops::ControlFlow};

use beringia_decisions::{
    PruneMatch, PrunePlace, PruneStep, journal, layout::number_key, layout::number_of, layout::row_key,
    unshipped as unshipped_row,
};
use beringia_item::{KeyBytes, Region, TableId, decode_item};
use beringia_storage::{
    Conflict, Explained, PruneFilter, Pruned, StoreError, Unshipped,
    backend::{KeyRange, Keyspace, TableNumber},
};

use super::{
    reading::{Reading, while_wanted},
    rows::current,
};

/// Reads the first rows with a number above `after` for which `read` returns a value.
fn first<T>(
    reading: &Reading<'_>,
    keyspace: Keyspace,
    after: u64,
    max: usize,
    read: impl Fn(&[u8], &[u8]) -> Result<Option<T>, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    if max == 0 {
        return Ok(found);
    }
    let range = KeyRange {
        from: number_key(after.saturating_add(1)),
        to: None,
        reverse: false,
    };
    reading.snapshot.scan(keyspace, &range, &mut |key, row| {
        found.extend(read(key, row?)?);
        Ok(while_wanted(found.len() < max))
    })?;
    Ok(found)
}

/// Conflicts with a greater id, oldest first.
pub(crate) fn conflicts(
    reading: &Reading<'_>,
    table: Option<TableId>,
    after_id: u64,
    max: usize,
) -> Result<Vec<Conflict>, StoreError> {
    let wanted: BTreeMap<TableNumber, TableId> = match table {
        None => reading
            .view
            .held
            .values()
            .map(|table| (table.journal, table.id))
            .collect(),
        Some(id) => BTreeMap::from([(reading.view.table(id)?.journal, id)]),
    };
    // Scans by id even if only one table is wanted: by the keys of the table's journal, every page
    // would have to sort all of its conflicts.
    first(reading, Keyspace::Conflicts, after_id, max, |key, row| {
        // The conflicts of a table that is being dropped are left out.
        let table = wanted.get(&journal::journal_of(row)?);
        table
            .map(|table| journal::read(number_of(key)?, row, *table, &reading.names()))
            .transpose()
    })
}

/// Unshipped writes of this region with a greater id, oldest first.
pub(crate) fn unshipped(reading: &Reading<'_>, after_id: u64, max: usize) -> Result<Vec<Unshipped>, StoreError> {
    first(reading, Keyspace::Unshipped, after_id, max, |key, row| {
        unshipped_row::read(key, row, &reading.names()).map(Some)
    })
}

/// How many conflicts, and how many unshipped writes, one step of [`prunable`] reads.
const STEP_ROWS: usize = 256;

/// What the next step of removing conflicts and unshipped writes would remove.
pub(crate) fn prunable(
    reading: &Reading<'_>,
    filter: &PruneFilter,
    place: PrunePlace,
) -> Result<PruneStep, StoreError> {
    let matches = PruneMatch::new(filter, |id| Some(reading.view.table(id).ok()?.journal));
    let (mut pruned, mut next, mut is_more) = (Pruned::default(), place, false);
    for (keyspace, from) in [
        (Keyspace::Conflicts, &mut next.conflict),
        (Keyspace::Unshipped, &mut next.unshipped),
    ] {
        let mut read = 0;
        let range = KeyRange {
            from: number_key(*from),
            to: None,
            reverse: false,
        };
        reading.snapshot.scan(keyspace, &range, &mut |key, row| {
            read += 1;
            *from = number_of(key)? + 1;
            let row = row.unwrap_or_default();
            let (is_wanted, count) = match keyspace {
                Keyspace::Conflicts => (matches.has_conflict(row), &mut pruned.conflicts),
                _ => (matches.has_unshipped(row), &mut pruned.unshipped),
            };
            if is_wanted {
                *count += 1;
                pruned.bytes += row.len() as u64;
            }
            Ok(while_wanted(read < STEP_ROWS))
        })?;
        is_more |= read == STEP_ROWS;
    }
    Ok(PruneStep {
        pruned,
        next: is_more.then_some(next),
    })
}

/// The current row under a key, with what explains it.
pub(crate) fn explain(reading: &Reading<'_>, table: TableId, key: &KeyBytes) -> Result<Option<Explained>, StoreError> {
    let held = reading.view.table(table)?;
    let Some(record) = current(reading, &row_key(held.number, &key.0))? else {
        return Ok(None);
    };
    let mutation = record.into_mutation(table, key.clone(), &reading.names())?;
    let mut numbers = Vec::new();
    let keys = journal::keys_of_item(held.journal, key);
    reading.snapshot.scan(Keyspace::ConflictKeys, &keys, &mut |_, row| {
        numbers.push(journal::conflict_number(row?)?);
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
        causal_context: mutation.causal_context,
        item: item.map_err(|error| StoreError::damaged(&error.to_string()))?,
        conflicts,
    }))
}

/// For how long peers had been unreachable when that was last recorded, in milliseconds.
pub(crate) fn unreachable(reading: &Reading<'_>) -> Result<BTreeMap<Region, u64>, StoreError> {
    let mut unreachable = BTreeMap::new();
    let damaged = |what: &dyn std::fmt::Display| StoreError::damaged(&what.to_string());
    reading
        .snapshot
        .scan(Keyspace::Unreachable, &KeyRange::all(), &mut |key, row| {
            let name = std::str::from_utf8(key).map_err(|error| damaged(&error))?;
            let region = Region::new(name).map_err(|error| damaged(&error))?;
            unreachable.insert(region, number_of(row?)?);
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(unreachable)
}
