//! Reads of live items in key order, current or as of an earlier position of the log.

use std::ops::{Bound, ControlFlow};

use beringia_decisions::{
    Index,
    layout::{above, row_key, stored_key},
    projected_size,
};
use beringia_item::{Item, KeyBytes, item_size};
use beringia_storage::{
    LogPosition, RangePage, RangeRead, Row, StoreError,
    backend::{Detail, KeyRange, Keyspace},
};

use super::{
    items::{find, version_and_item},
    past::Past,
    reading::{Reading, while_wanted},
};

/// Collects rows until a limit is reached: current rows, and earlier ones in place of those that
/// changed after the as-of position.
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

    /// Takes a current row whose item has the key `base` in the table, after the earlier rows that
    /// precede it. `size` returns how much of an item counts.
    fn take(
        &mut self,
        reading: &Reading<'_>,
        base: &KeyBytes,
        row: Row,
        size: impl Fn(&Item) -> usize,
    ) -> Result<(), StoreError> {
        self.take_past(reading, Some(&row.key), &size)?;
        if !self.page.limited && !self.past.has_changed(base) {
            let size = size(&row.item);
            self.push(row, size);
        }
        Ok(())
    }

    /// Takes the earlier rows before `key`, or all remaining ones.
    fn take_past(
        &mut self,
        reading: &Reading<'_>,
        key: Option<&KeyBytes>,
        size: impl Fn(&Item) -> usize,
    ) -> Result<(), StoreError> {
        while !self.page.limited {
            let Some((key, version, item)) = self.past.next_before(reading, key, self.reverse)? else {
                break;
            };
            let size = size(&item);
            self.push(Row { key, version, item }, size);
        }
        Ok(())
    }

    /// Adds a row of this size to the page.
    fn push(&mut self, row: Row, size: usize) {
        self.page.rows.push(row);
        self.bytes += size;
        self.page.limited = self.page.rows.len() >= self.max_rows || self.bytes >= self.max_bytes;
    }

    /// Whether the page has room for another row.
    const fn more(&self) -> ControlFlow<()> {
        while_wanted(!self.page.limited)
    }
}

/// Reads a page of live rows, current or as of an earlier position of the log.
pub(crate) fn range(reading: &Reading<'_>, read: &RangeRead, at: Option<LogPosition>) -> Result<RangePage, StoreError> {
    let table = reading.view.table(read.table)?;
    let index = match &read.index {
        None => None,
        Some(name) => match table.indexes.iter().find(|index| index.definition.name == *name) {
            Some(index) => Some(index),
            None => {
                return Err(StoreError::UnknownIndex {
                    table: read.table,
                    index: name.clone(),
                });
            }
        },
    };
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
}

fn table_range(reading: &Reading<'_>, number: u32, read: &RangeRead, page: &mut Page) -> Result<(), StoreError> {
    let range = key_range(number, read);
    reading
        .snapshot
        .scan_items(&range, Detail::Item, &mut |row_key, row, record| {
            if let Some((version, item)) = version_and_item(reading, (read.table, row_key), row, record)? {
                let key = stored_key(row_key);
                page.take(reading, &key.clone(), Row { key, version, item }, item_size)?;
            }
            Ok(page.more())
        })?;
    page.take_past(reading, None, item_size)
}

fn index_range(
    reading: &Reading<'_>,
    number: u32,
    index: &Index,
    read: &RangeRead,
    page: &mut Page,
) -> Result<(), StoreError> {
    let range = key_range(index.number, read);
    let shown = |item: &Item| projected_size(item, index.projected.as_deref());
    reading.snapshot.scan(Keyspace::Entries, &range, &mut |entry, value| {
        let key = stored_key(entry);
        let base = index.definition.keys.split_index_key(&key).filter(|_| value.is_ok());
        let Some((_, base)) = base else {
            // The repair of a table's range includes the same range of its indexes.
            return Err(StoreError::Corrupt { table: read.table, key });
        };
        // An entry without its item's row is damage, which verification removes.
        if let Some((version, item)) = find(reading, read.table, &row_key(number, &base.0))? {
            page.take(reading, &base, Row { key, version, item }, shown)?;
        }
        Ok(page.more())
    })?;
    page.take_past(reading, None, shown)
}

/// The row keys that `read` asks for, among those of the table or index with this number.
fn key_range(number: u32, read: &RangeRead) -> KeyRange {
    let from = match &read.from {
        Bound::Unbounded => row_key(number, &[]),
        Bound::Included(key) => row_key(number, key),
        Bound::Excluded(key) => above(row_key(number, key)),
    };
    let to = match &read.to {
        Bound::Unbounded => row_key(number + 1, &[]),
        Bound::Included(key) => above(row_key(number, key)),
        Bound::Excluded(key) => row_key(number, key),
    };
    KeyRange::new(from, to).reversed(read.reverse)
}
