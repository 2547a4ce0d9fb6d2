//! The conflict journal's readers.

use beringia_item::{Item, KeyBytes, TableId, Version, decode_item};
use bytes::Bytes;
use rusqlite::Row;

use super::{Reading, at_one_moment, rows::standing};
use crate::{
    Conflict, ConflictRule, ConflictSide, Explained, Unshipped,
    sqlite::{
        fail::{Fail, Result},
        layout::{sql, unsigned, version},
    },
};

const COLUMNS: &str = "id, t, k, win_time, win_o, win_seq, win_image, lose_time, lose_o, lose_seq, lose_image, seen, \
                       attributes";

/// Conflicts with a greater id, oldest first.
pub(in crate::sqlite) fn conflicts(
    reading: &Reading<'_>,
    table: Option<TableId>,
    after: u64,
    max: usize,
) -> Result<Vec<Conflict>> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let number = table
        .map(|id| reading.view.tables.table(id).map(|table| table.number))
        .transpose();
    let number = number.map_err(Fail::Command)?;
    let mut statement = reading.connection.prepare_cached(&listing(number.is_some()))?;
    let mut rows = statement.query((sql(after), max, number))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // The conflicts of a table that is being dropped go with it.
        if let Some(table) = reading.view.tables.by_number.get(&row.get(1)?) {
            found.push(conflict(reading, row, *table)?);
        }
    }
    Ok(found)
}

/// The query of [`conflicts`], of all tables or of one. That walks along the ids too, as `+` insists: by the index on `t`, every page would
/// sort all conflicts of the table.
fn listing(of_one_table: bool) -> String {
    let condition = if of_one_table { "+t = ?3" } else { "?3 IS NULL" };
    format!("SELECT {COLUMNS} FROM conflict WHERE id > ?1 AND {condition} ORDER BY id LIMIT ?2")
}

fn conflict(reading: &Reading<'_>, row: &Row<'_>, table: TableId) -> Result<Conflict> {
    let winner = side(reading, row, 3)?;
    let loser = side(reading, row, 7)?;
    Ok(Conflict {
        id: unsigned(row, 0)?,
        table,
        key: KeyBytes(Bytes::from(row.get::<_, Vec<u8>>(2)?)),
        rule: ConflictRule::between(&winner.version, &loser.version),
        winner,
        loser,
        seen_ms: unsigned(row, 11)?,
        attributes: serde_json::from_str(&row.get::<_, String>(12)?)
            .map_err(|error| Fail::damaged(&error.to_string()))?,
    })
}

fn side(reading: &Reading<'_>, row: &Row<'_>, first: usize) -> Result<ConflictSide> {
    let version: Version = version(
        &reading.names(),
        unsigned(row, first)?,
        row.get(first + 1)?,
        unsigned(row, first + 2)?,
    )?;
    let image: Option<Vec<u8>> = row.get(first + 3)?;
    Ok(ConflictSide {
        version,
        image: image.as_deref().map(decode).transpose()?,
    })
}

fn decode(image: &[u8]) -> Result<Item> {
    decode_item(image).map_err(|error| Fail::damaged(&error.to_string()))
}

/// Own writes that others never got, with a greater id, oldest first.
pub(in crate::sqlite) fn unshipped(reading: &Reading<'_>, after: u64, max: usize) -> Result<Vec<Unshipped>> {
    let mut statement = reading.connection.prepare_cached(
        "SELECT id, table_id, name, k, time, o, seq, image, seen FROM unshipped WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut rows = statement.query((sql(after), i64::try_from(max).unwrap_or(i64::MAX)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Unshipped {
            id: unsigned(row, 0)?,
            table: TableId(u128::from_be_bytes(row.get(1)?)),
            table_name: row.get(2)?,
            key: decode(&row.get::<_, Vec<u8>>(3)?)?,
            write: side(reading, row, 4)?,
            seen_ms: unsigned(row, 8)?,
        });
    }
    Ok(found)
}

/// What stands under a key, and why.
pub(in crate::sqlite) fn explain(reading: &Reading<'_>, table: TableId, key: &KeyBytes) -> Result<Option<Explained>> {
    let number = reading.view.tables.table(table).map_err(Fail::Command)?.number;
    at_one_moment(reading.connection, || {
        let Some(mutation) = standing(reading, table, key)? else {
            return Ok(None);
        };
        let mut statement = reading.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM conflict WHERE t = ?1 AND k = ?2 ORDER BY id"
        ))?;
        let mut rows = statement.query((number, key.0.as_ref()))?;
        let mut conflicts = Vec::new();
        while let Some(row) = rows.next()? {
            conflicts.push(conflict(reading, row, table)?);
        }
        Ok(Some(Explained {
            version: mutation.version,
            vector: mutation.vector,
            item: mutation.image.as_deref().map(decode).transpose()?,
            conflicts,
        }))
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus};

    use super::{super::super::layout::SCHEMA, *};

    #[test]
    fn a_page_of_conflicts_is_read_without_sorting_all_of_them() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        for of_one_table in [false, true] {
            let mut statement = connection.prepare(&listing(of_one_table)).unwrap();
            let table = of_one_table.then_some(16);
            assert!(!statement.exists((0, 10, table)).unwrap());
            assert_eq!(statement.get_status(StatementStatus::Sort), 0, "{of_one_table}");
        }
    }
}
