//! The log's ends, when it had grown how far, and its checkpoints.

use std::{collections::VecDeque, ops::ControlFlow, sync::Arc};

use beringia_storage::{
    StoreError,
    backend::{KeyRange, Keyspace, OriginNumber, Snapshot, TableNumber, WriteSet},
};

use crate::layout::{Fields, number_key, number_of};

/// An origin's records of a table get a checkpoint at most every so many positions. A reader that starts
/// from a checkpoint scans about as many records in vain.
const CHECKPOINT_EVERY: u64 = 1024;
/// How often the log's growth is noted against the wall clock, ms.
const TIME_EVERY_MS: u64 = 60_000;

/// How far the log had grown at which wall time (position, ms), oldest first.
pub type LogTimes = VecDeque<(u64, u64)>;

/// Where the log begins and ends.
#[derive(Debug, Clone)]
pub struct Log {
    /// The last position that was given.
    pub last: u64,
    /// Up to here everything was looked at for trimming; what is still there is pinned.
    pub trimmed: u64,
    times: Arc<LogTimes>,
    /// The last group that appended: position and ms. Position 0 where there was none since the start.
    appended: (u64, u64),
}

impl Log {
    pub(super) fn load(snapshot: &dyn Snapshot, last: u64, trimmed: u64) -> Result<Self, StoreError> {
        let mut times = LogTimes::new();
        snapshot.scan(Keyspace::LogTimes, &KeyRange::all(), &mut |key, row| {
            times.push_back((number_of(key)?, Fields(row).u64()?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self {
            last,
            trimmed,
            times: Arc::new(times),
            appended: (0, 0),
        })
    }

    /// When the log had grown how far.
    #[must_use]
    pub const fn times(&self) -> &Arc<LogTimes> {
        &self.times
    }

    /// Notes, about once a minute and at the end of a group, how far the log had grown, and before a
    /// pause how far until then.
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

    /// Drops what was noted of positions that are trimmed.
    pub(crate) fn drop_times(&mut self, writes: &mut WriteSet) {
        debug_assert!(self.trimmed <= self.last, "only positions that were given are trimmed");
        while let Some((position, _)) = self.times.front().copied()
            && position < self.trimmed
        {
            writes.rows.insert((Keyspace::LogTimes, number_key(position)), None);
            Arc::make_mut(&mut self.times).pop_front();
        }
    }
}

/// How long streams may look back, and now.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// How long records stay, ms.
    pub retention_ms: u64,
    /// This region's wall time, ms since the epoch.
    pub now_ms: u64,
}

impl Retention {
    /// The last position that is older than the retention, to the minute; `None` where there is none.
    /// `end` is the log's last.
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

/// A remembered place in the log: a row of the log's sparse index. It leads from a vector to a position
/// close by, and makes the backlog a subtraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCheckpoint {
    /// The sequence of the record.
    pub sequence: u64,
    /// Its position.
    pub position: u64,
    /// The sequence of the record before it, of the same origin and table.
    pub previous: u64,
    /// How many records of the origin and table there were up to it.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl LogCheckpoint {
    /// Whether a record at `position` gets one, where the last one is at `last` (0: there is none).
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

    /// The keys of those of an origin and table from one sequence on, to another one inclusive.
    pub(crate) fn keys(table: TableNumber, origin: OriginNumber, from: u64, to: u64) -> KeyRange {
        KeyRange::new(
            Self::key(table, origin, from),
            crate::layout::above(Self::key(table, origin, to)),
        )
    }

    /// The keys of all those of a table.
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
            found = Some(Self::read(key, row)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The first one above `sequence`.
    ///
    /// # Errors
    /// Where the backend fails, or the row is damaged.
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

    /// The last one at or below `sequence`.
    ///
    /// # Errors
    /// Where the backend fails, or the row is damaged.
    pub fn until(
        snapshot: &dyn Snapshot,
        table: TableNumber,
        origin: OriginNumber,
        sequence: u64,
    ) -> Result<Option<Self>, StoreError> {
        Self::first(snapshot, &Self::keys(table, origin, 0, sequence).reversed(true))
    }
}
