//! Rows as copy, repair and scrub see them.

use beringia_item::{KeyBytes, Mutation, TableId, Unit};
use rusqlite::OptionalExtension;

use super::{Reading, at_one_moment};
use crate::{
    RangeDigest, RawRow, TableDigest,
    sqlite::{
        aspects,
        fail::{Fail, Result},
        layout::{range_bounds, row_key, stored_key, unsigned, version},
        records::{ItemRow, STANDING_COLUMNS, Standing, decode_known},
        state::{Digests, Progress},
        verify::{Checked, check_range},
    },
};

/// The digests of a table and its vector, of one moment.
pub(in crate::sqlite) fn digest(reading: &Reading<'_>, table: TableId) -> Result<TableDigest> {
    let number = reading.view.tables.table(table).map_err(Fail::Command)?.number;
    at_one_moment(reading.connection, || {
        let mut statement = reading
            .connection
            .prepare_cached("SELECT progress FROM tables WHERE n = ?1")?;
        let progress: Option<Vec<u8>> = statement.query_row([number], |row| row.get(0)).optional()?;
        let vector = Progress::decode(&progress.unwrap_or_default(), &reading.names())?
            .vector()
            .clone();
        let digests = Digests::load(reading.connection, number)?;
        let ranges = digests
            .ranges()
            .iter()
            .map(|range| RangeDigest {
                sum: range.sum,
                items: range.items,
            })
            .collect();
        Ok(TableDigest { vector, ranges })
    })
}

/// Whether there is something to mend in a range.
pub(in crate::sqlite) fn is_damaged(reading: &Reading<'_>, id: TableId, range: u16) -> Result<bool> {
    let table = reading.view.tables.table(id).map_err(Fail::Command)?;
    let filling = |name: &str| {
        let described = reading
            .view
            .catalog
            .by_id
            .get(&id)
            .and_then(|table| table.global_indexes.get(name));
        described.is_some_and(|(_, state)| *state != crate::IndexState::Active)
    };
    let complete = table.indexes.iter().filter(|index| !filling(&index.name));
    let indexes: Vec<_> = complete
        .map(|index| Checked {
            number: index.number,
            keys: &index.keys,
        })
        .collect();
    at_one_moment(reading.connection, || {
        let stored = Digests::load(reading.connection, table.number)?;
        let described = reading.view.catalog.by_id.get(&id);
        let checked = Checked {
            number: table.number,
            keys: described.map_or(&*aspects::KEYS, |table| &table.core.keys),
        };
        let damage = check_range(reading.connection, &checked, &indexes, range, &reading.names())?;
        Ok(!damage.is_none(&stored.get(range)))
    })
}

/// Rows of one range after a key, tombstones too.
pub(in crate::sqlite) fn raw_rows(
    reading: &Reading<'_>,
    table: TableId,
    range: u16,
    after: Option<&KeyBytes>,
    max_rows: usize,
) -> Result<Vec<RawRow>> {
    let number = reading.view.tables.table(table).map_err(Fail::Command)?.number;
    let (mut from, to) = range_bounds(number, range);
    if let Some(after) = after {
        let mut above = row_key(number, &after.0);
        above.push(0);
        from = from.max(above);
    }
    let mut statement = reading.connection.prepare_cached(
        "SELECT pos, time, o, seq, size, state, k FROM item WHERE k >= ?1 AND k < ?2 ORDER BY k LIMIT ?3",
    )?;
    let mut rows = statement.query((from, to, i64::try_from(max_rows).unwrap_or(i64::MAX)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let item = ItemRow::read(row, 0)?;
        let key = stored_key(
            row.get_ref(6)?
                .as_blob()
                .map_err(|_| Fail::damaged("a key is no blob"))?,
        );
        found.push(RawRow {
            key,
            stamp: item.stamp(&reading.names())?,
            live: item.live(),
        });
    }
    Ok(found)
}

/// The rows of some keys as mutations.
pub(in crate::sqlite) fn mutations_of(
    reading: &Reading<'_>,
    table: TableId,
    keys: &[KeyBytes],
) -> Result<Vec<Mutation>> {
    at_one_moment(reading.connection, || {
        let standing = keys.iter().map(|key| standing(reading, table, key));
        standing.filter_map(Result::transpose).collect()
    })
}

/// What stands under a key, as a mutation: the last write, with all that was joined to it.
pub(super) fn standing(reading: &Reading<'_>, table: TableId, key: &KeyBytes) -> Result<Option<Mutation>> {
    let number = reading.view.tables.table(table).map_err(Fail::Command)?.number;
    let mut statement = reading.connection.prepare_cached(&format!(
        "SELECT {STANDING_COLUMNS}, l.back, l.ahead FROM item i JOIN log l ON l.pos = i.pos WHERE i.k = ?1"
    ))?;
    let mut rows = statement.query([row_key(number, &key.0)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let standing = Standing::read(row, 0)?;
    let names = reading.names();
    let sequence = standing.sequence;
    // What was joined is no member of a unit.
    let (before, after) = if standing.is_joined {
        (0, 0)
    } else {
        (unsigned(row, 8)?, unsigned(row, 9)?)
    };
    let unit = Unit {
        first: sequence.wrapping_sub(before),
        last: sequence.wrapping_add(after),
    };
    Ok(Some(Mutation {
        table,
        key: key.clone(),
        version: version(&names, standing.time, standing.origin, sequence)?,
        vector: decode_known(&standing.vector, &names)?,
        image: standing.image,
        metadata: standing.metadata,
        cause: standing.cause,
        unit,
    }))
}
