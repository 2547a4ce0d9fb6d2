//! Verification: what a range's digest and index entries must be, recomputed from rows and log.
//!
//! Readers use it to find out whether there is something to mend, the committer to mend it. A range of the table is checked
//! together with the same range of each index: its entries must lead to items that have them.

use beringia_item::{KeyBytes, decode_item};
use bytes::Bytes;
use rusqlite::Connection;

use super::{
    fail::{Fail, Result},
    layout::{RangeSum, RegionNames, item_hash, range_bounds, row_key, stored_key},
    records::{self, ItemRow, STANDING_COLUMNS, Standing},
};

/// A table or an index, as far as verification needs it.
pub(super) struct Checked<'a> {
    pub(super) number: u32,
    pub(super) keys: &'a beringia_item::KeySchema,
}

/// What is amiss in a range.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    /// Row keys of items whose log record is missing, is another's, or cannot be read.
    pub(super) rows: Vec<Vec<u8>>,
    /// Entries that items should have and have not.
    pub(super) missing_entries: Vec<Vec<u8>>,
    /// Entries that no item has.
    pub(super) stray_entries: Vec<Vec<u8>>,
    /// What the digest should be, without the damaged rows.
    pub(super) sum: RangeSum,
}

impl Damage {
    /// Whether the range is as it should be, its stored digest being `stored`.
    pub(super) fn is_none(&self, stored: &RangeSum) -> bool {
        self.rows.is_empty() && self.missing_entries.is_empty() && self.stray_entries.is_empty() && self.sum == *stored
    }
}

/// Checks a range of the table of that number and of its indexes.
pub(super) fn check_range(
    connection: &Connection,
    table: &Checked<'_>,
    indexes: &[Checked<'_>],
    range: u16,
    names: &RegionNames,
) -> Result<Damage> {
    let mut damage = Damage::default();
    let (from, to) = range_bounds(table.number, range);
    let mut statement = connection
        .prepare_cached("SELECT pos, time, o, seq, size, state, k FROM item WHERE k >= ?1 AND k < ?2 ORDER BY k")?;
    let mut rows = statement.query((from, to))?;
    while let Some(row) = rows.next()? {
        let item_row = ItemRow::read(row, 0)?;
        let row_key: Vec<u8> = row.get(6)?;
        check_item(connection, table, &item_row, row_key, indexes, names, &mut damage)?;
    }
    for index in indexes {
        check_entries(connection, table.number, index, range, &mut damage)?;
    }
    Ok(damage)
}

fn check_item(
    connection: &Connection,
    table: &Checked<'_>,
    row: &ItemRow,
    row_key: Vec<u8>,
    indexes: &[Checked<'_>],
    names: &RegionNames,
    damage: &mut Damage,
) -> Result<()> {
    let key = stored_key(&row_key);
    let Some(image) = recorded(connection, table, row, &key, names)? else {
        damage.rows.push(row_key);
        return Ok(());
    };
    let Some(image) = image else { return Ok(()) };
    let Ok(item) = decode_item(&image) else {
        damage.rows.push(row_key);
        return Ok(());
    };
    damage.sum.add(item_hash(&key.0, &row.stamp(names)?), row.size);
    for index in indexes {
        let Some(entry) = entry_of(index, &item, &key) else {
            continue;
        };
        if !entry_exists(connection, &entry)? {
            damage.missing_entries.push(entry);
        }
    }
    Ok(())
}

/// The image that a row's record holds (`Some(None)` for a tombstone); `None` where the record is not the row's.
fn recorded(
    connection: &Connection,
    table: &Checked<'_>,
    row: &ItemRow,
    key: &KeyBytes,
    names: &RegionNames,
) -> Result<Option<Option<Bytes>>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {STANDING_COLUMNS}, l.k FROM log l WHERE l.pos = ?1"))?;
    let mut rows = statement.query([row.position.cast_signed()])?;
    let Some(record) = rows.next()? else { return Ok(None) };
    let found_key = record
        .get_ref(8)?
        .as_blob()
        .map_err(|_| Fail::damaged("a record's key is no blob"))?;
    let same_key = *found_key == *key.0;
    let standing = Standing::read(record, 0)?;
    let hash = match &standing.metadata {
        None => Some(0),
        Some(_) => standing.state(table.keys, key, names).ok().map(|state| state.hash()),
    };
    let same = same_key && standing.is_of(row) && hash == Some(row.state);
    Ok((same && standing.image.is_some() == row.live()).then_some(standing.image))
}

/// Looks for entries in a range of the index that lead to no item, or to one that has another.
fn check_entries(
    connection: &Connection,
    table: u32,
    index: &Checked<'_>,
    range: u16,
    damage: &mut Damage,
) -> Result<()> {
    let (from, to) = range_bounds(index.number, range);
    let mut statement = connection.prepare_cached("SELECT k FROM entry WHERE k >= ?1 AND k < ?2 ORDER BY k")?;
    let mut rows = statement.query((from, to))?;
    while let Some(row) = rows.next()? {
        let entry: Vec<u8> = row.get(0)?;
        let base = index.keys.split_index_key(&stored_key(&entry)).map(|(_, base)| base);
        let justified = match base {
            None => false,
            Some(base) => match ItemRow::find(connection, &row_key(table, &base.0))?.filter(ItemRow::live) {
                None => false,
                Some(row) => records::image(connection, &row)?
                    .and_then(|image| decode_item(&image).ok())
                    .is_some_and(|item| entry_of(index, &item, &base).as_ref() == Some(&entry)),
            },
        };
        if !justified {
            damage.stray_entries.push(entry);
        }
    }
    Ok(())
}

fn entry_of(index: &Checked<'_>, item: &beringia_item::Item, base: &KeyBytes) -> Option<Vec<u8>> {
    index
        .keys
        .index_key_of(item, base)
        .ok()
        .map(|key| row_key(index.number, &key.0))
}

pub(super) fn entry_exists(connection: &Connection, entry: &[u8]) -> Result<bool> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM entry WHERE k = ?1")?
        .exists([entry])?)
}
