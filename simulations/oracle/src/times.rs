//! When each version of a region can have been committed, from the sequences around it.
//!
//! Sequences of a region grow, so they bound when a version can have been committed. A version
//! between those of w1 and w5 was committed after w1 was sent and before w5 was acknowledged:
//!
//! ```text
//!      w1 sent      w1 done                   w5 sent      w5 done
//! ────────┼────────────┼─────────────────────────┼────────────┼───▶ time
//!         ├── when a version between them can have been made ─┤
//!     earliest                                             latest
//! ```
//!
//! An operation can have made that version unless it was answered before `earliest` or sent after
//! `latest`.

use std::collections::BTreeMap;

use beringia_history::Operation;
use beringia_item::Version;

use crate::{
    index::{Asked, Table},
    unlogged::{self, UnloggedWrites},
};

/// Returns, for each region, when its writes can have been made.
pub(crate) fn by_region<'a>(table: &Table<'a>) -> BTreeMap<&'a str, Times<'a>> {
    let of_region = |region: &'a String| {
        let kept = table.evidence.unshipped.get(region);
        let unlogged = kept.map_or_else(UnloggedWrites::new, |kept| unlogged::of(table, region, kept));
        (region.as_str(), Times::of(table, region, &unlogged))
    };
    table.evidence.logs.keys().map(of_region).collect()
}

/// A region's writes to a table whose versions are known, in the order of their sequences, with the
/// times at which clients sent them and got their answers. A region's sequences grow, even when it
/// loses its disk and regardless of its clock, so these times bound when a version of the region
/// can have been committed.
#[derive(Default)]
pub(crate) struct Times<'a> {
    versions: Vec<&'a Version>,
    /// For each write, when the last of it and those before it was sent.
    sent_us: Vec<u64>,
    /// For each write, when the first of it and those after it was acknowledged.
    done_us: Vec<u64>,
}

impl<'a> Times<'a> {
    pub(crate) fn of(table: &Table<'a>, region: &str, unlogged: &UnloggedWrites<'a>) -> Self {
        // With each version, when it was sent at the earliest, and when its answer came.
        let mut known: Vec<(&Version, u64, Option<u64>)> = Vec::new();
        let done_us = |asked: &Asked<'_>| asked.operation.is_reported().then_some(asked.operation.done_us);
        for (key, writes) in &table.keys {
            let committed = writes.commits.iter().filter(|commit| commit.origin == region);
            known.extend(committed.filter_map(|commit| {
                let asked = &writes.asked[commit.asked?];
                // Which delete made a tombstone may be uncertain: then it is one of those since
                // then.
                let is_certain = !commit.is_delete() || asked.replaced().is_some();
                let (sent_us, done_us) = match is_certain {
                    true => (asked.operation.sent_us, done_us(asked)),
                    false => (commit.since_us, None),
                };
                Some((commit.version(), sent_us, done_us))
            }));
            for write in unlogged.get(key).into_iter().flatten() {
                let asked = write.maker.marker().and_then(|marker| writes.of_marker(marker));
                let own = asked.filter(|_| write.is_of(region));
                known.extend(own.map(|asked| (write.version, asked.operation.sent_us, done_us(asked))));
            }
        }
        known.sort_by_key(|(version, ..)| version.sequence);
        let mut times = Self::default();
        let mut last_us = 0;
        for (version, sent_us, _) in &known {
            last_us = last_us.max(*sent_us);
            times.versions.push(version);
            times.sent_us.push(last_us);
        }
        let mut first_us = u64::MAX;
        times.done_us = known
            .iter()
            .rev()
            .map(|(_, _, done_us)| {
                first_us = done_us.unwrap_or(u64::MAX).min(first_us);
                first_us
            })
            .collect();
        times.done_us.reverse();
        debug_assert!(
            times.sent_us.is_sorted() && times.done_us.is_sorted(),
            "later versions cannot have been committed earlier"
        );
        times
    }

    /// Returns whether an operation can have made the version.
    pub(crate) fn allow(&self, version: &Version, operation: &Operation) -> bool {
        !self.is_before(version, operation) && !self.is_after(version, operation)
    }

    /// Returns whether the version had been committed when the operation was sent.
    pub(crate) fn is_before(&self, version: &Version, operation: &Operation) -> bool {
        self.latest_us(version) < operation.sent_us
    }

    /// Returns whether the version had not yet been committed when the operation was answered. An
    /// operation without an answer can have been done at any time after it was sent.
    pub(crate) fn is_after(&self, version: &Version, operation: &Operation) -> bool {
        operation.is_reported() && operation.done_us < self.earliest_us(version)
    }

    /// The version was not committed before this time, in microseconds.
    pub(crate) fn earliest_us(&self, version: &Version) -> u64 {
        let count = self.versions.partition_point(|known| !is_earlier(version, known));
        count.checked_sub(1).map_or(0, |last| self.sent_us[last])
    }

    /// The version was not committed after this time, in microseconds.
    pub(crate) fn latest_us(&self, version: &Version) -> u64 {
        let first = self.versions.partition_point(|known| is_earlier(known, version));
        self.done_us.get(first).copied().unwrap_or(u64::MAX)
    }
}

/// Returns whether one version is earlier than another: by sequence within one region, by version
/// between regions.
fn is_earlier(one: &Version, other: &Version) -> bool {
    if one.origin == other.origin {
        one.sequence < other.sequence
    } else {
        one < other
    }
}
