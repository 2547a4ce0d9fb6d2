//! When origins committed their writes, by the clock of the machine on which they did. The hybrid
//! time of a write says that only as long as no clock is wrong.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use beringia_clock::{SystemClock, WallClock as _};
use beringia_item::Origin;
use beringia_proto::v1::OriginCommits;
use beringia_storage::Store;

use crate::tap::Tap;

/// The times that are kept for an origin: of at least a minute, one per millisecond. When there are
/// more, they become less fine.
const COMMIT_TIMES_MAX: usize = 65_536;
/// The writes that an origin certainly does not commit at once. A new database begins its sequence
/// further above that of a lost one.
const COMMITTED_AT_ONCE_MAX: u64 = 1 << 20;

/// When origins committed their writes, by their machine's clock: a sample for every millisecond in
/// which there was a commit, as far as there is room, otherwise fewer.
#[derive(Debug, Default)]
pub struct CommitTimes(BTreeMap<String, Samples>);

/// The samples of one origin, in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Samples {
    samples: VecDeque<Sample>,
    /// Whether the origin has lost its database, and has committed nothing since. It gets back what
    /// others have of its earlier writes.
    has_lost: bool,
}

/// An origin has committed its writes up to this sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    sequence: u64,
    /// When, milliseconds since the Unix epoch; `None`: it is not known of the writes since the
    /// sample before.
    at_ms: Option<u64>,
}

/// What is known about the time of a write's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitTime {
    /// It was committed at this time by its machine's clock, milliseconds since the Unix epoch.
    At(u64),
    /// It was committed before the first sample of its origin.
    Before,
    /// It was committed while it was not noted.
    Missed,
    /// It was committed after the last sample.
    NotYet,
}

/// The greatest sequence of each origin that was reported to a client.
#[derive(Debug, Default)]
pub struct ReportedUntil(BTreeMap<String, u64>);

impl CommitTimes {
    /// The times of the origin's commits up to this sequence will not be known, as far as they are
    /// not known already.
    pub fn begin(&mut self, origin: &str, sequence: u64) {
        let Samples { samples, has_lost } = self.of_origin(origin);
        let begun = Sample { sequence, at_ms: None };
        match samples.back() {
            // What is known already is reported again after a lost connection.
            Some(last) if last.sequence > sequence => *has_lost = !samples.contains(&begun),
            Some(last) if last.sequence == sequence => {}
            _ => {
                *has_lost = false;
                samples.push_back(begun);
            }
        }
    }

    /// An origin has committed its writes up to this sequence at this time, milliseconds since the
    /// Unix epoch.
    pub fn committed(&mut self, origin: &str, sequence: u64, at_ms: u64) {
        let Samples { samples, has_lost } = self.of_origin(origin);
        let last = samples.back().map_or(0, |last| last.sequence);
        if sequence <= last {
            return;
        }
        if sequence - last > COMMITTED_AT_ONCE_MAX {
            *has_lost = false;
            samples.push_back(Sample {
                sequence: sequence - COMMITTED_AT_ONCE_MAX,
                at_ms: None,
            });
        }
        let at_ms = Some(at_ms).filter(|_| !*has_lost);
        match samples.back_mut() {
            Some(last) if last.at_ms == at_ms && at_ms.is_some() => last.sequence = sequence,
            _ => samples.push_back(Sample { sequence, at_ms }),
        }
        if samples.len() > COMMIT_TIMES_MAX {
            thin(samples);
        }
    }

    /// What is known about the time of a write's commit.
    #[must_use]
    pub fn of(&self, origin: &str, sequence: u64) -> CommitTime {
        let Some(Samples { samples, .. }) = self.0.get(origin) else {
            return CommitTime::NotYet;
        };
        let index = samples.partition_point(|sample| sample.sequence < sequence);
        match samples.get(index).map(|sample| sample.at_ms) {
            Some(Some(at_ms)) => CommitTime::At(at_ms),
            Some(None) if index == 0 => CommitTime::Before,
            Some(None) => CommitTime::Missed,
            None => CommitTime::NotYet,
        }
    }

    /// Everything that was not reported to a client yet.
    pub fn since(&self, reported: &mut ReportedUntil) -> Vec<OriginCommits> {
        let mut all = Vec::new();
        for (origin, Samples { samples, .. }) in &self.0 {
            let from = reported.0.get(origin).map_or(0, |reported| {
                samples.partition_point(|sample| sample.sequence <= *reported)
            });
            let Some(last) = samples.back().filter(|_| from < samples.len()) else {
                continue;
            };
            reported.0.insert(origin.clone(), last.sequence);
            all.push(as_differences(origin, samples.range(from..)));
        }
        all
    }

    /// Adds what another process knows about an origin.
    pub fn add(&mut self, commits: &OriginCommits) {
        let (mut sequence, mut at_ms) = (0_u64, 0_u64);
        for (more, later) in commits.sequences.iter().zip(&commits.at_ms) {
            sequence = sequence.wrapping_add_signed(*more);
            at_ms = at_ms.wrapping_add_signed(*later);
            match at_ms {
                0 => self.begin(&commits.origin, sequence),
                at_ms => self.committed(&commits.origin, sequence, at_ms),
            }
        }
    }

    fn of_origin(&mut self, origin: &str) -> &mut Samples {
        self.0.entry(origin.to_owned()).or_default()
    }
}

/// Joins samples that are close together to one with the earliest of their times, so that no lag
/// becomes smaller, until half of the room is free.
fn thin(samples: &mut VecDeque<Sample>) {
    let apart_ms = (1..u64::BITS).map(|exponent| 1 << exponent);
    for apart_ms in apart_ms {
        if samples.len() <= COMMIT_TIMES_MAX / 2 {
            return;
        }
        let mut joined: VecDeque<Sample> = VecDeque::new();
        for sample in samples.drain(..) {
            match (joined.back_mut(), sample.at_ms) {
                (
                    Some(Sample {
                        sequence,
                        at_ms: Some(first_ms),
                    }),
                    Some(at_ms),
                ) if first_ms.abs_diff(at_ms) <= apart_ms => *sequence = sample.sequence,
                _ => joined.push_back(sample),
            }
        }
        *samples = joined;
    }
}

/// The samples as the control protocol has them.
fn as_differences<'s>(origin: &str, samples: impl Iterator<Item = &'s Sample>) -> OriginCommits {
    let mut commits = OriginCommits {
        origin: origin.to_owned(),
        ..OriginCommits::default()
    };
    let more = |now: u64, before: u64| now.wrapping_sub(before).cast_signed();
    let mut before = (0, 0);
    for sample in samples {
        let now = (sample.sequence, sample.at_ms.unwrap_or(0));
        commits.sequences.push(more(now.0, before.0));
        commits.at_ms.push(more(now.1, before.1));
        before = now;
    }
    commits
}

/// Notes the commits of a region's own writes while there is a listener to arrivals, until it is
/// dropped.
pub(crate) async fn watch(store: Arc<dyn Store>, tap: Tap) {
    let origin = store.origin().clone();
    let mut listened = false;
    loop {
        let (appended, listening) = (store.log_appended().notified(), tap.listening().notified());
        let at_ms = SystemClock.now_ms();
        let listens = tap.has_listeners();
        if listens {
            note(&*store, &origin, &tap, listened.then_some(at_ms));
        }
        listened = listens;
        tokio::select! {
            biased;
            () = appended => {}
            () = listening => {}
        }
    }
}

/// Notes that all writes of the region until now were committed at this time; `None`: it is not
/// known when.
fn note(store: &dyn Store, origin: &Origin, tap: &Tap, at_ms: Option<u64>) {
    let own = store.vectors().values().map(|vector| vector.get(origin)).max();
    let (origin, own) = (origin.to_string(), own.unwrap_or(0));
    let mut times = tap.commit_times().lock();
    match at_ms {
        Some(at_ms) => times.committed(&origin, own, at_ms),
        None => times.begin(&origin, own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(origin: &str) -> CommitTimes {
        let mut times = CommitTimes::default();
        times.begin(origin, 3);
        for (sequence, at_ms) in [(5, 1_000), (5, 1_001), (9, 1_010), (11, 1_010)] {
            times.committed(origin, sequence, at_ms);
        }
        times
    }

    #[test]
    fn writes_have_the_time_of_their_commit() {
        let times = times("a");
        let of = |sequence| times.of("a", sequence);
        assert_eq!(
            [3, 4, 5, 6, 11, 12].map(of),
            [
                CommitTime::Before,
                CommitTime::At(1_000),
                CommitTime::At(1_000),
                CommitTime::At(1_010),
                CommitTime::At(1_010),
                CommitTime::NotYet
            ]
        );
        assert_eq!(times.of("b", 3), CommitTime::NotYet);
    }

    /// Nor have those that a lost database took.
    #[test]
    fn commits_while_no_client_listens_have_no_time() {
        let mut times = times("a");
        times.begin("a", 20);
        times.committed("a", 21, 1_020);
        let first = 1 << 60;
        times.committed("a", first, 9_000);
        let of = |sequence| times.of("a", sequence);
        assert_eq!(
            [11, 12, 20, 21, 22, first].map(of),
            [
                CommitTime::At(1_010),
                CommitTime::Missed,
                CommitTime::Missed,
                CommitTime::At(1_020),
                CommitTime::Missed,
                CommitTime::At(9_000)
            ]
        );
    }

    #[test]
    fn old_times_become_coarser_but_never_later() {
        let mut times = times("a");
        let last = 2 * COMMIT_TIMES_MAX as u64;
        for number in 12..last {
            times.committed("a", number, 2_000 + number);
        }
        assert!(times.0["a"].samples.len() <= COMMIT_TIMES_MAX);
        for number in [12, 77, 5_001, last - 2, last - 1] {
            let CommitTime::At(at_ms) = times.of("a", number) else {
                panic!("{number} has a time")
            };
            let exact = 2_000 + number;
            assert!(at_ms <= exact && at_ms + 8 > exact, "{number}: {at_ms}");
        }
        assert_eq!(times.of("a", 3), CommitTime::Before);
    }

    /// It gets back from others what they have of its writes, long after it committed them.
    #[test]
    fn writes_that_come_back_to_a_new_database_have_no_time() {
        let (mut region, mut drill) = (CommitTimes::default(), times("a"));
        region.begin("a", 0);
        region.committed("a", 13, 5_000);
        let first = 1 << 60;
        region.committed("a", first, 9_000);
        let reported = region.since(&mut ReportedUntil::default());
        reported.iter().for_each(|commits| drill.add(commits));
        assert_eq!(
            [11, 12, 13, first].map(|sequence| drill.of("a", sequence)),
            [
                CommitTime::At(1_010),
                CommitTime::Missed,
                CommitTime::Missed,
                CommitTime::At(9_000)
            ]
        );
        // What is reported again after a lost connection changes nothing.
        let last = first + 1;
        region.committed("a", last, 9_001);
        let reported = region.since(&mut ReportedUntil::default());
        reported.iter().for_each(|commits| drill.add(commits));
        assert_eq!(drill.of("a", last), CommitTime::At(9_001));
    }

    #[test]
    fn a_client_is_told_everything_once() {
        let (mut here, mut there, mut reported) = (times("a"), CommitTimes::default(), ReportedUntil::default());
        let first = here.since(&mut reported);
        assert_eq!(
            (&first[0].sequences, &first[0].at_ms),
            (&vec![3, 2, 6], &vec![0, 1_000, 10])
        );
        first.iter().for_each(|commits| there.add(commits));
        assert_eq!(here.since(&mut reported), []);
        here.committed("a", 12, 1_010);
        here.begin("a", 30);
        here.committed("a", 31, 1_500);
        here.begin("b", 0);
        let more = here.since(&mut reported);
        assert_eq!(more.len(), 2);
        more.iter().for_each(|commits| there.add(commits));
        assert_eq!(there.0, here.0);
    }
}
