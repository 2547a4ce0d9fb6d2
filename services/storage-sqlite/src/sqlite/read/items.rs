//! Live items: by key, several at once, and in key order.

use std::ops::Bound;

use beringia_item::{Item, KeyBytes, TableId, Version, decode_item, item_size};
use rusqlite::Row as SqlRow;

use super::{Reading, at_one_moment, past::Past};
use crate::{
    LogPosition, RangePage, RangeRead, Row, StoreError,
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
pub(super) fn find(reading: &Reading<'_>, row_key: &[u8]) -> Result<Option<(Version, Item)>> {
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

/// Collects rows until a limit is reached: those of now, and where they stood in another way at the moment that is asked for, those
/// of then.
struct Page {
    page: RangePage,
    past: Past,
    reverse: bool,
    max_rows: usize,
    max_bytes: usize,
    bytes: usize,
}

impl Page {
    fn new(read: &RangeRead, past: Past) -> Self {
        let page = RangePage {
            rows: Vec::new(),
            limited: read.max_rows == 0 || read.max_bytes == 0,
        };
        Self {
            page,
            past,
            reverse: read.reverse,
            max_rows: read.max_rows,
            max_bytes: read.max_bytes,
            bytes: 0,
        }
    }

    /// Takes a row of now whose item has the key `base` in the table, and before it the rows of then that come before it. `size`
    /// tells how much of an item counts.
    fn take(&mut self, reading: &Reading<'_>, base: &KeyBytes, row: Row, size: impl Fn(&Item) -> usize) -> Result<()> {
        self.take_past(reading, Some(&row.key), &size)?;
        if !self.page.limited && !self.past.has_changed(base) {
            let size = size(&row.item);
            self.push(row, size);
        }
        Ok(())
    }

    /// Takes the rows of then that come before `key`, or all that are left.
    fn take_past(
        &mut self,
        reading: &Reading<'_>,
        key: Option<&KeyBytes>,
        size: impl Fn(&Item) -> usize,
    ) -> Result<()> {
        while !self.page.limited {
            let Some((key, version, item)) = self.past.next_before(reading, key, self.reverse)? else {
                break;
            };
            let size = size(&item);
            self.push(Row { key, version, item }, size);
        }
        Ok(())
    }

    /// Takes a row of that size.
    fn push(&mut self, row: Row, size: usize) {
        self.page.rows.push(row);
        self.bytes += size;
        self.page.limited = self.page.rows.len() >= self.max_rows || self.bytes >= self.max_bytes;
    }
}

/// A page of live rows: of now, or as they were at an earlier position of the log.
pub(in crate::sqlite) fn range(reading: &Reading<'_>, read: &RangeRead, at: Option<LogPosition>) -> Result<RangePage> {
    let table = reading.view.tables.table(read.table).map_err(Fail::Command)?;
    let index = match &read.index {
        None => None,
        Some(name) => match table.indexes.iter().find(|index| index.name == *name) {
            Some(index) => Some(index),
            None => {
                return Err(Fail::Command(StoreError::UnknownIndex {
                    table: read.table,
                    index: name.clone(),
                }));
            }
        },
    };
    let page = || {
        let past = match at {
            None => Past::none(),
            Some(at) => Past::of(reading, table.number, index, read, at)?,
        };
        let mut page = Page::new(read, past);
        match index {
            _ if page.page.limited => {}
            None => table_range(reading, table.number, read, &mut page)?,
            Some(index) => index_range(reading, table.number, index, read, &mut page)?,
        }
        Ok(page.page)
    };
    if index.is_none() && at.is_none() {
        // One statement is one moment.
        page()
    } else {
        at_one_moment(reading.connection, page)
    }
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
        page.take(reading, &key.clone(), Row { key, version, item }, item_size)?;
    }
    page.take_past(reading, None, item_size)
}

fn index_range(reading: &Reading<'_>, number: u32, index: &IndexView, read: &RangeRead, page: &mut Page) -> Result<()> {
    let (from, to) = bounds(index.number, read);
    let mut statement = reading.connection.prepare_cached(if read.reverse {
        "SELECT k FROM entry WHERE k >= ?1 AND k < ?2 ORDER BY k DESC"
    } else {
        "SELECT k FROM entry WHERE k >= ?1 AND k < ?2 ORDER BY k"
    })?;
    let shown = |item: &Item| projected_size(item, index.projected.as_deref());
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
        page.take(reading, &base, Row { key, version, item }, shown)?;
    }
    page.take_past(reading, None, shown)
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
