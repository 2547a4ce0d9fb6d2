//! Digests of a table, current or as of an earlier vector.

use std::collections::BTreeSet;

use beringia_decisions::{TableProgress, TableRow, layout::number_key, stored_digests, take_back};
use beringia_item::{RANGES, TableId, VersionVector};
use beringia_storage::{LogFilter, LogPosition, RangeDigest, StoreError, TableDigest, backend::Keyspace};

use super::{log::log_position, reading::Reading};

/// The digests of a table and its vector, from one snapshot.
pub(crate) fn digest(reading: &Reading<'_>, table: TableId) -> Result<TableDigest, StoreError> {
    let number = reading.view.table(table)?.number;
    let row = reading.snapshot.get(Keyspace::Tables, &number_key(number.into()))?;
    let row = row.map(|row| TableRow::decode(&row)).transpose()?;
    let progress = row.map(|row| row.progress).unwrap_or_default();
    let vector = TableProgress::decode(&progress, &reading.names())?.vector().clone();
    let digests = stored_digests(reading.snapshot, number)?;
    let ranges = digests.ranges().map(|range| RangeDigest {
        sum: range.sum,
        items: range.items,
    });
    Ok(TableDigest {
        vector,
        ranges: ranges.collect(),
        unknown: BTreeSet::new(),
    })
}

/// The digests of a table as of the greatest vector that both `wanted` and its own vector cover.
pub(crate) fn digest_as_of(
    reading: &Reading<'_>,
    table: TableId,
    wanted: &VersionVector,
) -> Result<TableDigest, StoreError> {
    let mut digest = digest(reading, table)?;
    let vector = digest.vector.meet(wanted);
    if vector == digest.vector {
        return Ok(digest);
    }
    let filter = LogFilter {
        tables: [(table, vector.clone())].into(),
        origins: digest.vector.iter().map(|(origin, _)| origin.clone()).collect(),
    };
    digest.vector = vector;
    let taken = match log_position(reading, &filter)? {
        Ok(LogPosition(from)) => {
            let state = reading.view.table(table)?;
            take_back(reading.snapshot, state, &reading.names(), &digest.vector, from)?
        }
        Err(_) => None,
    };
    let Some(taken) = taken else {
        digest.unknown = (0..RANGES).collect();
        return Ok(digest);
    };
    for (range, (sum, items)) in taken.changes {
        if let Some(digest) = digest.ranges.get_mut(usize::from(range)) {
            digest.sum = digest.sum.wrapping_add(sum);
            digest.items = digest.items.wrapping_add(items);
        }
    }
    digest.unknown = taken.unknown;
    Ok(digest)
}
