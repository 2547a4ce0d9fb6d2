//! Putting a version under a key: the record, the item's row, its index entries and its range's digest, all in one place.

use beringia_item::{Item, KeyBytes, TableId, Unit, decode_item, item_size, range_of};
use bytes::Bytes;
use rusqlite::Connection;

use super::Group;
use crate::{
    IndexState, StoreError,
    sqlite::{
        fail::{Fail, Result},
        layout::{RegionNames, RegionNumber, item_hash},
        records::{self, ItemRow, Joined, NewRecord},
        state::{Job, TableState},
        verify::entry_exists,
    },
};

/// A write that changes what stands under its key.
pub(super) struct NewVersion<'a> {
    pub(super) key: &'a KeyBytes,
    pub(super) row_key: &'a [u8],
    pub(super) origin: RegionNumber,
    pub(super) sequence: u64,
    pub(super) time: u64,
    pub(super) flags: i64,
    pub(super) unit: Unit,
    pub(super) vector: &'a [u8],
    /// What the write's origin made of the item, encoded; `None` for a delete.
    pub(super) image: Option<&'a Bytes>,
    pub(super) metadata: Option<&'a Bytes>,
    /// What this region makes of it, where that is something else.
    pub(super) joined: Option<&'a Joined>,
    /// The size of the item that stands then, as its row keeps it; 0 for a delete.
    pub(super) size: u64,
    /// That item, where the table has indexes; `None` for a delete.
    pub(super) after: Option<&'a Item>,
    /// The hash of the metadata that stand then.
    pub(super) state: u64,
    /// What stands now.
    pub(super) current: Option<&'a ItemRow>,
    /// The item that stands now, where somebody decoded it already.
    pub(super) before: Option<&'a Item>,
}

impl Group<'_> {
    /// Writes `new` to its item in `table`, which this region holds.
    pub(super) fn put_version(&mut self, table: TableId, new: &NewVersion<'_>) -> Result<()> {
        let Self { connection, state, .. } = self;
        let table = state
            .tables
            .get_mut(&table)
            .ok_or(Fail::Command(StoreError::UnknownTable(table)))?;
        let record = NewRecord {
            origin: new.origin,
            sequence: new.sequence,
            time: new.time,
            flags: new.flags,
            unit: new.unit,
            previous: new.current.map(|row| row.position),
            key: new.key,
            vector: new.vector,
            image: new.image,
            metadata: new.metadata,
            joined: new.joined,
        };
        let (time, origin, sequence) = match new.joined {
            Some(joined) => (joined.time, joined.origin, joined.sequence),
            None => (new.time, new.origin, new.sequence),
        };
        let row = ItemRow {
            position: state.log.append(connection, &state.regions, table, &record)?,
            time,
            origin,
            sequence,
            size: new.size,
            state: new.state,
        };
        match new.current {
            Some(_) => row.update(connection, new.row_key)?,
            None => row.insert(connection, new.row_key)?,
        }
        let names = state.regions.names();
        if let Some(current) = new.current {
            count_out(table, new.key, current, names)?;
        }
        if row.live() {
            let stamp = row.stamp(names)?;
            let hash = item_hash(&new.key.0, &stamp);
            table.digests.change(range_of(new.key), |sum| sum.add(hash, row.size));
        }
        if move_entries(connection, table, new.key, (new.before, new.current), new.after)? {
            let job = Job::CountEntries { table: table.id };
            if !state.jobs.contains(&job) {
                state.jobs.push(job);
            }
        }
        Ok(())
    }

    /// Removes an item's row without a tombstone: digest and index entries are as if it had never been.
    pub(super) fn remove_row(&mut self, id: TableId, key: &KeyBytes, row_key: &[u8], row: &ItemRow) -> Result<()> {
        let Self { connection, state, .. } = self;
        let table = state
            .tables
            .get_mut(&id)
            .ok_or(Fail::Command(StoreError::UnknownTable(id)))?;
        ItemRow::delete(connection, row_key)?;
        count_out(table, key, row, state.regions.names())?;
        move_entries(connection, table, key, (None, Some(row)), None).map(drop)
    }
}

/// Takes what stands out of its range's digest, where it is live.
fn count_out(table: &mut TableState, key: &KeyBytes, row: &ItemRow, names: &RegionNames) -> Result<()> {
    if row.live() {
        let hash = item_hash(&key.0, &row.stamp(names)?);
        table.digests.change(range_of(key), |sum| sum.remove(hash, row.size));
    }
    Ok(())
}

/// The size of a live item as its row keeps it: never 0, which marks a tombstone.
pub(super) fn live_size(bytes: usize) -> u64 {
    (bytes as u64).max(1)
}

/// The size of an item as its row keeps it.
pub(super) fn row_size(item: Option<&Item>) -> u64 {
    item.map_or(0, |item| live_size(item_size(item)))
}

/// Brings the index entries of an item from what stands to what comes, and the sizes of the indexes with them. `standing` is the item,
/// where somebody decoded it already, and its row. True where an entry was there already, which damage had left behind: then nobody
/// knows whether it was counted.
fn move_entries(
    connection: &Connection,
    table: &mut TableState,
    key: &KeyBytes,
    standing: (Option<&Item>, Option<&ItemRow>),
    after: Option<&Item>,
) -> Result<bool> {
    if table.indexes.is_empty() {
        return Ok(false);
    }
    let mut found_stray = false;
    let decoded;
    let before = match standing {
        (Some(before), _) => Some(before),
        (None, Some(row)) if row.live() => {
            // An image that is gone or damaged leaves its entries behind; verification removes them.
            decoded = records::image(connection, row)?.and_then(|image| decode_item(&image).ok());
            decoded.as_ref()
        }
        _ => None,
    };
    for index in &mut table.indexes {
        let weighed = |item: &Item| Some((index.entry(item, key)?, index.weight(item)));
        let (old, now) = (before.and_then(weighed), after.and_then(weighed));
        // The entry stays. One that the backfill has not made yet is counted when it is made.
        let stays = match (&old, &now) {
            (Some((old, _)), Some((now, _))) => old == now,
            _ => false,
        };
        if let (true, Some((entry, was)), Some((_, is))) = (stays, &old, &now) {
            if was != is && (index.state == IndexState::Active || entry_exists(connection, entry)?) {
                index.size.remove(*was);
                index.size.add(*is);
            }
            continue;
        }
        if let Some((entry, bytes)) = old
            && delete_entry(connection, &entry)?
        {
            index.size.remove(bytes);
        }
        if let Some((entry, bytes)) = now {
            if insert_entry(connection, &entry)? {
                index.size.add(bytes);
            } else {
                found_stray = true;
            }
        }
    }
    Ok(found_stray)
}

pub(super) fn insert_entry(connection: &Connection, entry: &[u8]) -> Result<bool> {
    Ok(connection
        .prepare_cached("INSERT OR IGNORE INTO entry (k) VALUES (?1)")?
        .execute([entry])?
        > 0)
}

pub(super) fn delete_entry(connection: &Connection, entry: &[u8]) -> Result<bool> {
    Ok(connection
        .prepare_cached("DELETE FROM entry WHERE k = ?1")?
        .execute([entry])?
        > 0)
}
