//! The latest log records of this region, in memory, for readers that keep up with the log.
//!
//! Every peer of a region reads its log right after each commit, and all of them share these
//! records. A reader that is further behind, or that wants other origins' records too, reads the
//! database. Backlogs of peers are also counted here, over more records than are kept whole.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};

use beringia_clock::HybridTime;
use beringia_decisions::OwnRecord;
use beringia_storage::{Backlog, backend::TableNumber};
use parking_lot::Mutex;

/// The bounds on the records that are kept whole, in bytes of keys and images, and in number.
const BYTES_MAX: usize = 1 << 20;
const RECORDS_MAX: usize = 1024;
/// The number of records that are counted: half a megabyte, and as many as a region writes in the
/// seconds until its peers acknowledge them.
const COUNTED_MAX: usize = 16 * 1024;

/// The records of this region at the end of the log.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Whether any reader has read the log yet. Until then nothing is kept.
    wanted: AtomicBool,
    kept: Mutex<RecentRecord>,
}

#[derive(Debug, Default)]
struct RecentRecord {
    /// All of this region's records from this position to `end` are kept.
    first: u64,
    end: u64,
    records: VecDeque<OwnRecord>,
    bytes: usize,
    /// All of this region's records since the first of these, without their contents.
    counted: VecDeque<Counted>,
}

/// The part of a record that counts in a backlog.
#[derive(Debug)]
struct Counted {
    table: TableNumber,
    sequence: u64,
    time: HybridTime,
    bytes: u64,
}

impl Recent {
    /// Whether the committer should collect records.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Adds the records that a commit appended between these positions, of this region. Must be
    /// called before the commit becomes visible.
    pub(crate) fn take(&self, before: u64, end: u64, records: impl Iterator<Item = OwnRecord>) {
        let mut kept = self.kept.lock();
        if kept.end != before {
            *kept = RecentRecord {
                first: before + 1,
                ..RecentRecord::default()
            };
        }
        debug_assert!(before <= end && kept.first <= before + 1, "a log only grows");
        kept.end = end;
        for record in records {
            let bytes = record.mutation.bytes();
            kept.counted.push_back(Counted {
                table: record.head.table,
                sequence: record.head.sequence,
                time: HybridTime::from_u64(record.head.time),
                bytes: bytes as u64,
            });
            kept.bytes += bytes;
            kept.records.push_back(record);
        }
        let uncounted = kept.counted.len().saturating_sub(COUNTED_MAX);
        kept.counted.drain(..uncounted);
        while kept.bytes > BYTES_MAX || kept.records.len() > RECORDS_MAX {
            let Some(oldest) = kept.records.pop_front() else { break };
            kept.bytes -= oldest.mutation.bytes();
            kept.first = oldest.head.position + 1;
        }
    }

    /// Passes this region's records between two positions to `show`, in order. Returns `None` if
    /// they are not all here.
    pub(crate) fn read<T>(
        &self,
        from: u64,
        to: u64,
        show: impl FnOnce(&mut dyn Iterator<Item = &OwnRecord>) -> T,
    ) -> Option<T> {
        self.wanted.store(true, Ordering::Relaxed);
        let kept = self.kept.lock();
        if from < kept.first || to > kept.end {
            return None;
        }
        // A reader that keeps up wants only the last one or two.
        let wanted = kept.records.iter().rev();
        let wanted = wanted.take_while(|record| record.head.position >= from).count();
        let records = kept.records.range(kept.records.len() - wanted..);
        Some(show(&mut records.take_while(|record| record.head.position <= to)))
    }

    /// The backlog of this region's records of a table above a sequence. `None` if the last record
    /// at or below it is not known any more, so that there may be others.
    pub(crate) fn above(&self, table: TableNumber, sequence: u64) -> Option<Backlog> {
        let kept = self.kept.lock();
        let mut missing = Backlog::default();
        for record in kept.counted.iter().rev().filter(|record| record.table == table) {
            if record.sequence <= sequence {
                return Some(missing);
            }
            missing.add(&Backlog {
                mutations: 1,
                bytes: record.bytes,
                oldest: Some(record.time),
                first_sequence: Some(record.sequence),
            });
        }
        None
    }

    /// Drops all records, whole and counted.
    pub(crate) fn clear(&self) {
        *self.kept.lock() = RecentRecord::default();
    }
}

#[cfg(test)]
mod tests {
    use beringia_clock::HybridTime;
    use beringia_item::{Cause, KeyBytes, Mutation, TableId, Transaction, Version, VersionVector};
    use beringia_storage::backend::{RecordFlags, RecordHead};
    use bytes::Bytes;

    use super::*;

    fn record(position: u64, bytes: usize) -> OwnRecord {
        let transaction = Transaction {
            first: position,
            last: position,
        };
        OwnRecord {
            head: RecordHead {
                position,
                table: 16,
                origin: 0,
                sequence: position,
                time: position,
                flags: RecordFlags::default(),
                transaction,
                previous: None,
                replaced: 0,
            },
            mutation: Mutation {
                table: TableId(7),
                key: KeyBytes(Bytes::from_static(b"key")),
                version: Version {
                    time: HybridTime::from_u64(position),
                    origin: "us-east-1".parse().unwrap(),
                    sequence: position,
                },
                causal_context: VersionVector::default(),
                image: Some(Bytes::from(vec![0; bytes])),
                metadata: None,
                cause: Cause::Client,
                transaction,
            },
        }
    }

    /// The positions of the records that are shown.
    fn positions(recent: &Recent, from: u64, to: u64) -> Option<Vec<u64>> {
        recent.read(from, to, |records| records.map(|record| record.head.position).collect())
    }

    #[test]
    fn read_returns_exactly_the_records_of_known_positions() {
        let recent = Recent::default();
        assert_eq!(positions(&recent, 1, 9), None);
        assert!(recent.is_wanted(), "a reader asked");
        // Between them are records of other regions.
        recent.take(10, 14, [record(11, 1), record(13, 1)].into_iter());
        recent.take(14, 15, [].into_iter());
        recent.take(15, 16, [record(16, 1)].into_iter());
        assert_eq!(positions(&recent, 11, 16), Some(vec![11, 13, 16]));
        assert_eq!(positions(&recent, 12, 15), Some(vec![13]));
        assert_eq!(
            positions(&recent, 17, 16),
            Some(vec![]),
            "a reader at the end is missing nothing"
        );
        assert_eq!(positions(&recent, 10, 16), None, "the record at 10 was not collected");
        assert_eq!(positions(&recent, 11, 17), None, "the record at 17 is not known");
    }

    #[test]
    fn uncollected_commit_restarts_the_collection() {
        let recent = Recent::default();
        recent.take(10, 11, [record(11, 1)].into_iter());
        recent.take(12, 13, [record(13, 1)].into_iter());
        assert_eq!(positions(&recent, 11, 13), None);
        assert_eq!(positions(&recent, 13, 13), Some(vec![13]));
        recent.clear();
        assert_eq!(positions(&recent, 13, 13), None);
    }

    #[test]
    fn backlog_is_counted_above_a_known_record() {
        let recent = Recent::default();
        let missing = |sequence| {
            recent
                .above(16, sequence)
                .map(|missing| (missing.mutations, missing.bytes))
        };
        let bytes = |records: u64, image: u64| records * (b"key".len() as u64 + image);
        recent.take(10, 14, [record(11, 1), record(13, 2)].into_iter());
        recent.take(14, 15, [].into_iter());
        recent.take(15, 16, [record(16, 3)].into_iter());
        assert_eq!(missing(10), None, "there may be one between");
        assert_eq!(missing(11), Some((2, bytes(1, 2) + bytes(1, 3))));
        assert_eq!(missing(15), Some((1, bytes(1, 3))));
        assert_eq!(missing(16), Some((0, 0)));
        let above = recent.above(16, 12).unwrap();
        let oldest = (above.oldest, above.first_sequence);
        assert_eq!(oldest, (Some(HybridTime::from_u64(13)), Some(13)));
        assert_eq!(recent.above(17, 12), None, "nothing is known of another table");
        // More than are kept whole.
        let last = 16 + COUNTED_MAX as u64;
        recent.take(16, last, (17..=last).map(|position| record(position, 1)));
        assert_eq!(missing(16), None);
        let known = COUNTED_MAX as u64 - 1;
        assert_eq!(missing(17), Some((known, bytes(known, 1))));
        recent.take(last + 1, last + 2, [record(last + 2, 1)].into_iter());
        assert_eq!(missing(last), None, "a commit was not collected");
    }

    #[test]
    fn oldest_records_are_dropped_first() {
        let recent = Recent::default();
        recent.take(0, 3, (1..=3).map(|position| record(position, BYTES_MAX / 3)));
        assert_eq!(positions(&recent, 1, 3), None);
        assert_eq!(positions(&recent, 2, 3), Some(vec![2, 3]));
        recent.take(3, 4, [record(4, BYTES_MAX + 1)].into_iter());
        assert_eq!(positions(&recent, 4, 4), None, "it alone is too large");
        assert_eq!(positions(&recent, 5, 4), Some(vec![]));
        recent.take(4, 2000, (5..=2000).map(|position| record(position, 1)));
        assert_eq!(recent.kept.lock().records.len(), RECORDS_MAX);
        assert_eq!(positions(&recent, 2000 - RECORDS_MAX as u64, 2000), None);
    }
}
