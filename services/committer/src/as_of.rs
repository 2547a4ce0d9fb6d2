//! Past ends of the log with their times, for reads as of the past.

use std::{collections::VecDeque, time::Duration};

use beringia_storage::LogPosition;
use parking_lot::Mutex;
use tokio::time::Instant;

/// The number of commits that are remembered. If there are more, reads see a later state.
const AS_OF_POSITIONS_MAX: usize = 65_536;
/// The number of records that a read examines for changes since the as-of position. If there are
/// more, it sees a later state.
const BEHIND_MAX: u64 = 65_536;

/// The ends of the log during a recent period.
#[derive(Debug)]
pub(crate) struct AsOfPositions {
    /// The length of the period.
    keep: Duration,
    ends: Mutex<VecDeque<(Instant, u64)>>,
}

impl AsOfPositions {
    /// Starts with the current end of the log.
    pub(crate) fn new(keep: Duration, end: u64) -> Self {
        Self {
            keep,
            ends: Mutex::new(VecDeque::from([(Instant::now(), end)])),
        }
    }

    /// Records that a commit moved the end of the log. Must be called before the commit becomes
    /// visible: a read as of an earlier time then leaves out only commits that were not visible at
    /// that time.
    pub(crate) fn note(&self, end: u64) {
        if self.keep.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut ends = self.ends.lock();
        if ends.back().is_some_and(|(_, last)| *last == end) {
            return;
        }
        debug_assert!(ends.back().is_none_or(|(_, last)| *last < end), "a log only grows");
        ends.push_back((now, end));
        let over = |(at, _): &(Instant, u64)| now.duration_since(*at) >= self.keep;
        // The last of the expired entries is the end of the log at the beginning of the period.
        while ends.len() > AS_OF_POSITIONS_MAX || ends.get(1).is_some_and(over) {
            ends.pop_front();
        }
    }

    /// The first position that a read of the past may refer to; `u64::MAX` if there are no such
    /// reads.
    pub(crate) fn first(&self) -> u64 {
        self.ago(self.keep).map_or(u64::MAX, |position| position.0)
    }

    /// The end of the log at this time ago, or a later one; `None` if that is the current end.
    pub(crate) fn ago(&self, ago: Duration) -> Option<LogPosition> {
        let ago = ago.min(self.keep);
        let now = Instant::now();
        let ends = self.ends.lock();
        let (_, last) = *ends.back()?;
        let after = ends.partition_point(|(at, _)| now.duration_since(*at) >= ago);
        let (_, end) = *ends.get(after.saturating_sub(1))?;
        let end = end.max(last.saturating_sub(BEHIND_MAX));
        (end < last).then_some(LogPosition(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn past_end_is_the_end_at_that_time_or_a_later_one() {
        let as_of = AsOfPositions::new(ms(100), 7);
        tokio::time::advance(ms(10)).await;
        as_of.note(8);
        tokio::time::advance(ms(10)).await;
        as_of.note(9);
        tokio::time::advance(ms(5)).await;
        // It is 25 ms after the start; the commits were 15 and 5 ms ago.
        let ends = [
            (0, None),
            (4, None),
            (5, None),
            (6, Some(8)),
            (15, Some(8)),
            (16, Some(7)),
            (99, Some(7)),
        ];
        for (ago, end) in ends {
            assert_eq!(as_of.ago(ms(ago)), end.map(LogPosition), "{ago} ms ago");
        }
        tokio::time::advance(ms(80)).await;
        assert_eq!(
            as_of.ago(ms(500)),
            Some(LogPosition(7)),
            "no further back than it keeps"
        );
        tokio::time::advance(ms(15)).await;
        assert_eq!(as_of.ago(ms(100)), None, "there was no change in this time");
        as_of.note(10);
        assert_eq!(as_of.ends.lock().len(), 2, "expired ends are dropped");
    }

    #[tokio::test(start_paused = true)]
    async fn remembered_ends_and_examined_records_are_bounded() {
        let as_of = AsOfPositions::new(ms(1_000_000), 0);
        for end in 1..=AS_OF_POSITIONS_MAX as u64 + 10 {
            tokio::time::advance(ms(1)).await;
            as_of.note(end);
        }
        assert_eq!(as_of.ends.lock().len(), AS_OF_POSITIONS_MAX);
        let last = AS_OF_POSITIONS_MAX as u64 + 10;
        assert_eq!(as_of.ago(ms(900_000)), Some(LogPosition(11)));
        as_of.note(last + BEHIND_MAX);
        tokio::time::advance(ms(1)).await;
        assert_eq!(as_of.ago(ms(500)), Some(LogPosition(last)));
    }
}
