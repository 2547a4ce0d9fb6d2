//! Records the events of a run as a player sees them, and turns them into the series of the run.

use std::{collections::BTreeMap, time::Duration};

use beringia_history::FailureCause;
use beringia_oracle::Accounting;
use beringia_scenario::{Action, Objective, Plan};

use crate::{
    BacklogSample, ClientLatency, ConflictCell, Convergence, Divergence, LoadSource, Player, Run, RunIdentity, Samples,
    Shipment, drains, fault_spans,
    faults::disturbances,
    least::least,
    moves::{Moves, MutationTimes, holders},
    outstanding::Outstanding,
    quantiles::{micros, millis},
    recovery::Requests,
    series::{PairSamples, Second, pairs, short_micros},
};

/// The windows in which applied mutations are counted: short enough to show what a region can do
/// while it catches up, and long enough for many commits. A commit of a full batch takes a tenth of
/// a second, and all of it becomes visible at its end: windows of half a second gave rates for one
/// program that differed by half from run to run.
const APPLY_WINDOW: Duration = Duration::from_secs(1);

/// An operation of a client. Times are since the load began.
#[derive(Debug, Clone, Copy)]
pub struct OperationSample<'a> {
    /// The region where the client lives.
    pub home: &'a str,
    /// The region that it was sent to.
    pub asked: &'a str,
    /// When it was due by the workload's rate.
    pub due: Duration,
    /// When the client sent it, since the load began.
    pub sent: Duration,
    /// When it was answered, or the client gave up.
    pub done: Duration,
    /// Why it failed; `None`: the region answered (a refusal that the workload provokes itself
    /// counts as an answer).
    pub failure: Option<FailureCause>,
    /// Whether the answer was such a refusal.
    pub is_rejected: bool,
}

/// A mutation that became visible in another region.
#[derive(Debug, Clone, Copy)]
pub struct ArrivalSample {
    /// The sequence that its region gave it, over all tables.
    pub sequence: u64,
    /// When it was committed, since the load began.
    pub committed: Duration,
    /// The time from its commit until it was visible.
    pub lag: Duration,
    /// The one-way delay of the direct link when it was committed.
    pub one_way: Duration,
}

/// Identifies a convergence that is being recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited(usize);

/// The progress of a region's drain at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainSample {
    /// The region that was closed for writes.
    pub region: String,
    /// When, since the load began.
    pub at: Duration,
    /// Whether every other region is known to have the last write of every table.
    pub is_proven: bool,
    /// The other regions that have the last writes, once no write is in progress.
    pub peers: Vec<String>,
}

/// Records a run while it is played. The oracle's judgement is added at its end
/// ([`Recorder::judged`]).
#[derive(Debug)]
pub struct Recorder {
    pub(crate) run: Run,
    objective: Objective,
    /// By the region where the clients live, the region that they called, and the second.
    seconds: BTreeMap<(usize, usize, u64), Second>,
    requests: Requests,
    /// By the region where the clients live.
    latencies: BTreeMap<usize, Samples>,
    pairs: BTreeMap<(usize, usize), PairSamples>,
    /// By receiver and window, the number of mutations that became visible.
    applied: BTreeMap<(usize, u64), u64>,
    /// By region, the mutations per second that it can apply, if that is known.
    apply_rates: BTreeMap<String, f64>,
    conflicts: BTreeMap<(usize, usize, u64), u64>,
    /// By region, the writes that it acknowledged.
    written: BTreeMap<usize, u64>,
    /// The regions that hold replicas from the beginning to the end, or from when they are added.
    holders: Vec<String>,
    pub(crate) moves: Moves,
    /// The backlog at the beginning of each convergence.
    outstanding: Vec<Outstanding>,
    /// When each drain of the run ends, in milliseconds.
    drained_until_ms: Vec<u64>,
    /// The samples of drains. They are assigned to drains at the end, when the times of the plan
    /// are final.
    drain_samples: Vec<DrainSample>,
    /// The times during which something kept regions apart, in milliseconds.
    disturbances: Vec<(u64, u64)>,
}

impl Recorder {
    /// A recorder for one run of a plan.
    #[must_use]
    pub fn new(plan: &Plan, player: Player) -> Self {
        let scenario = &plan.scenario;
        let (drains, drained_until_ms) = drains::planned(plan).into_iter().unzip();
        let run = Run {
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            player,
            seed: plan.seed,
            replay: String::new(),
            policy: scenario.policy.name().to_owned(),
            regions: scenario.topology.names().map(str::to_owned).collect(),
            clients: LoadSource::default(),
            load_ms: whole_millis(scenario.duration),
            total_ms: whole_millis(scenario.duration),
            faults: fault_spans(plan),
            objective: (&scenario.expect.objective).into(),
            recoveries: Vec::new(),
            seconds: Vec::new(),
            applications: Vec::new(),
            application_recoveries: Vec::new(),
            rerouted: Vec::new(),
            latencies: Vec::new(),
            pairs: Vec::new(),
            divergence: Vec::new(),
            convergences: Vec::new(),
            applied_per_second: BTreeMap::new(),
            writes: Accounting::default(),
            disk_losses: Vec::new(),
            failovers: Vec::new(),
            drains,
            anomalies: Vec::new(),
            conflicts: Vec::new(),
            violations: Vec::new(),
            undecided: 0,
            not_played: Vec::new(),
            notes: Vec::new(),
            verdicts: Vec::new(),
            allowance_ms: 0,
            identity: RunIdentity::of(plan),
        };
        Self {
            run,
            moves: Moves::planned(plan),
            objective: scenario.expect.objective,
            seconds: BTreeMap::new(),
            requests: Requests::default(),
            written: BTreeMap::new(),
            holders: holders(plan),
            latencies: BTreeMap::new(),
            pairs: BTreeMap::new(),
            applied: BTreeMap::new(),
            apply_rates: stated_rates(plan),
            conflicts: BTreeMap::new(),
            outstanding: Vec::new(),
            drained_until_ms,
            drain_samples: Vec::new(),
            disturbances: disturbances(plan),
        }
    }

    /// Records a client's operation; in any order. An unknown region records nothing, here and
    /// below.
    pub fn operation(&mut self, operation: &OperationSample<'_>) {
        let (Some(home), Some(called)) = (self.region(operation.home), self.region(operation.asked)) else {
            return;
        };
        let latency = operation.done.saturating_sub(operation.due);
        let is_served = operation.failure.is_none() && latency <= self.objective.latency_max;
        self.requests.add(home, called, operation.due, is_served);
        let of_second = (home, called, operation.due.as_secs());
        let second = self.seconds.entry(of_second).or_default();
        second.due += 1;
        second.within += u64::from(is_served);
        second.rejected += u64::from(operation.is_rejected);
        if let Some(cause) = operation.failure {
            second.causes.add(cause);
        } else {
            second.latencies_us.push(short_micros(latency));
            self.latencies.entry(home).or_default().add(latency);
        }
        if operation.failure.is_none() && operation.home != operation.asked {
            self.moves.succeeded(operation);
        }
    }

    /// Records writes that a region acknowledged to recorded clients.
    pub fn acknowledged(&mut self, region: &str, writes: u64) {
        if let Some(region) = self.region(region) {
            *self.written.entry(region).or_default() += writes;
        }
    }

    /// Records a mutation of one region, by its sequence, that never became visible in another.
    pub fn never_arrived(&mut self, from: &str, to: &str, sequence: u64, committed: Duration) {
        let (Some(from), Some(to)) = (self.region(from), self.region(to)) else {
            return;
        };
        let times = MutationTimes {
            committed_ms: whole_millis(committed),
            visible_ms: u64::MAX,
        };
        let (origin, receiver) = (&self.run.regions[from], &self.run.regions[to]);
        self.moves.arrived(origin, receiver, sequence, times);
        let pair = self.pairs.entry((from, to)).or_default();
        pair.missing += 1;
        pair.missing_since = Some(pair.missing_since.map_or(committed, |since| since.min(committed)));
    }

    /// Records mutations of one region that became visible in another; in any order, but fastest in
    /// the order of time.
    pub fn arrivals(&mut self, from: &str, to: &str, arrivals: impl IntoIterator<Item = ArrivalSample>) {
        let (Some(from), Some(to)) = (self.region(from), self.region(to)) else {
            return;
        };
        let pair = self.pairs.entry((from, to)).or_default();
        // Many become visible at once, and are counted together.
        let (mut now, mut at_once) = (0, 0);
        for arrival in arrivals {
            let visible = arrival.committed + arrival.lag;
            let times = MutationTimes {
                committed_ms: whole_millis(arrival.committed),
                visible_ms: whole_millis(visible),
            };
            let (origin, receiver) = (&self.run.regions[from], &self.run.regions[to]);
            self.moves.arrived(origin, receiver, arrival.sequence, times);
            pair.lag.add(arrival.lag);
            pair.excess.add(arrival.lag.saturating_sub(arrival.one_way));
            let second = pair.by_second.entry(arrival.committed.as_secs()).or_default();
            second.push(short_micros(arrival.lag));
            if window(visible) != now {
                applied(&mut self.applied, (to, now), at_once);
                (now, at_once) = (window(visible), 0);
            }
            at_once += 1;
            for outstanding in &mut self.outstanding {
                outstanding.arrived((from, to), arrival.committed, visible);
            }
        }
        applied(&mut self.applied, (to, now), at_once);
    }

    /// Records the writes of a region that another had not acknowledged at a time; in the order of
    /// time.
    pub fn backlog(&mut self, from: &str, to: &str, sample: BacklogSample) {
        let (Some(from), Some(to)) = (self.region(from), self.region(to)) else {
            return;
        };
        let backlog = &mut self.pairs.entry((from, to)).or_default().backlog;
        let same = |one: &BacklogSample| one.mutations == sample.mutations && one.bytes == sample.bytes;
        keep_corners(backlog, sample, same, |kept| kept.at_ms = sample.at_ms);
    }

    /// Records how many keys (or ranges) differed at a time; in the order of time.
    pub fn divergence(&mut self, at: Duration, keys: u64) {
        let at_ms = whole_millis(at);
        let sample = Divergence { at_ms, keys };
        keep_corners(
            &mut self.run.divergence,
            sample,
            |one| one.keys == keys,
            |kept| kept.at_ms = at_ms,
        );
    }

    /// Adds bytes that were sent over the wire from one region to another.
    pub fn wire_bytes(&mut self, from: &str, to: &str, bytes: u64) {
        if let (Some(from), Some(to)) = (self.region(from), self.region(to)) {
            self.pairs.entry((from, to)).or_default().wire_bytes += bytes;
        }
    }

    /// Records a conflict once, however many regions journalled it. `at` is when the losing write
    /// was committed.
    pub fn conflict(&mut self, winner: &str, loser: &str, at: Duration) {
        if let (Some(winner), Some(loser)) = (self.region(winner), self.region(loser)) {
            *self.conflicts.entry((winner, loser, at.as_secs())).or_default() += 1;
        }
    }

    /// Replaces the times of the timeline: an event that waits for the proof of a drain happened
    /// then, or did not happen. Must be called before the history is recorded.
    pub fn rescheduled(&mut self, plan: &Plan) {
        (self.run.drains, self.drained_until_ms) = drains::planned(plan).into_iter().unzip();
        self.run.faults = fault_spans(plan);
        self.moves.rescheduled(plan);
        self.disturbances = disturbances(plan);
    }

    /// Records the events that did not happen before the load ended, because the proof of a drain
    /// came too late or not at all.
    pub fn not_played(&mut self, what: &[&Action]) {
        self.run.not_played.extend(what.iter().map(ToString::to_string));
    }

    /// Records an event that did not happen because no region accepted it, in words.
    pub fn not_accepted(&mut self, what: String) {
        self.run.not_played.push(what);
    }

    /// Records the progress of a region's drain. During the run, the plan has only the earliest
    /// times of events that wait for a proof, including the end of the drain itself; so samples are
    /// assigned to drains at the end.
    pub fn drain(&mut self, sample: DrainSample) {
        self.drain_samples.push(sample);
    }

    /// Sets how many mutations each region can apply in a second, for the bounds of convergences.
    /// The rate is that of another run ([`Run::applied_per_second`]): with that of this one, a
    /// region that applies slowly would be judged by its own slowness.
    pub fn can_apply(&mut self, per_second: BTreeMap<String, f64>) {
        self.apply_rates = per_second;
    }

    /// Sets who used the regions, if not only the scenario's clients.
    pub fn used_by(&mut self, clients: LoadSource) {
        self.run.clients = clients;
    }

    /// Adds a note that a reader needs to understand the numbers.
    pub fn note(&mut self, what: String) {
        if !self.run.notes.contains(&what) {
            self.run.notes.push(what);
        }
    }

    /// Begins a convergence. `links` has every ordered pair of regions, with the mutations that the
    /// second has not acknowledged to the first. The backlog of the second is known from what
    /// arrives later.
    pub fn must_converge(&mut self, after: &str, from: Duration, links: Vec<Shipment>) -> Awaited {
        self.run.convergences.push(Convergence {
            after: after.to_owned(),
            from_ms: whole_millis(from),
            elapsed_ms: None,
            bound_ms: 0.0,
            disturbed_after_ms: None,
            is_late: false,
        });
        self.outstanding.push(Outstanding::new(from, links));
        debug_assert_eq!(
            self.outstanding.len(),
            self.run.convergences.len(),
            "each convergence has its missing mutations"
        );
        Awaited(self.outstanding.len() - 1)
    }

    /// Ends a convergence: the regions are equal. Only the first call counts.
    pub fn converged(&mut self, awaited: Awaited, at: Duration) {
        let entry = self
            .run
            .convergences
            .get_mut(awaited.0)
            .zip(self.outstanding.get(awaited.0));
        if let Some((convergence, outstanding)) = entry {
            // Rounded up, so that it is never less than the bound.
            let elapsed = at.saturating_sub(outstanding.at);
            let elapsed_ms = u64::try_from(elapsed.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
            convergence.elapsed_ms.get_or_insert(elapsed_ms);
        }
    }

    /// The run with all series. `total` is the time until the regions had converged, or the player
    /// gave up.
    #[must_use]
    pub fn finish(mut self, total: Duration, replay: &str) -> Run {
        for sample in &self.drain_samples {
            drains::seen(&mut self.run.drains, &self.drained_until_ms, sample);
        }
        self.run.applied_per_second = self.seen_to_apply();
        let rates = &self.apply_rates;
        let wire = |pair: (usize, usize)| {
            let pair = self.pairs.get(&pair)?;
            (pair.wire_bytes > 0).then(|| (pair.wire_bytes, pair.lag.count()))
        };
        let names = &self.run.regions;
        let bound = |outstanding: &Outstanding| least(outstanding, names, rates, wire);
        let bounds: Vec<Duration> = self.outstanding.iter().map(bound).collect();
        for (convergence, bound) in self.run.convergences.iter_mut().zip(bounds) {
            convergence.bound_ms = millis(micros(bound));
            let until_ms = convergence.elapsed_ms.map_or(u64::MAX, |ms| convergence.from_ms + ms);
            let meanwhile = |(from, until): &&(u64, u64)| *until > convergence.from_ms && *from < until_ms;
            let disturbing = self.disturbances.iter().filter(meanwhile);
            let since_ms = disturbing.map(|(from, _)| from.saturating_sub(convergence.from_ms));
            convergence.disturbed_after_ms = since_ms.min();
        }
        let regions = &self.run.regions;
        let name = |index: usize| regions.get(index).cloned().unwrap_or_default();
        self.run.seconds = std::mem::take(&mut self.seconds)
            .into_iter()
            .map(|((region, called, second), samples)| samples.point(name(region), name(called), second))
            .collect();
        let latency = |(region, samples): (&usize, &Samples)| ClientLatency {
            region: name(*region),
            latency_ms: samples.quantiles_ms(),
        };
        self.run.latencies = self.latencies.iter().map(latency).collect();
        self.run.pairs = pairs(regions, std::mem::take(&mut self.pairs), total);
        for pair in &mut self.run.pairs {
            let from = regions.iter().position(|region| *region == pair.from);
            let written = from.and_then(|from| self.written.get(&from));
            pair.due = written
                .copied()
                .filter(|_| self.holders.contains(&pair.to))
                .unwrap_or(0);
        }
        self.run.conflicts = self
            .conflicts
            .iter()
            .map(|((winner, loser, second), count)| ConflictCell {
                winner: name(*winner),
                loser: name(*loser),
                second: *second,
                count: *count,
            })
            .collect();
        self.run.total_ms = whole_millis(total);
        let end = Duration::from_millis(self.run.load_ms);
        let (homes, recoveries) = self.requests.finish(&self.run.regions, &self.objective, end);
        self.run.recoveries = recoveries;
        let served_from_ms = |region: &str, ms| homes.get(region).and_then(|success| success.served_from_ms(ms));
        self.run.failovers = self.moves.finish(&self.run, served_from_ms);
        self.run.replay = replay.to_owned();
        self.run
    }

    /// By region, the most mutations per second that it was seen to apply in a window.
    fn seen_to_apply(&self) -> BTreeMap<String, f64> {
        let mut rates: BTreeMap<String, f64> = BTreeMap::new();
        for ((region, _), count) in &self.applied {
            let Some(name) = self.run.regions.get(*region) else {
                continue;
            };
            let rate = rates.entry(name.clone()).or_default();
            *rate = rate.max(*count as f64 / APPLY_WINDOW.as_secs_f64());
        }
        rates
    }

    fn region(&self, name: &str) -> Option<usize> {
        self.run.regions.iter().position(|region| region == name)
    }
}

/// The apply rate that the scenario states, for every region.
fn stated_rates(plan: &Plan) -> BTreeMap<String, f64> {
    let names = plan.scenario.topology.names();
    let stated = |name: &str| Some((name.to_owned(), plan.scenario.expect.applied_per_second?));
    names.filter_map(stated).collect()
}

/// Adds a sample to a series, and drops the middle one of three equal samples.
fn keep_corners<T>(series: &mut Vec<T>, sample: T, same: impl Fn(&T) -> bool, move_last: impl FnOnce(&mut T)) {
    if let [.., before, last] = series.as_mut_slice()
        && same(before)
        && same(last)
    {
        move_last(last);
    } else {
        series.push(sample);
    }
}

/// Counts mutations that became visible in a region in a window.
fn applied(applied: &mut BTreeMap<(usize, u64), u64>, place: (usize, u64), mutations: u64) {
    if mutations > 0 {
        *applied.entry(place).or_default() += mutations;
    }
}

fn window(time: Duration) -> u64 {
    micros(time) / micros(APPLY_WINDOW)
}

pub(crate) fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
