//! The log's ends, its clock marks, and appending to it.

use rusqlite::{Connection, OptionalExtension};

use super::{Regions, TableState};
use crate::sqlite::{
    fail::Result,
    layout::{flag, sql, unsigned},
    recent::OwnRecord,
    records::NewRecord,
};

/// At most every so many positions an origin's records of a table get a mark. A reader that starts from a mark scans about as
/// many records in vain.
const MARK_EVERY: u64 = 1024;
/// How often the log's growth is noted against the wall clock, ms.
const MOMENT_EVERY_MS: u64 = 60_000;

/// Where the log begins and ends.
pub(in crate::sqlite) struct Log {
    /// The last position that was given.
    pub(in crate::sqlite) last: u64,
    /// Up to here everything was looked at for forgetting; what is still there is pinned.
    pub(in crate::sqlite) trimmed: u64,
    /// The last note of the wall clock: position and ms.
    moment: Option<(u64, u64)>,
    /// The last group that appended: position and ms. Position 0 where there was none since the start.
    appended: (u64, u64),
    /// This region's records of this group, where anybody wants them.
    pub(in crate::sqlite) own: Option<Vec<OwnRecord>>,
}

impl Log {
    pub(super) const fn new(last: u64, trimmed: u64) -> Self {
        Self {
            last,
            trimmed,
            moment: None,
            appended: (0, 0),
            own: None,
        }
    }

    pub(super) fn load(&mut self, connection: &Connection) -> Result<()> {
        self.moment = connection
            .query_row("SELECT pos, ms FROM moment ORDER BY pos DESC LIMIT 1", [], |row| {
                Ok((unsigned(row, 0)?, unsigned(row, 1)?))
            })
            .optional()?;
        Ok(())
    }

    /// Appends a record to the log and returns its position.
    pub(in crate::sqlite) fn append(
        &mut self,
        connection: &Connection,
        regions: &Regions,
        table: &mut TableState,
        record: &NewRecord<'_>,
    ) -> Result<u64> {
        let position = self.last + 1;
        record.insert(connection, table.number, position)?;
        self.last = position;
        if record.flags & flag::UNORDERED == 0 {
            if let Some(own) = self.own.as_mut().filter(|_| record.origin == regions.own()) {
                own.push(record.own(table, regions.names(), position)?);
            }
            let origin = table.progress.origin_mut(record.origin);
            let previous = origin.last_record;
            origin.records += 1;
            origin.bytes += record.bytes();
            origin.last_record = record.sequence;
            if origin.mark == 0 || position - origin.mark >= MARK_EVERY {
                origin.mark = position;
                connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO mark (t, o, seq, pos, prev_seq, records, bytes)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    )?
                    .execute((
                        table.number,
                        record.origin,
                        sql(record.sequence),
                        sql(position),
                        sql(previous),
                        sql(origin.records),
                        sql(origin.bytes),
                    ))?;
            }
        }
        Ok(position)
    }

    /// Notes, about once a minute and at the end of a group, how far the log had grown, and before a pause how far until then.
    pub(in crate::sqlite) fn note_moment(&mut self, connection: &Connection, now_ms: u64) -> Result<()> {
        let (noted, noted_ms) = self.moment.unwrap_or_default();
        if self.last == noted {
            return Ok(());
        }
        let before = self.appended;
        if self.last != before.0 {
            self.appended = (self.last, now_ms);
        }
        if self.moment.is_none() || now_ms.abs_diff(noted_ms) >= MOMENT_EVERY_MS {
            for (position, ms) in [before, self.appended] {
                if position > noted {
                    connection
                        .prepare_cached("INSERT OR REPLACE INTO moment (pos, ms) VALUES (?1, ?2)")?
                        .execute((sql(position), sql(ms)))?;
                }
            }
            self.moment = Some(self.appended);
        }
        Ok(())
    }
}
