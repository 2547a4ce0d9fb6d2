//! Reading rows and records, with one statement each.

use std::{ops::ControlFlow, sync::LazyLock};

use beringia_storage::{
    StoreError,
    backend::{
        Checked, Detail, ItemRow, ItemScanner, ItemVisitor, KeyRange, Keyspace, Place, RecordHead, RowScanner,
        RowVisitor, Snapshot, StoredRecord, Visit,
    },
};
use rusqlite::{Connection, Row, params, types::ValueRef};

use crate::{
    damage::DamagedRecords,
    encoding::{Parts, decode_item, decode_record},
    error::OrStoreError,
    schema::{sql, unsigned},
};

/// The columns of an item's row.
const ITEM_COLUMNS: &str = "i.pos, i.v";

/// The indexes of an item's columns.
mod item_column {
    pub(super) const POSITION: usize = 0;
    pub(super) const VALUE: usize = 1;
    /// The number of columns of an item.
    pub(super) const COUNT: usize = 2;
}

/// The columns of a record, in the order of [`column`]. Without `with_images`, those of images are
/// NULL.
const fn record_columns(with_images: bool) -> &'static str {
    if with_images {
        "l.pos, l.v, l.image, l.merged_image"
    } else {
        "l.pos, l.v, NULL, NULL"
    }
}

/// The indexes of a record's columns.
mod column {
    pub(super) const POSITION: usize = 0;
    pub(super) const VALUE: usize = 1;
    pub(super) const IMAGE: usize = 2;
    pub(super) const MERGED_IMAGE: usize = 3;
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
pub(crate) struct SqlSnapshot<'c> {
    connection: &'c Connection,
    damage: &'c DamagedRecords,
}

impl<'c> SqlSnapshot<'c> {
    pub(crate) const fn new(connection: &'c Connection, damage: &'c DamagedRecords) -> Self {
        Self { connection, damage }
    }
}

impl Snapshot for SqlSnapshot<'_> {
    fn items(&self, keys: &[&[u8]], detail: Detail, visit: &mut ItemVisitor<'_>) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&FIND_ITEM[place(detail)])
            .or_store_error()?;
        for (place, key) in keys.iter().enumerate() {
            let mut rows = statement.query([key]).or_store_error()?;
            if let Some(row) = rows.next().or_store_error()? {
                self.visit_item(row, (key, 0), detail, |item, record| visit(place, item, record))?;
            }
        }
        Ok(())
    }

    fn scan_items(&self, range: &KeyRange, detail: Detail, visit: &mut ItemScanner<'_>) -> Result<(), StoreError> {
        let statement = SCAN_ITEMS[place(detail)].of(range);
        self.scan_rows(statement, range.from.as_slice(), range.to.as_deref(), &mut |row| {
            let key = blob(row, 0)?;
            self.visit_item(row, (key, 1), detail, |item, record| visit(key, item, record))
        })
    }

    fn rows(&self, keys: &[(Keyspace, &[u8])], visit: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        for (place, (keyspace, key)) in keys.iter().enumerate() {
            let mut statement = self
                .connection
                .prepare_cached(&GET[*keyspace as usize])
                .or_store_error()?;
            let mut rows = if keyspace.is_numbered() {
                statement.query([number(key)?])
            } else {
                statement.query([key])
            }
            .or_store_error()?;
            if let Some(row) = rows.next().or_store_error()? {
                visit(place, open_row(*keyspace, key, row, 0)?)?;
            }
        }
        Ok(())
    }

    fn scan(&self, keyspace: Keyspace, range: &KeyRange, visit: &mut RowScanner<'_>) -> Result<(), StoreError> {
        let statement = SCAN[keyspace as usize].of(range);
        if keyspace.is_numbered() {
            let from = if range.from.is_empty() { 0 } else { number(&range.from)? };
            let to = range.to.as_deref().map(number).transpose()?;
            return self.scan_rows(statement, from, to, &mut |row| {
                let key = unsigned(row, 0).or_store_error()?.to_be_bytes();
                visit(&key, open_row(keyspace, &key, row, 1)?)
            });
        }
        self.scan_rows(statement, range.from.as_slice(), range.to.as_deref(), &mut |row| {
            let key = blob(row, 0)?;
            visit(key, open_row(keyspace, key, row, 1)?)
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
            .connection
            .prepare_cached(&SCAN_LOG[usize::from(reverse)])
            .or_store_error()?;
        let mut rows = statement.query([sql(first), sql(last)]).or_store_error()?;
        while let Some(row) = rows.next().or_store_error()? {
            let position = unsigned(row, column::POSITION).or_store_error()?;
            let record = self.damage.checked(position, OpenRecord::read(row, 0, position)?);
            if let Some(record) = record
                && visit(&record)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn miss_record(&self, position: u64) {
        self.damage.missing(position);
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
        let mut statement = self.connection.prepare_cached(statement).or_store_error()?;
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

    /// Shows the item with this row key, whose columns begin with column `first`.
    fn visit_item<T>(
        &self,
        row: &Row<'_>,
        (key, first): (&[u8], usize),
        detail: Detail,
        visit: impl FnOnce(Checked<&ItemRow>, Option<&dyn StoredRecord>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let position = unsigned(row, first + item_column::POSITION).or_store_error()?;
        let sealed = blob(row, first + item_column::VALUE)?;
        let value = Place::Item { key, position }.open(sealed);
        let item = value.and_then(|value| decode_item(value, position));
        let item = item.as_ref().map_err(|damaged| *damaged);
        let first = first + item_column::COUNT;
        if detail == Detail::Row || row.get_ref(first).or_store_error()? == ValueRef::Null {
            return visit(item, None);
        }
        if detail == Detail::Item {
            let image = open_image(row, first + 1, position)?;
            let image = self.damage.checked(position, image).map(OpenImage);
            return visit(item, image.as_ref().map(|image| image as &dyn StoredRecord));
        }
        let record = self.damage.checked(position, OpenRecord::read(row, first, position)?);
        visit(item, record.as_ref().map(|record| record as &dyn StoredRecord))
    }
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

/// The row of a keyspace in this column.
fn open_row<'r>(
    keyspace: Keyspace,
    key: &[u8],
    row: &'r Row<'_>,
    column: usize,
) -> Result<Checked<&'r [u8]>, StoreError> {
    Ok(Place::Row { keyspace, key }.open(blob(row, column)?))
}

/// The image in this column, of the record at this position.
fn open_image<'r>(row: &'r Row<'_>, column: usize, position: u64) -> Result<Checked<Option<&'r [u8]>>, StoreError> {
    let sealed = blob_or_null(row, column)?;
    Ok(sealed.map(|sealed| Place::Image { position }.open(sealed)).transpose())
}

/// A record in the columns of a row.
struct OpenRecord<'r> {
    parts: Parts<'r>,
    image: Option<&'r [u8]>,
    merged_image: Option<&'r [u8]>,
}

impl<'r> OpenRecord<'r> {
    /// Reads the record at this position, whose columns begin with column `first`.
    fn read(row: &'r Row<'_>, first: usize, position: u64) -> Result<Checked<Self>, StoreError> {
        let value = Place::Record { position }.open(blob(row, first + column::VALUE)?);
        let image = open_image(row, first + column::IMAGE, position)?;
        let merged_image = open_image(row, first + column::MERGED_IMAGE, position)?;
        let open = || {
            Ok(Self {
                parts: decode_record(value?, position)?,
                image: image?,
                merged_image: merged_image?,
            })
        };
        Ok(open())
    }
}

impl StoredRecord for OpenRecord<'_> {
    fn head(&self) -> Result<RecordHead, StoreError> {
        Ok(self.parts.head)
    }

    fn key(&self) -> Result<&[u8], StoreError> {
        Ok(self.parts.key)
    }

    fn context(&self) -> Result<&[u8], StoreError> {
        Ok(self.parts.context)
    }

    fn image(&self) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.image)
    }

    fn metadata(&self) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.parts.metadata)
    }

    fn merged(&self) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.parts.merged)
    }

    fn current_image(&self) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.merged_image.or(self.image))
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        Ok((self.parts.key.len() + len(self.image) + len(self.parts.metadata)) as u64)
    }
}

/// Only the image of the current item.
struct OpenImage<'r>(Option<&'r [u8]>);

impl OpenImage<'_> {
    fn not_read<T>() -> Result<T, StoreError> {
        debug_assert!(false, "a part that was not asked for was read");
        Err(StoreError::Database("only the image of a record was read".to_owned()))
    }
}

impl StoredRecord for OpenImage<'_> {
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
        Ok(self.0)
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        Self::not_read()
    }
}
