//! Reads as of an earlier position of the log: what stood then, of items that changed since.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::{Bound, RangeBounds},
};

use beringia_item::{Item, KeyBytes, TableId, Version, decode_item};
use rusqlite::{Connection, OptionalExtension};

use super::{Reading, at_one_moment, items};
use crate::{
    LogPosition, RangeRead,
    sqlite::{
        fail::{Fail, Result},
        layout::{TableNumber, flag, row_key, sql, version},
        records::{ItemRow, STANDING_COLUMNS, Standing},
        view::IndexView,
    },
};

/// Several items as they were at that position; newer where the log has forgotten it.
pub(in crate::sqlite) fn get_many_at(
    reading: &Reading<'_>,
    keys: &[(TableId, KeyBytes)],
    at: LogPosition,
) -> Result<Vec<Option<(Version, Item)>>> {
    at_one_moment(reading.connection, || {
        let get = |(table, key): &(TableId, KeyBytes)| {
            let number = reading.view.tables.table(*table).map_err(Fail::Command)?.number;
            let row_key = row_key(number, &key.0);
            match stood_at(reading.connection, &row_key, at)? {
                Stood::AsNow => items::find(reading, &row_key),
                Stood::Nothing => Ok(None),
                Stood::At(position) => match record_at(reading, position)? {
                    Some(stood) => Ok(stood),
                    None => items::find(reading, &row_key),
                },
            }
        };
        keys.iter().map(get).collect()
    })
}

/// What stood under a key.
enum Stood {
    /// What stands now, or nobody knows.
    AsNow,
    /// Nothing.
    Nothing,
    /// What the record at this position says.
    At(u64),
}

/// Walks back from what stands now over the versions that it replaced.
fn stood_at(connection: &Connection, row_key: &[u8], at: LogPosition) -> Result<Stood> {
    let Some(row) = ItemRow::find(connection, row_key)? else {
        return Ok(Stood::AsNow);
    };
    let mut position = row.position;
    while position > at.0 {
        let mut statement = connection.prepare_cached("SELECT prev FROM log WHERE pos = ?1")?;
        let previous = statement.query_row([sql(position)], |row| row.get::<_, Option<i64>>(0));
        match previous.optional()? {
            Some(Some(previous)) => position = previous.cast_unsigned(),
            Some(None) => return Ok(Stood::Nothing),
            None => return Ok(Stood::AsNow),
        }
    }
    Ok(if position == row.position {
        Stood::AsNow
    } else {
        Stood::At(position)
    })
}

/// What the record at that position left standing, `None` inside for a delete; `None` where the log has forgotten it.
fn record_at(reading: &Reading<'_>, position: u64) -> Result<Option<Option<(Version, Item)>>> {
    let query = format!("SELECT {STANDING_COLUMNS} FROM log l WHERE l.pos = ?1");
    let mut statement = reading.connection.prepare_cached(&query)?;
    let mut rows = statement.query([sql(position)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let standing = Standing::read(row, 0)?;
    let Some(image) = standing.image else {
        return Ok(Some(None));
    };
    let item = decode_item(&image).map_err(|error| Fail::damaged(&error.to_string()))?;
    let version = version(&reading.names(), standing.time, standing.origin, standing.sequence)?;
    Ok(Some(Some((version, item))))
}

/// The item that the record at that position left standing.
fn item_at(reading: &Reading<'_>, position: u64) -> Result<Option<(Version, Item)>> {
    Ok(record_at(reading, position)?.flatten())
}

/// A row of a range as it was.
pub(super) struct PastRow {
    /// The stored key; in an index the index's.
    pub(super) key: KeyBytes,
    position: u64,
}

/// What of a table was otherwise at an earlier position. It keeps keys and positions; images are read one at a time.
pub(super) struct Past {
    /// By key of the table, where what stood is; `None` where nothing did.
    changed: BTreeMap<KeyBytes, Option<u64>>,
    /// Those in the range that is read, in the order in which it is read.
    rows: VecDeque<PastRow>,
}

impl Past {
    /// Of nothing: all is as it is now.
    pub(super) const fn none() -> Self {
        Self {
            changed: BTreeMap::new(),
            rows: VecDeque::new(),
        }
    }

    /// Of the table with that number, for a read of it or of its index.
    pub(super) fn of(
        reading: &Reading<'_>,
        number: TableNumber,
        index: Option<&IndexView>,
        read: &RangeRead,
        at: LogPosition,
    ) -> Result<Self> {
        let changed = changed_since(reading.connection, number, at)?;
        let mut rows = Vec::new();
        for (base, position) in &changed {
            let Some(position) = *position else { continue };
            let key = match index {
                None => base.clone(),
                Some(index) => {
                    let stood = item_at(reading, position)?;
                    match stood.and_then(|(_, item)| index.keys.index_key_of(&item, base).ok()) {
                        Some(key) => key,
                        None => continue,
                    }
                }
            };
            let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (
                read.from.as_ref().map(Vec::as_slice),
                read.to.as_ref().map(Vec::as_slice),
            );
            if RangeBounds::<[u8]>::contains(&bounds, &key.0[..]) {
                rows.push(PastRow { key, position });
            }
        }
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        if read.reverse {
            rows.reverse();
        }
        Ok(Self {
            changed,
            rows: rows.into(),
        })
    }

    /// Whether the item with that key of the table changed since, so that what stands now did not stand then.
    pub(super) fn has_changed(&self, base: &KeyBytes) -> bool {
        self.changed.contains_key(base)
    }

    /// Takes the next row as it was that comes before `key` in the order of reading, or just the next where there is no more key.
    pub(super) fn next_before(
        &mut self,
        reading: &Reading<'_>,
        key: Option<&KeyBytes>,
        reverse: bool,
    ) -> Result<Option<(KeyBytes, Version, Item)>> {
        while let Some(row) = self.rows.front() {
            let comes_before = key.is_none_or(|key| if reverse { row.key > *key } else { row.key < *key });
            if !comes_before {
                break;
            }
            let Some(PastRow { key, position }) = self.rows.pop_front() else {
                break;
            };
            if let Some((version, item)) = item_at(reading, position)? {
                return Ok(Some((key, version, item)));
            }
        }
        Ok(None)
    }
}

/// The keys of a table's items that changed after a position, and what stood before the first of their changes.
fn changed_since(
    connection: &Connection,
    number: TableNumber,
    at: LogPosition,
) -> Result<BTreeMap<KeyBytes, Option<u64>>> {
    // From the newest back, so that the first change of each has the last word.
    let mut statement = connection.prepare_cached(
        "SELECT n.k, n.prev, n.prev IS NOT p.pos FROM log n LEFT JOIN log p ON p.pos = n.prev
         WHERE n.pos > ?1 AND n.t = ?2 AND n.flags & ?3 = 0 ORDER BY n.pos DESC",
    )?;
    let mut rows = statement.query((sql(at.0), number, flag::STALE))?;
    let mut changed = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let key = KeyBytes(row.get::<_, Vec<u8>>(0)?.into());
        let previous = row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned);
        if row.get(2)? {
            // The log has forgotten what stood.
            changed.remove(&key);
        } else {
            changed.insert(key, previous);
        }
    }
    Ok(changed)
}
