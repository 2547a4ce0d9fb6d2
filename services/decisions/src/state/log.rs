//! The ends of the log, its end at past times, and its checkpoints.

use std::{collections::VecDeque, ops::ControlFlow, sync::Arc};

use beringia_storage::{
    StoreError,
    backend::{KeyRange, Keyspace, OriginNumber, Snapshot, TableNumber, WriteSet},
};

use super::{holds::LogHolds, tip::RegionRow};
use crate::layout::{Fields, number_key, number_of};

/// The least distance in positions between two checkpoints of an origin's records of a table. A
/// reader that starts from a checkpoint skips about this many records.
const CHECKPOINT_EVERY: u64 = 1024;
/// How often the end of the log is recorded with the wall time, in ms.
const TIME_EVERY_MS: u64 = 60_000;

/// Past ends of the log with their wall times (position, ms), oldest first.
pub type LogTimes = VecDeque<(u64, u64)>;

/// The ends of the log.
#[derive(Debug, Clone)]
pub struct Log {
    /// The last position that was assigned.
    pub last: u64,
    /// Up to here all records were considered for trimming. Those that remain are still in use, or
    /// are of a table that is held up.
    pub trimmed: u64,
    /// The tables whose records may not be passed at present.
    pub holds: LogHolds,
    /// Up to here the records of streams are older than the retention.
    pub expired: u64,
    times: Arc<LogTimes>,
    /// The last group that appended: position and ms. Position 0 if there was none since the start.
    appended: (u64, u64),
}

impl Log {
    pub(super) fn load(snapshot: &dyn Snapshot, last: u64, stored: &RegionRow) -> Result<Self, StoreError> {
        let mut times = LogTimes::new();
        snapshot.scan(Keyspace::LogTimes, &KeyRange::all(), &mut |key, row| {
            times.push_back((number_of(key)?, Fields(row?).u64()?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self {
            last,
            trimmed: stored.trimmed,
            holds: LogHolds::load(snapshot)?,
            expired: stored.expired,
            times: Arc::new(times),
            appended: (0, 0),
        })
    }

    /// The past ends of the log with their wall times.
    #[must_use]
    pub const fn times(&self) -> &Arc<LogTimes> {
        &self.times
    }

    /// Records the end of the log, about once a minute and at the end of a group. Before a pause it
    /// also records the end before the pause.
    pub(super) fn note_time(&mut self, now_ms: u64, writes: &mut WriteSet) {
        let newest = self.times.back().copied();
        let (noted, noted_ms) = newest.unwrap_or_default();
        if self.last == noted {
            return;
        }
        let before = self.appended;
        if self.last != before.0 {
            self.appended = (self.last, now_ms);
        }
        if newest.is_none() || now_ms.abs_diff(noted_ms) >= TIME_EVERY_MS {
            for (position, ms) in [before, self.appended] {
                if position > self.times.back().map_or(0, |(noted, _)| *noted) {
                    let row = Some(ms.to_be_bytes().to_vec());
                    writes.rows.insert((Keyspace::LogTimes, number_key(position)), row);
                    Arc::make_mut(&mut self.times).push_back((position, ms));
                }
            }
        }
    }

    /// Whether the trim has passed this record of the table with this number.
    pub(crate) fn has_passed(&self, table: TableNumber, position: u64) -> bool {
        position <= self.trimmed && self.holds.get(table).is_none_or(|hold| position < hold.position)
    }

    /// Drops the recorded ends that were passed in all tables.
    pub(crate) fn drop_times(&mut self, writes: &mut WriteSet) {
        debug_assert!(self.trimmed <= self.last, "only positions that were given are trimmed");
        let passed = self
            .holds
            .first()
            .map_or(self.trimmed, |first| first.saturating_sub(1).min(self.trimmed));
        while let Some((position, _)) = self.times.front().copied()
            && position < passed
        {
            writes.rows.insert((Keyspace::LogTimes, number_key(position)), None);
            Arc::make_mut(&mut self.times).pop_front();
        }
    }
}

/// The retention for streams, and the current time.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// How long records are kept, in ms.
    pub retention_ms: u64,
    /// This region's wall time, in ms since the Unix epoch.
    pub now_ms: u64,
}

impl Retention {
    /// The last position that is older than the retention, to the minute; `None` if there is none.
    /// `end` is the log's last position.
    #[must_use]
    pub fn expired(self, times: &LogTimes, end: u64) -> Option<u64> {
        if self.retention_ms == 0 {
            return Some(end);
        }
        let until = self.now_ms.saturating_sub(self.retention_ms);
        let newest_first = times.iter().rev();
        newest_first
            .filter(|(_, ms)| *ms <= until)
            .map(|(position, _)| *position)
            .next()
    }

    /// Whether all records of a shard are older than the retention.
    #[must_use]
    pub fn is_over(self, shard: &beringia_storage::Shard) -> bool {
        let until = self.now_ms.checked_sub(self.retention_ms);
        shard
            .end
            .is_some_and(|end| until.is_some_and(|until| end.closed_ms <= until))
    }
}

/// A log checkpoint: a row of the log's sparse index. It leads from a vector to a nearby position,
/// and makes the backlog a subtraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCheckpoint {
    /// The sequence of the record.
    pub sequence: u64,
    /// The position of the record.
    pub position: u64,
    /// The sequence of the previous record of the same origin and table.
    pub previous: u64,
    /// The number of records of the origin and table up to this one.
    pub records: u64,
    /// The size of those records, in bytes.
    pub bytes: u64,
}

impl LogCheckpoint {
    /// Whether a record at `position` gets a checkpoint if the last checkpoint is at `last` (0:
    /// there is none).
    pub(crate) const fn is_due(last: u64, position: u64) -> bool {
        last == 0 || position - last >= CHECKPOINT_EVERY
    }

    fn key(table: TableNumber, origin: OriginNumber, sequence: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(14);
        key.extend_from_slice(&table.to_be_bytes());
        key.extend_from_slice(&origin.to_be_bytes());
        key.extend_from_slice(&sequence.to_be_bytes());
        key
    }

    /// The keys of an origin's checkpoints of a table between two sequences, both inclusive.
    pub(crate) fn keys(table: TableNumber, origin: OriginNumber, from: u64, to: u64) -> KeyRange {
        KeyRange::new(
            Self::key(table, origin, from),
            crate::layout::above(Self::key(table, origin, to)),
        )
    }

    /// The keys of all checkpoints of a table.
    pub(crate) fn keys_of_table(table: TableNumber) -> KeyRange {
        KeyRange::new(table.to_be_bytes().to_vec(), (table + 1).to_be_bytes().to_vec())
    }

    pub(crate) fn write(&self, table: TableNumber, origin: OriginNumber, writes: &mut WriteSet) {
        let fields = [self.position, self.previous, self.records, self.bytes];
        let row = fields.iter().flat_map(|field| field.to_be_bytes()).collect();
        let key = Self::key(table, origin, self.sequence);
        writes.rows.insert((Keyspace::LogCheckpoints, key), Some(row));
    }

    fn read(key: &[u8], row: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields(row);
        let sequence = key.get(6..).unwrap_or_default();
        Ok(Self {
            sequence: Fields(sequence).u64()?,
            position: fields.u64()?,
            previous: fields.u64()?,
            records: fields.u64()?,
            bytes: fields.u64()?,
        })
    }

    fn first(snapshot: &dyn Snapshot, range: &KeyRange) -> Result<Option<Self>, StoreError> {
        let mut found = None;
        snapshot.scan(Keyspace::LogCheckpoints, range, &mut |key, row| {
            // Any other checkpoint serves as well.
            let Ok(row) = row else {
                return Ok(ControlFlow::Continue(()));
            };
            found = Some(Self::read(key, row)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The first checkpoint above `sequence`.
    ///
    /// # Errors
    /// If the backend fails, or the row is damaged.
    pub fn after(
        snapshot: &dyn Snapshot,
        table: TableNumber,
        origin: OriginNumber,
        sequence: u64,
    ) -> Result<Option<Self>, StoreError> {
        match sequence.checked_add(1) {
            Some(from) => Self::first(snapshot, &Self::keys(table, origin, from, u64::MAX)),
            None => Ok(None),
        }
    }

    /// The last checkpoint at or below `sequence`.
    ///
    /// # Errors
    /// If the backend fails, or the row is damaged.
    pub fn until(
        snapshot: &dyn Snapshot,
        table: TableNumber,
        origin: OriginNumber,
        sequence: u64,
    ) -> Result<Option<Self>, StoreError> {
        Self::first(snapshot, &Self::keys(table, origin, 0, sequence).reversed(true))
    }
}
