//! Live items: by key, several at once, and in key order.

use std::ops::Bound;

use beringia_item::{Item, KeyBytes, TableId, Version, decode_item, item_size};
use rusqlite::Row as SqlRow;

use super::{Reading, at_one_moment};
use crate::{
    RangePage, RangeRead, Row, StoreError,
    sqlite::{
        fail::{Fail, Result},
        layout::{row_key, stored_key, unsigned, version},
        state::projected_size,
        view::IndexView,
    },
};

/// One live item.
pub(in crate::sqlite) fn get(reading: &Reading<'_>, table: TableId, key: &KeyBytes) -> Result<Option<(Version, Item)>> {
    let number = reading.view.tables.table(table).map_err(Fail::Command)?.number;
    find(reading, &row_key(number, &key.0))
}

/// The live item of a row.
fn find(reading: &Reading<'_>, row_key: &[u8]) -> Result<Option<(Version, Item)>> {
    let mut statement = reading.connection.prepare_cached(
        "SELECT i.time, i.o, i.seq, ifnull(l.joined, l.image) FROM item i JOIN log l ON l.pos = i.pos WHERE i.k = ?1 AND i.size > 0",
    )?;
    let mut rows = statement.query([row_key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(version_and_item(reading, row, 0)?))
}

/// From the columns time, o, seq, image, beginning with column `first`.
fn version_and_item(reading: &Reading<'_>, row: &SqlRow<'_>, first: usize) -> Result<(Version, Item)> {
    let version = version(
        &reading.names(),
        unsigned(row, first)?,
        row.get(first + 1)?,
        unsigned(row, first + 2)?,
    )?;
    let image = row
        .get_ref(first + 3)?
        .as_blob()
        .map_err(|_| Fail::damaged("the image of a live item is missing"))?;
    let item = decode_item(image).map_err(|error| Fail::damaged(&error.to_string()))?;
    Ok((version, item))
}

/// Several items as of one moment.
pub(in crate::sqlite) fn get_many(
    reading: &Reading<'_>,
    keys: &[(TableId, KeyBytes)],
) -> Result<Vec<Option<(Version, Item)>>> {
    at_one_moment(reading.connection, || {
        keys.iter().map(|(table, key)| get(reading, *table, key)).collect()
    })
}

/// Collects rows until a limit is reached.
struct Page {
    page: RangePage,
    max_rows: usize,
    max_bytes: usize,
    bytes: usize,
}

impl Page {
    fn new(read: &RangeRead) -> Self {
        let page = RangePage {
            rows: Vec::new(),
            limited: read.max_rows == 0 || read.max_bytes == 0,
        };
        Self {
            page,
            max_rows: read.max_rows,
            max_bytes: read.max_bytes,
            bytes: 0,
        }
    }

    /// Takes a row of that size.
    fn push(&mut self, row: Row, size: usize) {
        self.page.rows.push(row);
        self.bytes += size;
        self.page.limited = self.page.rows.len() >= self.max_rows || self.bytes >= self.max_bytes;
    }
}

/// A page of live rows.
pub(in crate::sqlite) fn range(reading: &Reading<'_>, read: &RangeRead) -> Result<RangePage> {
    let table = reading.view.tables.table(read.table).map_err(Fail::Command)?;
    let mut page = Page::new(read);
    let Some(name) = &read.index else {
        if !page.page.limited {
            table_range(reading, table.number, read, &mut page)?;
        }
        return Ok(page.page);
    };
    let Some(index) = table.indexes.iter().find(|index| index.name == *name) else {
        return Err(Fail::Command(StoreError::UnknownIndex {
            table: read.table,
            index: name.clone(),
        }));
    };
    if !page.page.limited {
        at_one_moment(reading.connection, || {
            index_range(reading, table.number, index, read, &mut page)
        })?;
    }
    Ok(page.page)
}

fn table_range(reading: &Reading<'_>, number: u32, read: &RangeRead, page: &mut Page) -> Result<()> {
    let (from, to) = bounds(number, read);
    let mut statement = reading.connection.prepare_cached(if read.reverse {
        "SELECT i.k, i.time, i.o, i.seq, ifnull(l.joined, l.image) FROM item i CROSS JOIN log l ON l.pos = i.pos
         WHERE i.k >= ?1 AND i.k < ?2 AND i.size > 0 ORDER BY i.k DESC"
    } else {
        "SELECT i.k, i.time, i.o, i.seq, ifnull(l.joined, l.image) FROM item i CROSS JOIN log l ON l.pos = i.pos
         WHERE i.k >= ?1 AND i.k < ?2 AND i.size > 0 ORDER BY i.k"
    })?;
    let mut rows = statement.query((from, to))?;
    while !page.page.limited {
        let Some(row) = rows.next()? else { break };
        let key = stored_key(blob(row)?);
        let (version, item) = version_and_item(reading, row, 1)?;
        let size = item_size(&item);
        page.push(Row { key, version, item }, size);
    }
    Ok(())
}

fn index_range(reading: &Reading<'_>, number: u32, index: &IndexView, read: &RangeRead, page: &mut Page) -> Result<()> {
    let (from, to) = bounds(index.number, read);
    let mut statement = reading.connection.prepare_cached(if read.reverse {
        "SELECT k FROM entry WHERE k >= ?1 AND k < ?2 ORDER BY k DESC"
    } else {
        "SELECT k FROM entry WHERE k >= ?1 AND k < ?2 ORDER BY k"
    })?;
    let mut rows = statement.query((from, to))?;
    while !page.page.limited {
        let Some(row) = rows.next()? else { break };
        let key = stored_key(blob(row)?);
        let Some((_, base)) = index.keys.split_index_key(&key) else {
            return Err(Fail::damaged("an index entry has no key of its index"));
        };
        // An entry without its item is damage, which verification removes.
        let Some((version, item)) = find(reading, &row_key(number, &base.0))? else {
            continue;
        };
        let size = projected_size(&item, index.projected.as_deref());
        page.push(Row { key, version, item }, size);
    }
    Ok(())
}

fn blob<'a>(row: &'a SqlRow<'_>) -> Result<&'a [u8]> {
    row.get_ref(0)?.as_blob().map_err(|_| Fail::damaged("a key is no blob"))
}

/// The half-open bounds of the row keys that `read` asks for, among those of `number`.
fn bounds(number: u32, read: &RangeRead) -> (Vec<u8>, Vec<u8>) {
    // The smallest key greater than another is that key and a zero byte.
    let after = |key: &[u8]| {
        let mut key = row_key(number, key);
        key.push(0);
        key
    };
    let from = match &read.from {
        Bound::Unbounded => row_key(number, &[]),
        Bound::Included(key) => row_key(number, key),
        Bound::Excluded(key) => after(key),
    };
    let to = match &read.to {
        Bound::Unbounded => row_key(number + 1, &[]),
        Bound::Included(key) => after(key),
        Bound::Excluded(key) => row_key(number, key),
    };
    (from, to)
}
