//! Measures the lag of writes that arrive in other regions, from when the machine of their origin
//! committed them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use beringia_host::{
    arrival_groups::{ArrivedWrite, arrived_writes},
    commit_times::{CommitTime, CommitTimes},
    units::mbit,
};
use beringia_item::Version;
use beringia_proto::v1::{ArrivalGroup, ControlArrivals, LinkReport};
use beringia_report::{ArrivalSample, Recorder};

use crate::{
    machine_clocks::{MachineClocks, RoundTrip},
    seen_writes::SeenWrites,
};

/// The state by which arrivals are measured.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// When the drill began, by the wall clock, milliseconds since the Unix epoch.
    began_ms: u64,
    /// The links, by origin and receiver.
    links: BTreeMap<(String, String), Link>,
    /// How far each region's clock is ahead of its machine's, in milliseconds.
    ahead_ms: BTreeMap<String, i64>,
    /// The clocks of the control services' machines.
    machines: MachineClocks,
    /// By region, the number of its control service.
    services: BTreeMap<String, usize>,
    /// When origins committed their writes, by the clocks of their machines.
    times: CommitTimes,
    /// By origin, the arrivals of writes whose time of commit may still be told.
    waiting: BTreeMap<String, Vec<WaitingArrival>>,
    seen: Seen,
    /// All writes that arrived, by whichever way.
    arrived: SeenWrites,
    /// The receivers that got rows by a copy or a repair, which stand for earlier writes, too.
    copied: BTreeSet<String>,
    /// The control services that did not report all arrivals.
    unsure: BTreeSet<usize>,
    missed_commits: u64,
    /// The arrivals that were measured from hybrid times.
    by_hybrid_time: u64,
}

/// The current delay and bandwidth of a link.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Link {
    pub(super) one_way: Duration,
    pub(super) bandwidth_mbit: Option<f64>,
}

/// A write that arrived, with the state of link and clocks then.
#[derive(Debug)]
struct WaitingArrival {
    receiver: Arc<str>,
    write: ArrivedWrite,
    /// When it became visible, by the drill's clock.
    visible_ms: u64,
    /// When its hybrid time says that it was committed, by the drill's clock.
    hybrid_ms: u64,
    one_way: Duration,
}

/// By receiver, table id and origin, the sequence up to which writes have arrived through a log,
/// which has them in order. A write that arrives again, in a region that lost its disk, was
/// measured before.
#[derive(Debug, Default)]
struct Seen(BTreeMap<(String, String, String), u64>);

impl Seen {
    /// A function that says, for each write of a group in order, whether it arrives for the first
    /// time.
    fn is_first(&mut self, group: &ArrivalGroup) -> impl FnMut(u64) -> bool {
        let kind = (group.region.clone(), group.table_id.clone(), group.origin.clone());
        let (until, by_log) = (self.0.entry(kind).or_default(), group.by_log);
        move |sequence| {
            let is_first = sequence > *until;
            if is_first && by_log {
                *until = sequence;
            }
            is_first
        }
    }
}

impl Arrivals {
    /// The arrivals of a drill that began at this time, milliseconds since the Unix epoch.
    pub(super) fn since(began_ms: u64) -> Self {
        Self {
            began_ms,
            ..Self::default()
        }
    }

    /// Sets the delay and bandwidth of links from now on.
    pub(super) fn links_changed(&mut self, links: &[LinkReport]) {
        for link in links {
            let state = Link {
                one_way: Duration::from_micros(link.delay_us),
                bandwidth_mbit: mbit(link.bandwidth_bits),
            };
            self.links.insert((link.from.clone(), link.to.clone()), state);
        }
    }

    /// Sets how far a region's clock is ahead of its machine's from now on, in milliseconds.
    pub(super) fn clock_changed(&mut self, region: String, ahead_ms: i64) {
        self.ahead_ms.insert(region, ahead_ms);
    }

    pub(super) fn link(&self, from: &str, to: &str) -> Link {
        let pair = (from.to_owned(), to.to_owned());
        self.links.get(&pair).copied().unwrap_or_default()
    }

    /// When a region committed its write with this sequence, by the drill's clock, milliseconds
    /// since the Unix epoch: by the clock of the region's machine or, if it did not say when, by
    /// the hybrid time of the write.
    pub(super) fn committed_ms(&self, region: &str, sequence: u64, hybrid_ms: u64) -> u64 {
        match self.times.of(region, sequence) {
            CommitTime::At(at_ms) => at_ms.saturating_add_signed(-self.machine_ahead_ms(region)),
            CommitTime::Before | CommitTime::Missed | CommitTime::NotYet => self.right_ms(region, hybrid_ms),
        }
    }

    /// When a write was committed, since the drill began; `None` if it was before.
    pub(super) fn committed(&self, version: &Version) -> Option<Duration> {
        let origin = version.origin.to_string();
        let time = self.times.of(&origin, version.sequence);
        let committed_ms = self.committed_ms(&origin, version.sequence, version.time.millis());
        let since_ms = committed_ms.checked_sub(self.began_ms)?;
        (time != CommitTime::Before).then_some(Duration::from_millis(since_ms))
    }

    /// Whether a write of an origin was seen to arrive in a region.
    pub(super) fn was_seen(&self, receiver: &str, origin: &str, sequence: u64) -> bool {
        self.arrived.contains(receiver, origin, sequence)
    }

    /// Whether every write that arrived in a region was reported, so that one that was not seen did
    /// not arrive.
    pub(super) fn all_are_reported(&self, receiver: &str) -> bool {
        let service = self.services.get(receiver);
        !self.copied.contains(receiver) && service.is_some_and(|service| !self.unsure.contains(service))
    }

    /// A control service went away: what arrived meanwhile is not known.
    pub(super) fn interrupted(&mut self, service: usize) {
        self.unsure.insert(service);
    }

    /// Converts a time of a region's clock to one of the drill's clock.
    fn right_ms(&self, region: &str, shown_ms: u64) -> u64 {
        let ahead_ms = self.ahead_ms.get(region).copied().unwrap_or(0);
        shown_ms.saturating_add_signed(-(ahead_ms + self.machine_ahead_ms(region)))
    }

    /// How far the clock of a region's machine is ahead of the drill's, in milliseconds.
    fn machine_ahead_ms(&self, region: &str) -> i64 {
        let service = self.services.get(region);
        service.map_or(0, |service| self.machines.ahead_ms(*service))
    }

    /// The number of commits whose arrivals the control services could not report.
    pub(super) fn missed_commits(&self) -> u64 {
        self.missed_commits
    }

    /// Learns from the answer of a control service how far its machine's clock is ahead.
    pub(super) fn answered(&mut self, service: usize, trip: RoundTrip) {
        self.machines.learn(service, trip);
    }

    /// Measures the arrivals in a message of a control service. Those of writes whose origin's
    /// commits are told by another one wait for that.
    pub(super) fn heard(&mut self, service: usize, message: &ControlArrivals, recorder: &mut Recorder) {
        self.missed_commits += message.missed_commits;
        if message.missed_commits > 0 {
            self.unsure.insert(service);
        }
        for commits in &message.commits {
            self.services.insert(commits.origin.clone(), service);
            let waiting = self.waiting.remove(&commits.origin).unwrap_or_default();
            self.times.add(commits);
            self.measure(&commits.origin, waiting, recorder);
        }
        for group in &message.groups {
            self.services.insert(group.region.clone(), service);
            let arrived = self.arrived(group);
            self.measure(&group.origin, arrived, recorder);
        }
    }

    /// Measures everything that still waits, from hybrid times. Returns notes on how times were
    /// measured.
    pub(super) fn finish(&mut self, recorder: &mut Recorder) -> Vec<String> {
        for (origin, waiting) in std::mem::take(&mut self.waiting) {
            for arrival in waiting {
                self.by_hybrid_time += 1;
                let sample = sample(&arrival, arrival.hybrid_ms, self.began_ms);
                recorder.arrivals(&origin, &arrival.receiver, sample);
            }
        }
        let mut notes = Vec::new();
        if self.by_hybrid_time > 0 {
            notes.push(format!(
                "the lag of {} arrivals is counted from their hybrid times, since the drill did not learn when their \
                 origins had committed them: where a clock is ahead of others it may appear too small",
                self.by_hybrid_time
            ));
        }
        notes.extend(self.machines.different().map(|(service, ahead_ms, wrong)| {
            let regions = self.services.iter().filter(|(_, number)| **number == service);
            let regions: Vec<&str> = regions.map(|(region, _)| region.as_str()).collect();
            format!(
                "the clock of the machine of {} is {} ms {} the drill's, give or take {} ms: times were corrected by \
                 that",
                regions.join(", "),
                ahead_ms.unsigned_abs(),
                if ahead_ms > 0 { "ahead of" } else { "behind" },
                wrong.as_millis()
            )
        }));
        notes
    }

    /// The writes of a group that arrive for the first time.
    fn arrived(&mut self, group: &ArrivalGroup) -> Vec<WaitingArrival> {
        let one_way = self.link(&group.origin, &group.region).one_way;
        let machine_ahead_ms = self.machine_ahead_ms(&group.region);
        let receiver: Arc<str> = group.region.as_str().into();
        if !group.by_log {
            self.copied.insert(group.region.clone());
        }
        for write in arrived_writes(group) {
            self.arrived.add(&group.region, &group.origin, write.sequence);
        }
        let is_first = {
            let mut is_first = self.seen.is_first(group);
            arrived_writes(group)
                .filter(move |write| is_first(write.sequence))
                .collect::<Vec<_>>()
        };
        let waiting = is_first.into_iter().map(|write| WaitingArrival {
            receiver: Arc::clone(&receiver),
            visible_ms: write.visible_ms.saturating_add_signed(-machine_ahead_ms),
            hybrid_ms: self.right_ms(&group.origin, write.committed_ms),
            write,
            one_way,
        });
        waiting.collect()
    }

    /// Measures the arrivals of an origin's writes whose time of commit is known; the others wait.
    fn measure(&mut self, origin: &str, arrived: Vec<WaitingArrival>, recorder: &mut Recorder) {
        let ahead_ms = self.machine_ahead_ms(origin);
        let mut samples: BTreeMap<Arc<str>, Vec<ArrivalSample>> = BTreeMap::new();
        for arrival in arrived {
            let committed_ms = match self.times.of(origin, arrival.write.sequence) {
                CommitTime::At(at_ms) => at_ms.saturating_add_signed(-ahead_ms),
                // It was committed before the drill began.
                CommitTime::Before => continue,
                CommitTime::Missed => {
                    self.by_hybrid_time += 1;
                    arrival.hybrid_ms
                }
                CommitTime::NotYet => {
                    self.waiting.entry(origin.to_owned()).or_default().push(arrival);
                    continue;
                }
            };
            let of_receiver = samples.entry(Arc::clone(&arrival.receiver)).or_default();
            of_receiver.extend(sample(&arrival, committed_ms, self.began_ms));
        }
        for (receiver, samples) in samples {
            recorder.arrivals(origin, &receiver, samples);
        }
    }
}

/// The measurement of an arrival; `None` for a write from before the drill. Times are milliseconds
/// since the Unix epoch, by the drill's clock.
fn sample(arrival: &WaitingArrival, committed_ms: u64, began_ms: u64) -> Option<ArrivalSample> {
    Some(ArrivalSample {
        sequence: arrival.write.sequence,
        committed: Duration::from_millis(committed_ms.checked_sub(began_ms)?),
        lag: Duration::from_millis(arrival.visible_ms.saturating_sub(committed_ms)),
        one_way: arrival.one_way,
    })
}

#[cfg(test)]
mod tests {
    use beringia_host::arrival_groups::{Commit, CommittedWrite, Gathered, WriteRun};
    use beringia_item::{Origin, Region, TableId};
    use beringia_proto::v1::OriginCommits;
    use beringia_report::{Pair, Player, Run};
    use beringia_scenario::{Plan, Scenario};

    use super::*;

    const BEGAN_MS: u64 = 1_000_000;
    /// The numbers of the control services of the origin and the receiver.
    const ORIGIN: usize = 0;
    const RECEIVER: usize = 1;

    /// A drill that measures writes from one region to another, which are processes of their own.
    struct Measured {
        arrivals: Arrivals,
        recorder: Recorder,
        from: Region,
        to: Region,
    }

    impl Measured {
        /// The origin has told that it begins after sequence 0.
        fn new() -> Self {
            let plan = Plan::draw(&Scenario::shipped("partition").unwrap(), 1);
            let mut names = plan.scenario.topology.names().map(|name| Region::new(name).unwrap());
            let (from, to) = (names.next().unwrap(), names.next().unwrap());
            let mut measured = Self {
                arrivals: Arrivals::since(BEGAN_MS),
                recorder: Recorder::new(&plan, Player::Containers),
                from,
                to,
            };
            measured.commits(&[(0, 0)]);
            measured
        }

        /// The origin tells when it committed its writes up to these sequences, by its machine's
        /// clock.
        fn commits(&mut self, samples: &[(i64, i64)]) {
            let mut before = (0, 0);
            let mut commits = OriginCommits {
                origin: self.from.to_string(),
                ..OriginCommits::default()
            };
            for sample in samples {
                commits.sequences.push(sample.0 - before.0);
                commits.at_ms.push(sample.1 - before.1);
                before = *sample;
            }
            let message = ControlArrivals {
                commits: vec![commits],
                ..ControlArrivals::default()
            };
            self.arrivals.heard(ORIGIN, &message, &mut self.recorder);
        }

        /// A write arrives, at this time by the receiver's machine.
        fn arrives(&mut self, sequence: u64, hybrid_ms: u64, visible_ms: u64) {
            let mut gathered = Gathered::default();
            gathered.add(&Commit {
                region: self.to.clone(),
                visible_ms,
                runs: vec![WriteRun {
                    table: TableId(7),
                    origin: Origin::of_only_shard(&self.from),
                    by_log: true,
                    writes: vec![CommittedWrite {
                        sequence,
                        committed_ms: hybrid_ms,
                    }],
                }],
            });
            let message = ControlArrivals {
                groups: gathered.into_groups(),
                missed_commits: 1,
                ..ControlArrivals::default()
            };
            self.arrivals.heard(RECEIVER, &message, &mut self.recorder);
        }

        fn finish(mut self) -> (Run, Vec<String>) {
            let notes = self.arrivals.finish(&mut self.recorder);
            (self.recorder.finish(Duration::from_secs(20), ""), notes)
        }
    }

    /// The pair of regions with arrivals.
    fn pair(run: &Run) -> &Pair {
        run.pairs.iter().find(|pair| pair.mutations > 0).unwrap()
    }

    /// The hybrid clock of the origin follows one that is 400 ms ahead.
    #[test]
    fn lag_does_not_shrink_under_a_fast_clock() {
        let mut measured = Measured::new();
        measured.commits(&[(1, 1_000_500), (2, 1_001_000)]);
        measured.arrives(1, 1_000_900, 1_000_540);
        measured.arrives(2, 1_001_400, 1_001_045);
        assert_eq!(measured.arrivals.missed_commits(), 2);
        let (run, notes) = measured.finish();
        let lag = pair(&run).lag_ms;
        assert_eq!((lag.count, lag.min, lag.max), (2, 40.0, 45.0));
        assert!(pair(&run).lag.iter().all(|point| point.second <= 1), "{run:?}");
        assert_eq!(notes, Vec::<String>::new());
    }

    /// The hybrid clock of the origin follows one that is 400 ms ahead; the drill knows nothing of
    /// that.
    #[test]
    fn the_age_of_a_backlog_is_by_the_clocks_of_machines() {
        let mut measured = Measured::new();
        measured.commits(&[(1, 1_000_500), (4, 1_001_000)]);
        let from = measured.from.to_string();
        let committed_ms = |sequence| measured.arrivals.committed_ms(&from, sequence, 1_001_400);
        assert_eq!((committed_ms(1), committed_ms(2)), (1_000_500, 1_001_000));
        assert_eq!(committed_ms(5), 1_001_400, "nobody said when");
    }

    /// A write may arrive before the drill hears of its commit.
    #[test]
    fn arrivals_wait_for_the_time_of_their_commit() {
        let mut measured = Measured::new();
        measured.arrives(1, 1_009_000, 1_000_540);
        measured.arrives(2, 1_009_000, 1_000_560);
        measured.commits(&[(1, 1_000_500)]);
        measured.commits(&[(3, 1_000_505)]);
        let (run, notes) = measured.finish();
        let lag = pair(&run).lag_ms;
        assert_eq!((lag.count, lag.min, lag.max), (2, 40.0, 55.0));
        assert_eq!(notes, Vec::<String>::new());
    }

    /// The origin went away before it told, or was away when it committed them.
    #[test]
    fn writes_without_a_time_are_measured_by_hybrid_time() {
        let mut measured = Measured::new();
        measured.commits(&[(1, 1_000_500), (3, 0)]);
        let from = measured.from.to_string();
        measured.arrivals.clock_changed(from, 200);
        measured.arrives(2, 1_000_800, 1_000_630);
        measured.arrives(4, 1_000_900, 1_000_740);
        let (run, notes) = measured.finish();
        let lag = pair(&run).lag_ms;
        assert_eq!((lag.count, lag.min, lag.max), (2, 30.0, 40.0));
        assert!(
            notes[0].starts_with("the lag of 2 arrivals is counted from their hybrid times"),
            "{notes:?}"
        );
    }

    #[test]
    fn writes_from_before_the_drill_have_no_lag() {
        let mut measured = Measured::new();
        measured.commits(&[(1, 999_000), (2, 1_000_000)]);
        measured.arrives(1, 1_009_000, 1_009_000);
        measured.arrives(2, 999_000, 1_000_010);
        let (run, _) = measured.finish();
        assert_eq!((pair(&run).mutations, pair(&run).lag_ms.max), (1, 10.0));
    }

    /// The origin's machine is two seconds ahead of the drill's, the receiver's three behind.
    #[test]
    fn times_of_different_machines_are_corrected() {
        let mut measured = Measured::new();
        for (service, answered_ms) in [(ORIGIN, 3_002_002), (RECEIVER, 2_997_002)] {
            let trip = RoundTrip {
                sent_ms: 3_000_000,
                took: Duration::from_millis(4),
                answered_ms,
            };
            measured.arrivals.answered(service, trip);
        }
        // The drill learns where the receiver is.
        measured.commits(&[(1, 1_002_100), (2, 1_002_600)]);
        measured.arrives(1, 1_002_100, 997_150);
        measured.arrives(2, 1_002_600, 997_660);
        let (from, to) = (measured.from.clone(), measured.to.clone());
        let (run, notes) = measured.finish();
        let lag = pair(&run).lag_ms;
        assert_eq!((lag.count, lag.min, lag.max), (2, 50.0, 60.0));
        let differs = |region: &Region, by: &str| {
            format!(
                "the clock of the machine of {region} is {by} the drill's, give or take 4 ms: times were corrected by \
                 that"
            )
        };
        assert_eq!(
            notes,
            [differs(&from, "2000 ms ahead of"), differs(&to, "3000 ms behind")]
        );
    }

    #[test]
    fn measures_a_write_once_after_a_lost_disk() {
        let mut seen = Seen::default();
        let mut first = |region: &str, by_log, sequences: &[u64]| -> Vec<bool> {
            let group = ArrivalGroup {
                region: region.to_owned(),
                origin: "a".to_owned(),
                table_id: "t".to_owned(),
                by_log,
                ..ArrivalGroup::default()
            };
            let is_first = seen.is_first(&group);
            sequences.iter().copied().map(is_first).collect()
        };
        assert_eq!(first("b", true, &[1, 3]), [true, true]);
        assert_eq!(first("c", true, &[2]), [true]);
        // Rows of a copy are not in order: the newest may arrive before others that this region
        // never had.
        assert_eq!(first("b", false, &[3, 9]), [false, true], "rows of a copy");
        assert_eq!(first("b", true, &[2, 5, 5]), [false, true, false], "the log after it");
    }
}
