//! Stores a version under a key: the record, the item's row, its index entries and its range's
//! digest, all in one place.

use beringia_item::{Item, KeyBytes, Mutation, TableId, VersionVector, content_hash, decode_item, item_size, range_of};
use beringia_storage::{
    IndexState,
    backend::{Detail, ItemRow, Keyspace, LogRecord, RecordFlags},
};

use super::workspace::{Group, OwnRecord, Result};
use crate::{
    layout::row_hash,
    state::{Index, LogCheckpoint},
};

/// The new row of a record's item.
pub(super) struct NewRow<'a> {
    /// The size of the item after the write, as its row stores it; 0 for a delete.
    pub(super) size: u64,
    /// The hash of the metadata after the write.
    pub(super) state: u64,
    /// The item after the write, if the table has indexes; `None` for a delete.
    pub(super) after: Option<&'a Item>,
    /// The current row, before the write.
    pub(super) current: Option<&'a ItemRow>,
    /// The current item, if it was decoded already.
    pub(super) before: Option<&'a Item>,
}

impl Group<'_> {
    /// Appends `record` to the log and makes `new` the row of its item in `table`, which this
    /// region holds. The record gets its position and its table's number here. `context` is the
    /// record's causal context, by names.
    pub(super) fn put_version(
        &mut self,
        table: TableId,
        row_key: &[u8],
        mut record: LogRecord,
        context: &VersionVector,
        new: &NewRow<'_>,
    ) -> Result<()> {
        let key = record.key.clone();
        let (time, origin, sequence) = record.current();
        let moves_entries = !self.omits_entries(&record.head);
        let content = content_hash(record.current_image());
        if let Some(current) = new.current {
            record.head.replaced = row_hash(&key.0, current, self.state.origins.names())?;
        }
        let replaced = record.head.replaced;
        let row = ItemRow {
            position: self.append(table, record, context)?,
            time,
            origin,
            sequence,
            size: new.size,
            state: new.state,
            content,
        };
        if moves_entries {
            self.move_entries(table, row_key, &key, (new.before, new.current), new.after)?;
        }
        self.put_item(row_key.to_vec(), row, new.current.is_some());
        if let Some(current) = new.current {
            self.count_out(table, &key, current, replaced)?;
        }
        if row.is_live() {
            let hash = row_hash(&key.0, &row, self.state.origins.names())?;
            let table = self.table_mut(table)?;
            table.digests.change(range_of(&key), |sum| sum.add(hash, row.size));
        }
        Ok(())
    }

    /// Appends a record to the log and returns its position.
    pub(super) fn append(&mut self, id: TableId, mut record: LogRecord, context: &VersionVector) -> Result<u64> {
        let position = self.state.log.last + 1;
        let number = self.table(id)?.number;
        record.head.position = position;
        record.head.table = number;
        let (head, bytes) = (record.head, record.bytes());
        if !head.flags.has(RecordFlags::UNORDERED) {
            if let Some(own) = self.own.as_mut().filter(|_| head.origin == self.state.origins.own()) {
                let mutation = Mutation {
                    table: id,
                    key: record.key.clone(),
                    version: head.version(self.state.origins.names())?,
                    causal_context: context.clone(),
                    image: record.image.clone(),
                    metadata: record.metadata.clone(),
                    cause: head.flags.cause(),
                    transaction: head.transaction,
                };
                own.push(OwnRecord { head, mutation });
            }
            let origin = self.table_mut(id)?.progress.origin_mut(head.origin);
            let previous = origin.last_record;
            origin.records += 1;
            origin.bytes += bytes;
            origin.last_record = head.sequence;
            if LogCheckpoint::is_due(origin.checkpoint, position) {
                origin.checkpoint = position;
                let checkpoint = LogCheckpoint {
                    sequence: head.sequence,
                    position,
                    previous,
                    records: origin.records,
                    bytes: origin.bytes,
                };
                checkpoint.write(number, head.origin, &mut self.writes);
            }
        }
        self.writes.records.push(record);
        self.state.log.last = position;
        Ok(position)
    }

    /// Removes an item's row without a tombstone. Digest and index entries are as if it had never
    /// existed.
    pub(super) fn remove_row(&mut self, id: TableId, key: &KeyBytes, row_key: &[u8], row: &ItemRow) -> Result<()> {
        self.move_entries(id, row_key, key, (None, Some(row)), None)?;
        self.delete_item(row_key.to_vec());
        let hash = row_hash(&key.0, row, self.state.origins.names())?;
        self.count_out(id, key, row, hash)
    }

    /// Subtracts the current row, which has this hash, from its range's digest, if it is live.
    fn count_out(&mut self, table: TableId, key: &KeyBytes, row: &ItemRow, hash: u128) -> Result<()> {
        if row.is_live() {
            let table = self.table_mut(table)?;
            table.digests.change(range_of(key), |sum| sum.remove(hash, row.size));
        }
        Ok(())
    }

    /// Changes the index entries of an item from the current item to the next, and the sizes of the
    /// indexes with them. `current` is the current item, if it was decoded already, and its row.
    fn move_entries(
        &mut self,
        id: TableId,
        row_key: &[u8],
        key: &KeyBytes,
        current: (Option<&Item>, Option<&ItemRow>),
        after: Option<&Item>,
    ) -> Result<()> {
        let count = self.table(id)?.indexes.len();
        if count == 0 {
            return Ok(());
        }
        let decoded;
        let before = match current {
            (Some(before), _) => Some(before),
            (None, Some(row)) if row.is_live() => {
                // If the image is missing or damaged, its entries stay behind; verification removes
                // them.
                let current = self.with_record(row_key, *row, Detail::Item)?;
                decoded = current.image().and_then(|image| decode_item(image).ok());
                decoded.as_ref()
            }
            _ => None,
        };
        let mut found_stray = false;
        for place in 0..count {
            let index = self.table(id)?.indexes[place].clone();
            found_stray |= self.move_entry(id, place, index, key, (before, after))?;
        }
        if found_stray {
            self.recount(id)?;
        }
        Ok(())
    }

    /// Changes the entry of one index, at its place among the table's. Returns true if the new
    /// entry existed already because of damage; it is then unknown whether it was counted, unless a
    /// count is in progress.
    fn move_entry(
        &mut self,
        id: TableId,
        place: usize,
        mut index: Index,
        key: &KeyBytes,
        (before, after): (Option<&Item>, Option<&Item>),
    ) -> Result<bool> {
        let weighed = |item: &Item| Some((index.entry(item, key)?, index.weight(item)));
        let (old, now) = (before.and_then(weighed), after.and_then(weighed));
        let (mut is_moved, mut found_stray) = (false, false);
        match (old, now) {
            // The entry stays. One that the backfill has not created yet is counted when it is
            // created.
            (Some((old, was)), Some((now, is))) if old == now => {
                if was != is && (index.state == IndexState::Active || self.has_row(Keyspace::Entries, &old, true)) {
                    let mut sizes = index.sizes_of(&old);
                    sizes.remove(was);
                    sizes.add(is);
                    is_moved = true;
                }
            }
            (old, now) => {
                if let Some((entry, bytes)) = old {
                    let mut sizes = index.sizes_of(&entry);
                    if self.delete_entry(entry) {
                        sizes.remove(bytes);
                        is_moved = true;
                    }
                }
                if let Some((entry, bytes)) = now {
                    let mut sizes = index.sizes_of(&entry);
                    if self.insert_entry(entry) {
                        sizes.add(bytes);
                    } else {
                        sizes.add_counted(bytes);
                        found_stray = index.recount.is_none();
                    }
                    is_moved = true;
                }
            }
        }
        if is_moved {
            self.table_mut(id)?.indexes[place] = index;
        }
        Ok(found_stray)
    }

    /// Writes an entry of an index; returns false if it existed already.
    pub(super) fn insert_entry(&mut self, entry: Vec<u8>) -> bool {
        let is_new = !self.has_row(Keyspace::Entries, &entry, false);
        if is_new {
            self.writes.rows.insert((Keyspace::Entries, entry), Some(Vec::new()));
        }
        is_new
    }

    /// Removes an entry of an index; returns false if it did not exist.
    fn delete_entry(&mut self, entry: Vec<u8>) -> bool {
        let is_there = self.has_row(Keyspace::Entries, &entry, true);
        if is_there {
            self.writes.rows.insert((Keyspace::Entries, entry), None);
        }
        is_there
    }
}

/// The size of a live item as its row stores it: never 0, which marks a tombstone.
pub(super) fn live_size(bytes: usize) -> u64 {
    (bytes as u64).max(1)
}

/// The size of an item as its row stores it.
pub(super) fn row_size(item: Option<&Item>) -> u64 {
    item.map_or(0, |item| live_size(item_size(item)))
}
