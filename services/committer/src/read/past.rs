//! Reads as of an earlier position of the log, for items that changed since.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::{Bound, ControlFlow, RangeBounds},
};

use beringia_decisions::{CurrentRecord, Index, layout::row_key};
use beringia_item::{Item, KeyBytes, TableId, Version, decode_item};
use beringia_storage::{
    LogPosition, RangeRead, StoreError,
    backend::{Detail, RecordFlags, TableNumber},
};
use bytes::Bytes;

use super::{items, reading::Reading};

/// Reads several items as of a position. An item is newer if the log has been trimmed since.
pub(crate) fn get_many_at(
    reading: &Reading<'_>,
    keys: &[(TableId, KeyBytes)],
    at: LogPosition,
) -> Result<Vec<Option<(Version, Item)>>, StoreError> {
    let get = |(table, key): &(TableId, KeyBytes)| {
        let number = reading.view.table(*table)?.number;
        let row_key = row_key(number, &key.0);
        match version_at(reading, &row_key, at)? {
            Then::AsNow => items::find(reading, *table, &row_key),
            Then::Nothing => Ok(None),
            Then::At(position) => match record_at(reading, position)? {
                Recorded::Item(version, item) => Ok(Some((version, item))),
                Recorded::Tombstone => Ok(None),
                Recorded::Trimmed => items::find(reading, *table, &row_key),
            },
        }
    };
    keys.iter().map(get).collect()
}

/// The version under a key as of a position.
enum Then {
    /// The current version, or the earlier one is not known.
    AsNow,
    /// The key had no row at that position.
    Nothing,
    /// The version of the record at this position.
    At(u64),
}

/// Follows the chain of replaced versions back from the current row.
fn version_at(reading: &Reading<'_>, row_key: &[u8], at: LogPosition) -> Result<Then, StoreError> {
    let mut row = None;
    reading.snapshot.items(&[row_key], Detail::Row, &mut |_, found, _| {
        row = Some(*found?);
        Ok(())
    })?;
    let Some(row) = row else {
        return Ok(Then::AsNow);
    };
    let mut position = row.position;
    while position > at.0 {
        let mut previous = None;
        let is_there = reading.snapshot.record(position, &mut |record| {
            previous = record.head()?.previous;
            Ok(())
        })?;
        match previous {
            Some(previous) => position = previous,
            None if is_there => return Ok(Then::Nothing),
            None => return Ok(Then::AsNow),
        }
    }
    Ok(if position == row.position {
        Then::AsNow
    } else {
        Then::At(position)
    })
}

/// The result of a record under its key.
enum Recorded {
    /// The item after the record's write.
    Item(Version, Item),
    /// The record's write deleted the item.
    Tombstone,
    /// The record has been trimmed.
    Trimmed,
}

fn record_at(reading: &Reading<'_>, position: u64) -> Result<Recorded, StoreError> {
    let mut recorded = Recorded::Trimmed;
    reading.snapshot.record(position, &mut |record| {
        let current = CurrentRecord::read(record, Detail::Record)?;
        let version = current.version(&reading.names())?;
        recorded = match current.image {
            Some(image) => Recorded::Item(version, decode(&image)?),
            None => Recorded::Tombstone,
        };
        Ok(())
    })?;
    Ok(recorded)
}

fn decode(image: &[u8]) -> Result<Item, StoreError> {
    decode_item(image).map_err(|error| StoreError::damaged(&error.to_string()))
}

/// The item that the record at this position left.
fn item_at(reading: &Reading<'_>, position: u64) -> Result<Option<(Version, Item)>, StoreError> {
    Ok(match record_at(reading, position)? {
        Recorded::Item(version, item) => Some((version, item)),
        Recorded::Tombstone | Recorded::Trimmed => None,
    })
}

/// A row of a range, as of the position.
pub(super) struct PastRow {
    /// The stored key; in an index, the index's key.
    pub(super) key: KeyBytes,
    position: u64,
}

/// The differences of a table between an earlier position and now. Only keys and positions are
/// stored; images are read one at a time.
pub(super) struct Past {
    /// By the table's key, the position of the earlier version; `None` if there was no row.
    changed: BTreeMap<KeyBytes, Option<u64>>,
    /// The earlier rows in the range that is read, in reading order.
    rows: VecDeque<PastRow>,
}

impl Past {
    /// No differences: everything is as it is now.
    pub(super) const fn none() -> Self {
        Self {
            changed: BTreeMap::new(),
            rows: VecDeque::new(),
        }
    }

    /// The differences of the table with this number, for a read of the table or of one of its
    /// indexes.
    pub(super) fn of(
        reading: &Reading<'_>,
        number: TableNumber,
        index: Option<&Index>,
        read: &RangeRead,
        at: LogPosition,
    ) -> Result<Self, StoreError> {
        let changed = changed_since(reading, number, at)?;
        let mut rows = Vec::new();
        for (base, position) in &changed {
            let Some(position) = *position else { continue };
            let key = match index {
                None => base.clone(),
                Some(index) => {
                    let then = item_at(reading, position)?;
                    match then.and_then(|(_, item)| index.definition.keys.index_key_of(&item, base).ok()) {
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

    /// Whether the item with this key of the table changed since, so that its current version is
    /// not the earlier one.
    pub(super) fn has_changed(&self, base: &KeyBytes) -> bool {
        self.changed.contains_key(base)
    }

    /// Takes the next earlier row that comes before `key` in reading order, or simply the next row
    /// if there is no key.
    pub(super) fn next_before(
        &mut self,
        reading: &Reading<'_>,
        key: Option<&KeyBytes>,
        reverse: bool,
    ) -> Result<Option<(KeyBytes, Version, Item)>, StoreError> {
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

/// The keys of a table's items that changed after a position, each with the position of the version
/// that its first change replaced.
fn changed_since(
    reading: &Reading<'_>,
    number: TableNumber,
    at: LogPosition,
) -> Result<BTreeMap<KeyBytes, Option<u64>>, StoreError> {
    let mut changed = BTreeMap::new();
    // In reverse order, so that the first change of each key is inserted last.
    reading.snapshot.log(at.0 + 1, u64::MAX >> 1, true, &mut |record| {
        let head = record.head()?;
        if head.table == number && !head.flags.has(RecordFlags::STALE) {
            let key = KeyBytes(Bytes::copy_from_slice(record.key()?));
            let is_there = match head.previous {
                Some(previous) => reading.snapshot.record(previous, &mut |_| Ok(()))?,
                None => true,
            };
            if is_there {
                changed.insert(key, head.previous);
            } else {
                // The log was trimmed since.
                changed.remove(&key);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(changed)
}
