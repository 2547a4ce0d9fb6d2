//! Background work in small steps between groups: filling new indexes, and removing the rows of
//! dropped tables and indexes. Each step is a group of its own, and the remaining work is recorded
//! in rows, so a crash loses nothing of it.

use std::sync::Arc;

use beringia_item::{TableId, decode_item};
use beringia_storage::{
    IndexState, StoreError,
    backend::{IndexNumber, KeyRange, Keyspace, TableNumber},
};

use super::{
    dropped::detail_of_removed,
    event::StoreEvent,
    workspace::{Fail, Group, Result},
};
use crate::{
    journal,
    layout::{above, all_keys, digest_keys, number_key, stored_key},
    rows::{CurrentRow, ItemScan, Scan},
    state::{Job, LogCheckpoint, Recount},
    unshipped::UnshippedFilter,
    verify::EntryScan,
};

/// The number of rows that one step reads: a few milliseconds that clients may have to wait.
const STEP_ROWS: usize = 256;

impl Group<'_> {
    /// Does one step of the first job. On the reserve of a full disk, jobs that need space wait.
    pub(super) fn work(&mut self) -> Result<()> {
        if self.state.jobs.is_empty() {
            return Ok(());
        }
        let on_reserve = self.environment.on_reserve;
        let job = self.state.jobs.iter().find(|job| !on_reserve || job.relieves());
        let Some(job) = job.cloned() else {
            let what = "indexes are filled when there is space".to_owned();
            return Err(Fail::Command(StoreError::DiskFull(what)));
        };
        let finished = match &job {
            Job::Backfill { table, index } => self.backfill(*table, *index)?,
            Job::PurgeIndex { index } => self.purge_index(*index)?,
            Job::PurgeTable {
                table,
                unshipped,
                journal,
            } => self.purge_table(*table, unshipped.as_deref(), *journal)?,
            Job::CountEntries { table } => self.count_entries(*table)?,
        };
        let jobs = Arc::make_mut(&mut self.state.jobs);
        let place = jobs.iter().position(|other| *other == job);
        let job = place.map(|place| jobs.remove(place));
        if !finished {
            // The job goes to the back, so that a long one does not delay short ones.
            jobs.extend(job);
        }
        Ok(())
    }

    /// Creates the index entries of some more rows. Rows that are written meanwhile get theirs with
    /// the write.
    fn backfill(&mut self, id: TableId, number: IndexNumber) -> Result<bool> {
        let Some(table) = self.state.tables().get(&id).cloned() else {
            return Ok(true);
        };
        let Some(place) = table.indexes.iter().position(|index| index.number == number) else {
            return Ok(true);
        };
        let mut index = table.indexes[place].clone();
        let mut range = all_keys(table.number);
        if let Some(cursor) = &index.cursor {
            range.from = above(cursor.clone());
        }
        let scan = ItemScan {
            range,
            detail: beringia_storage::backend::Detail::Item,
            live_only: true,
            rows_max: STEP_ROWS,
        };
        let mut entries = Vec::new();
        let found = self.scan_items(scan)?;
        let finished = found.len() < STEP_ROWS;
        for (row_key, current) in found {
            let image = current.as_ref().ok().and_then(CurrentRow::image);
            if let Some(item) = image.and_then(|image| decode_item(image).ok())
                && let Some(entry) = index.entry(&item, &stored_key(row_key))
            {
                entries.push((entry, index.weight(&item)));
            }
        }
        if let Some((row_key, _)) = found.last() {
            index.cursor = Some(row_key.clone());
        }
        for (entry, bytes) in entries {
            if self.insert_entry(entry) {
                index.size.add(bytes);
            }
        }
        if finished {
            index.state = IndexState::Active;
            index.cursor = None;
            self.events.push(StoreEvent::IndexComplete {
                table: id,
                index: index.definition.name.clone(),
            });
        }
        index.write(&mut self.writes)?;
        self.table_mut(id)?.indexes[place] = index;
        if finished {
            self.state.refresh_catalog(id);
        }
        Ok(finished)
    }

    /// Removes some rows of a keyspace; returns true if none were left.
    fn purge_rows_of(&mut self, keyspace: Keyspace, range: KeyRange) -> Result<bool> {
        let scan = Scan {
            keyspace,
            range,
            rows_max: STEP_ROWS,
        };
        let keys: Vec<Vec<u8>> = self.scan(scan)?.iter().map(|(key, _)| key.clone()).collect();
        let finished = keys.is_empty();
        for key in keys {
            self.writes.rows.insert((keyspace, key), None);
        }
        Ok(finished)
    }

    /// Removes some entries of an index; returns true if none were left, so that the index is gone.
    fn purge_entries(&mut self, number: IndexNumber) -> Result<bool> {
        let finished = self.purge_rows_of(Keyspace::Entries, all_keys(number))?;
        if finished {
            let row = (Keyspace::Indexes, number_key(number.into()));
            self.writes.rows.insert(row, None);
        }
        Ok(finished)
    }

    fn purge_index(&mut self, number: IndexNumber) -> Result<bool> {
        let finished = self.purge_entries(number)?;
        let place = self.state.leaving.iter().position(|(_, index)| index.number == number);
        if let (true, Some(place)) = (finished, place) {
            let (table, index) = Arc::make_mut(&mut self.state.leaving).remove(place);
            self.events.push(StoreEvent::IndexRemoved {
                table,
                index: index.definition.name.clone(),
            });
            self.state.refresh_catalog(table);
        }
        Ok(finished)
    }

    /// Removes the entries of the table's indexes, then its conflicts, then its rows, then its own
    /// row.
    fn purge_table(
        &mut self,
        number: TableNumber,
        unshipped: Option<&UnshippedFilter>,
        journal: TableNumber,
    ) -> Result<bool> {
        let indexes = Scan {
            keyspace: Keyspace::Indexes,
            range: KeyRange::all(),
            rows_max: usize::MAX,
        };
        let mut index = None;
        for (key, row) in self.scan(indexes)? {
            if crate::state::table_of_index(row)? == number {
                index = Some(crate::state::table_number(key)?);
                break;
            }
        }
        if let Some(index) = index {
            self.purge_entries(index)?;
            return Ok(false);
        }
        if !self.purge_conflicts(journal)? || !self.purge_items(number, unshipped)? {
            return Ok(false);
        }
        let checkpoints = LogCheckpoint::keys_of_table(number);
        if !self.purge_rows_of(Keyspace::LogCheckpoints, checkpoints)?
            || !self.purge_rows_of(Keyspace::Digests, digest_keys(number))?
        {
            return Ok(false);
        }
        let row = (Keyspace::Tables, number_key(number.into()));
        self.writes.rows.insert(row, None);
        self.events.push(StoreEvent::RowsPurged);
        Ok(true)
    }

    /// Removes some conflicts of a journal; returns true if none were left.
    fn purge_conflicts(&mut self, journal: TableNumber) -> Result<bool> {
        if journal == 0 {
            return Ok(true);
        }
        let scan = Scan {
            keyspace: Keyspace::ConflictKeys,
            range: journal::keys_of_journal(journal),
            rows_max: STEP_ROWS,
        };
        let found = self.scan(scan)?.to_vec();
        let finished = found.is_empty();
        for (key, conflict) in found {
            self.writes.rows.insert((Keyspace::ConflictKeys, key), None);
            self.writes.rows.insert((Keyspace::Conflicts, conflict), None);
        }
        Ok(finished)
    }

    /// Removes some rows of items, and the log records that only these rows kept; trimming removes
    /// the other records. Returns true if none were left.
    fn purge_items(&mut self, number: TableNumber, unshipped: Option<&UnshippedFilter>) -> Result<bool> {
        let scan = ItemScan {
            range: all_keys(number),
            detail: detail_of_removed(unshipped),
            live_only: false,
            rows_max: STEP_ROWS,
        };
        let found = self.scan_items(scan)?.to_vec();
        let finished = found.is_empty();
        for (row_key, current) in found {
            // Of a damaged row nothing can be kept.
            if let Ok(current) = current {
                if let Some(unshipped) = unshipped {
                    self.keep_unshipped(unshipped, &row_key, &current)?;
                }
                if self.state.log.has_passed(number, current.row.position) {
                    self.writes.trimmed.insert(current.row.position);
                }
            }
            self.delete_item(row_key);
        }
        Ok(finished)
    }

    /// Has the entries of all complete indexes of a table counted, from the first one on.
    pub(super) fn recount(&mut self, id: TableId) -> Result<()> {
        let mut indexes = self.table(id)?.indexes.clone();
        for index in indexes.iter_mut().filter(|index| index.state == IndexState::Active) {
            index.recount = Some(Recount::default());
            index.write(&mut self.writes)?;
        }
        self.table_mut(id)?.indexes = indexes;
        self.state.add_job(Job::CountEntries { table: id });
        Ok(())
    }

    /// Counts some more entries of a table's indexes; returns true if none were left. Entries that
    /// are written meanwhile count with the write, where the count has passed them.
    fn count_entries(&mut self, id: TableId) -> Result<bool> {
        let Some(table) = self.state.tables().get(&id).cloned() else {
            return Ok(true);
        };
        let mut entries_max = STEP_ROWS;
        for (place, index) in table.indexes.iter().enumerate() {
            let Some(recount) = &index.recount else { continue };
            let scan = EntryScan {
                table: id,
                index: index.number,
                after: recount.cursor.clone(),
                entries_max,
            };
            let Some(count) = self.rows.count(&scan).cloned() else {
                return Err(self.need(|missing| {
                    missing.counts.insert(scan);
                }));
            };
            let mut index = index.clone();
            entries_max -= count.read;
            let finished = count.last.is_none();
            index.add_counted(count.entries, count.bytes, count.last);
            index.write(&mut self.writes)?;
            self.table_mut(id)?.indexes[place] = index;
            if !finished {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
