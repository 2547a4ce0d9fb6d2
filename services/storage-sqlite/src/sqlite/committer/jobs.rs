//! Background work in small steps between groups: filling new indexes, removing what dropped tables and indexes leave behind.
//! Each step is a transaction of its own, and what is left to do is in the database, so a crash loses nothing of it.

use beringia_item::{TableId, decode_item};

use super::{Group, Kept, write::insert_entry};
use crate::{
    IndexState,
    sqlite::{
        fail::{Fail, Result},
        layout::{IndexNumber, TableNumber, digest_rows, row_key, stored_key},
        records::{self, ItemRow},
        state::{Job, encode_state},
    },
};

/// Rows that one step looks at: a few milliseconds that clients may have to wait.
const STEP_ROWS: u32 = 256;

impl Group<'_> {
    /// Does one step of the first job.
    pub(super) fn work(&mut self) -> Result<()> {
        let Some(job) = self.state.jobs.first().cloned() else {
            return Ok(());
        };
        let finished = match job {
            Job::Backfill { table, index } => self.backfill(table, index)?,
            Job::PurgeIndex { index } => self.purge_index(index)?,
            Job::PurgeTable { table, kept } => self.purge_table(table, kept.as_deref())?,
            Job::CountEntries { table } => {
                self.count_entries(table)?;
                true
            }
        };
        let job = self.state.jobs.remove(0);
        if !finished {
            // To the back, so that a long job does not hold up short ones.
            self.state.jobs.push(job);
        }
        Ok(())
    }

    /// Makes the entries of some more rows. Rows that are written meanwhile get theirs with the write.
    fn backfill(&mut self, id: TableId, number: IndexNumber) -> Result<bool> {
        let Self {
            connection,
            state,
            shared,
        } = self;
        let Some(table) = state.tables.get_mut(&id) else {
            return Ok(true);
        };
        let (from, to) = (row_key(table.number, &[]), row_key(table.number + 1, &[]));
        let Some(index) = table.indexes.iter_mut().find(|index| index.number == number) else {
            return Ok(true);
        };
        let mut statement = connection.prepare_cached(
            "SELECT i.k, ifnull(l.joined, l.image) FROM item i LEFT JOIN log l ON l.pos = i.pos
             WHERE i.k > ?1 AND i.k < ?2 AND i.size > 0 ORDER BY i.k LIMIT ?3",
        )?;
        let mut rows = statement.query((index.cursor.as_ref().unwrap_or(&from), to, STEP_ROWS))?;
        let mut seen = 0;
        let mut cursor = None;
        while let Some(row) = rows.next()? {
            seen += 1;
            let row_key: Vec<u8> = row.get(0)?;
            let image = row
                .get_ref(1)?
                .as_blob_or_null()
                .map_err(|_| Fail::damaged("an image is no blob"))?;
            if let Some(item) = image.and_then(|image| decode_item(image).ok())
                && let Some(entry) = index.entry(&item, &stored_key(&row_key))
                && insert_entry(connection, &entry)?
            {
                let bytes = index.weight(&item);
                index.size.add(bytes);
            }
            cursor = Some(row_key);
        }
        let finished = seen < STEP_ROWS;
        index.cursor = if finished { None } else { cursor };
        if finished {
            index.state = IndexState::Active;
            tracing::info!(region = %shared.region, table = %id, index = index.name, "an index is filled");
        }
        connection
            .prepare_cached("UPDATE indexes SET state = ?2, cursor = ?3 WHERE n = ?1")?
            .execute((number, encode_state(index.state), &index.cursor))?;
        if finished {
            state.refresh_catalog(id);
        }
        Ok(finished)
    }

    /// Removes some entries; true where none were left.
    fn purge_entries(&self, number: IndexNumber) -> Result<bool> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM entry WHERE k IN (SELECT k FROM entry WHERE k >= ?1 AND k < ?2 LIMIT ?3)")?
            .execute((row_key(number, &[]), row_key(number + 1, &[]), STEP_ROWS))?;
        if removed > 0 {
            return Ok(false);
        }
        self.connection.execute("DELETE FROM indexes WHERE n = ?1", [number])?;
        Ok(true)
    }

    fn purge_index(&mut self, number: IndexNumber) -> Result<bool> {
        let finished = self.purge_entries(number)?;
        let place = self.state.leaving.iter().position(|(_, index)| index.number == number);
        if let (true, Some(place)) = (finished, place) {
            let (table, index) = self.state.leaving.remove(place);
            tracing::info!(region = %self.shared.region, %table, index = index.name, "an index is removed");
            self.state.refresh_catalog(table);
        }
        Ok(finished)
    }

    /// Removes the entries of the table's indexes, then its conflicts, then its rows, then what is known of it.
    fn purge_table(&mut self, number: TableNumber, kept: Option<&Kept>) -> Result<bool> {
        let index = self
            .connection
            .prepare_cached("SELECT n FROM indexes WHERE t = ?1 LIMIT 1")?
            .query_map([number], |row| row.get::<_, IndexNumber>(0))?
            .next()
            .transpose()?;
        if let Some(index) = index {
            self.purge_entries(index)?;
            return Ok(false);
        }
        let conflicts = self
            .connection
            .prepare_cached("DELETE FROM conflict WHERE id IN (SELECT id FROM conflict WHERE t = ?1 LIMIT ?2)")?
            .execute((number, STEP_ROWS))?;
        if conflicts > 0 || self.purge_rows(number, kept)? > 0 {
            return Ok(false);
        }
        self.connection.execute("DELETE FROM mark WHERE t = ?1", [number])?;
        let digests = digest_rows(number);
        self.connection.execute(
            "DELETE FROM digest WHERE n >= ?1 AND n < ?2",
            (digests.start, digests.end),
        )?;
        self.connection.execute("DELETE FROM tables WHERE n = ?1", [number])?;
        tracing::info!(region = %self.shared.region, "the rows of a table are removed");
        Ok(true)
    }

    /// Removes some rows, with the log records that only they held; the others go when the log is trimmed.
    fn purge_rows(&mut self, number: TableNumber, kept: Option<&Kept>) -> Result<usize> {
        let mut statement = self.connection.prepare_cached(
            "SELECT k, pos, time, o, seq, size, state FROM item WHERE k >= ?1 AND k < ?2 ORDER BY k LIMIT ?3",
        )?;
        let rows: Vec<(Vec<u8>, ItemRow)> = statement
            .query_map((row_key(number, &[]), row_key(number + 1, &[]), STEP_ROWS), |row| {
                Ok((row.get(0)?, ItemRow::read(row, 1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else {
            return Ok(0);
        };
        self.connection
            .prepare_cached("DELETE FROM item WHERE k >= ?1 AND k <= ?2")?
            .execute((first, last))?;
        for (key, row) in &rows {
            if let Some(kept) = kept {
                self.keep_unshipped(number, kept, key, row)?;
            }
            if row.position <= self.state.log.trimmed {
                records::delete_record(self.connection, row.position)?;
            }
        }
        Ok(rows.len())
    }
}
