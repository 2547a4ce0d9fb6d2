//! When the regions of this process committed their own writes, by this machine's clock. The hybrid
//! time of a write says that only as long as no clock is wrong.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use beringia_clock::{SystemClock, WallClock as _};
use beringia_item::Origin;
use beringia_storage::Store;
use parking_lot::Mutex;

use crate::tap::Tap;

/// The commits of a region whose times are kept: a minute with a thousand commits per second.
const COMMITS_KEPT_MAX: usize = 65_536;

/// The times of the last commits, by origin.
#[derive(Debug, Default)]
pub(crate) struct CommitTimes(Mutex<BTreeMap<Origin, Times>>);

/// The times of one origin's commits, in order.
#[derive(Debug, Default)]
struct Times {
    /// The greatest sequence whose time is not known.
    before: u64,
    /// For each commit the greatest sequence, and when it was seen, milliseconds since the Unix
    /// epoch.
    commits: VecDeque<(u64, u64)>,
}

impl CommitTimes {
    /// Begins with the commits after this sequence.
    pub(crate) fn begin(&self, origin: &Origin, before: u64) {
        let commits = VecDeque::new();
        self.0.lock().insert(origin.clone(), Times { before, commits });
    }

    /// Notes that an origin has committed its writes up to this sequence.
    pub(crate) fn committed(&self, origin: &Origin, sequence: u64, at_ms: u64) {
        let mut origins = self.0.lock();
        let Some(times) = origins.get_mut(origin) else { return };
        if sequence <= times.commits.back().map_or(times.before, |(last, _)| *last) {
            return;
        }
        times.commits.push_back((sequence, at_ms));
        if times.commits.len() > COMMITS_KEPT_MAX
            && let Some((oldest, _)) = times.commits.pop_front()
        {
            times.before = oldest;
        }
    }

    /// When a write was seen to be committed, milliseconds since the Unix epoch; `None` if that is
    /// not known.
    pub(crate) fn of(&self, origin: &Origin, sequence: u64) -> Option<u64> {
        let origins = self.0.lock();
        let times = origins.get(origin).filter(|times| times.before < sequence)?;
        let index = times.commits.partition_point(|(last, _)| *last < sequence);
        times.commits.get(index).map(|(_, at_ms)| *at_ms)
    }
}

/// Notes the commits of a region's own writes while there is a listener to arrivals, until it is
/// dropped.
pub(crate) async fn watch(store: Arc<dyn Store>, tap: Tap) {
    let origin = store.origin().clone();
    let mut listens = false;
    loop {
        let appended = store.log_appended().notified();
        let (at_ms, listened) = (SystemClock.now_ms(), listens);
        listens = tap.has_listeners();
        if listens {
            let own = store.vectors().values().map(|vector| vector.get(&origin)).max();
            match own.unwrap_or(0) {
                // What was committed while nobody listened has no time.
                own if !listened => tap.commit_times().begin(&origin, own),
                own => tap.commit_times().committed(&origin, own, at_ms),
            }
        }
        appended.await;
    }
}

#[cfg(test)]
mod tests {
    use beringia_item::Region;

    use super::*;

    #[test]
    fn writes_have_the_time_of_their_commit() {
        let (times, origin) = (
            CommitTimes::default(),
            Origin::of_only_shard(&Region::new("a").unwrap()),
        );
        times.committed(&origin, 3, 900);
        assert_eq!(times.of(&origin, 3), None, "nobody listens");
        times.begin(&origin, 3);
        times.committed(&origin, 5, 1_000);
        times.committed(&origin, 5, 1_001);
        times.committed(&origin, 9, 1_010);
        let of = |sequence| times.of(&origin, sequence);
        assert_eq!(
            [3, 4, 5, 6, 9, 10].map(of),
            [None, Some(1_000), Some(1_000), Some(1_010), Some(1_010), None]
        );
        for sequence in 10..10 + COMMITS_KEPT_MAX as u64 {
            times.committed(&origin, sequence, sequence);
        }
        assert_eq!(times.of(&origin, 9), None, "forgotten");
        assert_eq!(times.of(&origin, 10), Some(10));
    }
}
