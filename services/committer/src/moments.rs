//! When the log had grown to which position, for reads that are to see what was a while ago.

use std::{collections::VecDeque, time::Duration};

use beringia_storage::LogPosition;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Commits that are remembered. Where there are more, reads see something newer.
const MOMENTS_MAX: usize = 65_536;
/// Records that a read looks through for what changed since. Where there are more, it sees something newer.
const BEHIND_MAX: u64 = 65_536;

/// The ends that the log had in a last stretch of time.
#[derive(Debug)]
pub(crate) struct Moments {
    /// How long they are kept.
    keep: Duration,
    ends: Mutex<VecDeque<(Instant, u64)>>,
}

impl Moments {
    /// Of a log that ends there now.
    pub(crate) fn new(keep: Duration, end: u64) -> Self {
        Self {
            keep,
            ends: Mutex::new(VecDeque::from([(Instant::now(), end)])),
        }
    }

    /// A commit brought the end there. To be told before anybody can see the commit: then what a moment leaves out was seen by nobody
    /// before it.
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
        // The last of those that are over says where the log was when the stretch began.
        while ends.len() > MOMENTS_MAX || ends.get(1).is_some_and(over) {
            ends.pop_front();
        }
    }

    /// The end so long ago, or later; `None` where that is the end now.
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
    async fn a_moment_is_the_end_of_the_log_as_it_was_and_never_one_that_is_older() {
        let moments = Moments::new(ms(100), 7);
        tokio::time::advance(ms(10)).await;
        moments.note(8);
        tokio::time::advance(ms(10)).await;
        moments.note(9);
        tokio::time::advance(ms(5)).await;
        // Now is 25 ms after the start; the commits were 15 and 5 ms ago.
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
            assert_eq!(moments.ago(ms(ago)), end.map(LogPosition), "{ago} ms ago");
        }
        tokio::time::advance(ms(80)).await;
        assert_eq!(
            moments.ago(ms(500)),
            Some(LogPosition(7)),
            "no further back than it keeps"
        );
        tokio::time::advance(ms(15)).await;
        assert_eq!(moments.ago(ms(100)), None, "nothing has changed for so long");
        moments.note(10);
        assert_eq!(moments.ends.lock().len(), 2, "what is over is let go");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_and_looked_through_is_bounded() {
        let moments = Moments::new(ms(1_000_000), 0);
        for end in 1..=MOMENTS_MAX as u64 + 10 {
            tokio::time::advance(ms(1)).await;
            moments.note(end);
        }
        assert_eq!(moments.ends.lock().len(), MOMENTS_MAX);
        let last = MOMENTS_MAX as u64 + 10;
        assert_eq!(moments.ago(ms(900_000)), Some(LogPosition(11)));
        moments.note(last + BEHIND_MAX);
        tokio::time::advance(ms(1)).await;
        assert_eq!(moments.ago(ms(500)), Some(LogPosition(last)));
    }
}
