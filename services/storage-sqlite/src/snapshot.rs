//! Reading rows and records, with one statement each.

use std::{ops::ControlFlow, sync::LazyLock};

use beringia_item::Transaction;
use beringia_storage::{
    StoreError,
    backend::{
        Detail, ItemRow, ItemScanner, ItemVisitor, KeyRange, Keyspace, RecordFlags, RecordHead, RowVisitor, Snapshot,
        StoredRecord, Visit,
    },
};
use rusqlite::{Connection, Row, params, types::ValueRef};

use crate::{
    error::OrStoreError,
    schema::{sql, unsigned},
};

/// The columns of an item's row, in the order of [`item_column`].
const ITEM_COLUMNS: &str = "i.pos, i.time, i.o, i.seq, i.size, i.state";

/// The indexes of an item's columns.
mod item_column {
    pub(super) const POSITION: usize = 0;
    pub(super) const TIME: usize = 1;
    pub(super) const ORIGIN: usize = 2;
    pub(super) const SEQUENCE: usize = 3;
    pub(super) const SIZE: usize = 4;
    pub(super) const STATE: usize = 5;
    /// The number of columns of an item.
    pub(super) const COUNT: usize = 6;
}

/// The columns of a record, in the order of [`column`]. Without `with_images`, those of images are
/// NULL.
fn record_columns(with_images: bool) -> String {
    let images = if with_images {
        ["l.image", "l.merged_image"]
    } else {
        ["NULL", "NULL"]
    };
    format!(
        "l.pos, l.t, l.o, l.seq, l.time, l.flags, l.back, l.ahead, l.prev, l.k, l.context, l.metadata, l.merged, {}",
        images.join(", ")
    )
}

/// The indexes of a record's columns.
mod column {
    pub(super) const POSITION: usize = 0;
    pub(super) const TABLE: usize = 1;
    pub(super) const ORIGIN: usize = 2;
    pub(super) const SEQUENCE: usize = 3;
    pub(super) const TIME: usize = 4;
    pub(super) const FLAGS: usize = 5;
    pub(super) const BACK: usize = 6;
    pub(super) const AHEAD: usize = 7;
    pub(super) const PREVIOUS: usize = 8;
    pub(super) const KEY: usize = 9;
    pub(super) const CONTEXT: usize = 10;
    pub(super) const METADATA: usize = 11;
    pub(super) const MERGED: usize = 12;
    pub(super) const IMAGE: usize = 13;
    pub(super) const MERGED_IMAGE: usize = 14;
}

/// The part of a statement after the key: the columns of an item, and their tables.
fn item_source(detail: Detail) -> String {
    match detail {
        Detail::Row => format!("{ITEM_COLUMNS} FROM item i"),
        Detail::Item => format!(
            "{ITEM_COLUMNS}, l.pos, ifnull(l.merged_image, l.image) FROM item i LEFT JOIN log l ON l.pos = i.pos"
        ),
        Detail::Context | Detail::Record => {
            let record = record_columns(detail == Detail::Record);
            format!("{ITEM_COLUMNS}, {record} FROM item i LEFT JOIN log l ON l.pos = i.pos")
        }
    }
}

const fn place(detail: Detail) -> usize {
    match detail {
        Detail::Row => 0,
        Detail::Context => 1,
        Detail::Item => 2,
        Detail::Record => 3,
    }
}

/// Statements that read items by key, indexed by [`place`].
static FIND_ITEM: LazyLock<[String; 4]> =
    LazyLock::new(|| Detail::ALL.map(|detail| format!("SELECT {} WHERE i.k = ?1", item_source(detail))));

/// Statements that scan: ascending and descending, each with and without an upper bound.
struct Scans([[String; 2]; 2]);

impl Scans {
    /// Completes a statement that ends before its condition. `key` is the column of the key.
    fn new(select: &str, key: &str) -> Self {
        let statement = |order: &str, to: &str| format!("{select} WHERE {key} >= ?1{to} ORDER BY {key}{order}");
        let bounded = format!(" AND {key} < ?2");
        Self(["", " DESC"].map(|order| [statement(order, &bounded), statement(order, "")]))
    }

    fn of(&self, range: &KeyRange) -> &str {
        &self.0[usize::from(range.reverse)][usize::from(range.to.is_none())]
    }
}

static SCAN_ITEMS: LazyLock<[Scans; 4]> =
    LazyLock::new(|| Detail::ALL.map(|detail| Scans::new(&format!("SELECT i.k, {}", item_source(detail)), "i.k")));

static SCAN: LazyLock<[Scans; Keyspace::ALL.len()]> =
    LazyLock::new(|| Keyspace::ALL.map(|keyspace| Scans::new(&format!("SELECT k, v FROM {}", keyspace.name()), "k")));

static GET: LazyLock<[String; Keyspace::ALL.len()]> =
    LazyLock::new(|| Keyspace::ALL.map(|keyspace| format!("SELECT v FROM {} WHERE k = ?1", keyspace.name())));

static SCAN_LOG: LazyLock<[String; 2]> = LazyLock::new(|| {
    ["", " DESC"].map(|order| {
        let columns = record_columns(true);
        format!("SELECT {columns} FROM log l WHERE l.pos >= ?1 AND l.pos <= ?2 ORDER BY l.pos{order}")
    })
});

/// A connection as the contract's [`Snapshot`].
pub(crate) struct SqlSnapshot<'c>(pub(crate) &'c Connection);

impl Snapshot for SqlSnapshot<'_> {
    fn items(&self, keys: &[&[u8]], detail: Detail, visit: &mut ItemVisitor<'_>) -> Result<(), StoreError> {
        let mut statement = self.0.prepare_cached(&FIND_ITEM[place(detail)]).or_store_error()?;
        for (place, key) in keys.iter().enumerate() {
            let mut rows = statement.query([key]).or_store_error()?;
            if let Some(row) = rows.next().or_store_error()? {
                visit_item(row, 0, detail, |item, record| visit(place, item, record))?;
            }
        }
        Ok(())
    }

    fn scan_items(&self, range: &KeyRange, detail: Detail, visit: &mut ItemScanner<'_>) -> Result<(), StoreError> {
        let statement = SCAN_ITEMS[place(detail)].of(range);
        self.scan_rows(statement, range.from.as_slice(), range.to.as_deref(), &mut |row| {
            let key = blob(row, 0)?;
            visit_item(row, 1, detail, |item, record| visit(key, item, record))
        })
    }

    fn rows(&self, keys: &[(Keyspace, &[u8])], visit: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        for (place, (keyspace, key)) in keys.iter().enumerate() {
            let mut statement = self.0.prepare_cached(&GET[*keyspace as usize]).or_store_error()?;
            let mut rows = if keyspace.is_numbered() {
                statement.query([number(key)?])
            } else {
                statement.query([key])
            }
            .or_store_error()?;
            if let Some(row) = rows.next().or_store_error()? {
                visit(place, blob(row, 0)?)?;
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: &KeyRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StoreError> {
        let statement = SCAN[keyspace as usize].of(range);
        if keyspace.is_numbered() {
            let from = if range.from.is_empty() { 0 } else { number(&range.from)? };
            let to = range.to.as_deref().map(number).transpose()?;
            return self.scan_rows(statement, from, to, &mut |row| {
                let key = unsigned(row, 0).or_store_error()?.to_be_bytes();
                visit(&key, blob(row, 1)?)
            });
        }
        self.scan_rows(statement, range.from.as_slice(), range.to.as_deref(), &mut |row| {
            visit(blob(row, 0)?, blob(row, 1)?)
        })
    }

    fn log(
        &self,
        first: u64,
        last: u64,
        reverse: bool,
        visit: &mut dyn FnMut(&dyn StoredRecord) -> Visit,
    ) -> Result<(), StoreError> {
        let mut statement = self
            .0
            .prepare_cached(&SCAN_LOG[usize::from(reverse)])
            .or_store_error()?;
        let mut rows = statement.query([sql(first), sql(last)]).or_store_error()?;
        while let Some(row) = rows.next().or_store_error()? {
            if visit(&RecordColumns { row, first: 0 })?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl SqlSnapshot<'_> {
    fn scan_rows<K: rusqlite::ToSql>(
        &self,
        statement: &str,
        from: K,
        to: Option<K>,
        visit: &mut dyn FnMut(&Row<'_>) -> Visit,
    ) -> Result<(), StoreError> {
        let mut statement = self.0.prepare_cached(statement).or_store_error()?;
        let mut rows = match to {
            Some(to) => statement.query(params![from, to]),
            None => statement.query(params![from]),
        }
        .or_store_error()?;
        while let Some(row) = rows.next().or_store_error()? {
            if visit(row)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

/// Shows an item whose columns begin with column `first`.
fn visit_item<T>(
    row: &Row<'_>,
    first: usize,
    detail: Detail,
    visit: impl FnOnce(&ItemRow, Option<&dyn StoredRecord>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let item = read_item(row, first).or_store_error()?;
    let first = first + item_column::COUNT;
    let is_there = || Ok::<_, StoreError>(row.get_ref(first).or_store_error()? != ValueRef::Null);
    match detail {
        Detail::Row => visit(&item, None),
        Detail::Item if is_there()? => visit(&item, Some(&ImageColumn { row, column: first + 1 })),
        Detail::Context | Detail::Record if is_there()? => visit(&item, Some(&RecordColumns { row, first })),
        _ => visit(&item, None),
    }
}

fn read_item(row: &Row<'_>, first: usize) -> rusqlite::Result<ItemRow> {
    Ok(ItemRow {
        position: unsigned(row, first + item_column::POSITION)?,
        time: unsigned(row, first + item_column::TIME)?,
        origin: row.get(first + item_column::ORIGIN)?,
        sequence: unsigned(row, first + item_column::SEQUENCE)?,
        size: unsigned(row, first + item_column::SIZE)?,
        state: unsigned(row, first + item_column::STATE)?,
    })
}

/// Decodes the key of a numbered keyspace.
pub(crate) fn number(key: &[u8]) -> Result<i64, StoreError> {
    let key = key.try_into().map(u64::from_be_bytes);
    key.map(sql)
        .map_err(|_| StoreError::damaged("a numbered row has an invalid key"))
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], StoreError> {
    let value = row.get_ref(column).or_store_error()?;
    value
        .as_blob()
        .map_err(|_| StoreError::damaged("a column is not a blob"))
}

fn blob_or_null<'r>(row: &'r Row<'_>, column: usize) -> Result<Option<&'r [u8]>, StoreError> {
    let value = row.get_ref(column).or_store_error()?;
    value
        .as_blob_or_null()
        .map_err(|_| StoreError::damaged("a column is not a blob"))
}

/// A record in the columns of a row.
struct RecordColumns<'r, 's> {
    row: &'r Row<'s>,
    first: usize,
}

impl RecordColumns<'_, '_> {
    fn read_head(&self) -> rusqlite::Result<RecordHead> {
        let sequence = unsigned(self.row, self.first + column::SEQUENCE)?;
        let transaction = Transaction {
            first: sequence.wrapping_sub(unsigned(self.row, self.first + column::BACK)?),
            last: sequence.wrapping_add(unsigned(self.row, self.first + column::AHEAD)?),
        };
        let previous: Option<i64> = self.row.get(self.first + column::PREVIOUS)?;
        Ok(RecordHead {
            position: unsigned(self.row, self.first + column::POSITION)?,
            table: self.row.get(self.first + column::TABLE)?,
            origin: self.row.get(self.first + column::ORIGIN)?,
            sequence,
            time: unsigned(self.row, self.first + column::TIME)?,
            flags: RecordFlags::from_bits(self.row.get(self.first + column::FLAGS)?),
            transaction,
            previous: previous.map(i64::cast_unsigned),
        })
    }
}

impl StoredRecord for RecordColumns<'_, '_> {
    fn head(&self) -> Result<RecordHead, StoreError> {
        self.read_head().or_store_error()
    }

    fn key(&self) -> Result<&[u8], StoreError> {
        blob(self.row, self.first + column::KEY)
    }

    fn context(&self) -> Result<&[u8], StoreError> {
        blob(self.row, self.first + column::CONTEXT)
    }

    fn image(&self) -> Result<Option<&[u8]>, StoreError> {
        blob_or_null(self.row, self.first + column::IMAGE)
    }

    fn metadata(&self) -> Result<Option<&[u8]>, StoreError> {
        blob_or_null(self.row, self.first + column::METADATA)
    }

    fn merged(&self) -> Result<Option<&[u8]>, StoreError> {
        blob_or_null(self.row, self.first + column::MERGED)
    }

    fn current_image(&self) -> Result<Option<&[u8]>, StoreError> {
        let merged = blob_or_null(self.row, self.first + column::MERGED_IMAGE)?;
        merged.map_or_else(|| self.image(), |image| Ok(Some(image)))
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        Ok((self.key()?.len() + len(self.image()?) + len(self.metadata()?)) as u64)
    }
}

/// Only the image of the current item.
struct ImageColumn<'r, 's> {
    row: &'r Row<'s>,
    column: usize,
}

impl ImageColumn<'_, '_> {
    fn not_read<T>() -> Result<T, StoreError> {
        debug_assert!(false, "a part that was not asked for was read");
        Err(StoreError::Database("only the image of a record was read".to_owned()))
    }
}

impl StoredRecord for ImageColumn<'_, '_> {
    fn head(&self) -> Result<RecordHead, StoreError> {
        Self::not_read()
    }

    fn key(&self) -> Result<&[u8], StoreError> {
        Self::not_read()
    }

    fn context(&self) -> Result<&[u8], StoreError> {
        Self::not_read()
    }

    fn image(&self) -> Result<Option<&[u8]>, StoreError> {
        Self::not_read()
    }

    fn metadata(&self) -> Result<Option<&[u8]>, StoreError> {
        Self::not_read()
    }

    fn merged(&self) -> Result<Option<&[u8]>, StoreError> {
        Self::not_read()
    }

    fn current_image(&self) -> Result<Option<&[u8]>, StoreError> {
        blob_or_null(self.row, self.column)
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        Self::not_read()
    }
}
