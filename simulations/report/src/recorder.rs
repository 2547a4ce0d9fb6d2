//! Turns what a player sees, one thing at a time, into the series of a run.

use std::{collections::BTreeMap, time::Duration};

use beringia_oracle::Accounting;
use beringia_scenario::{Action, Plan};

use crate::{
    Backlog, ClientLatency, Clients, ConflictCell, Convergence, Divergence, Failover, LagPoint, Pair, Player,
    RegionSecond, Run, Samples, Shipment, drains, fault_spans,
    faults::disturbances,
    lacking::Lacking,
    least::least,
    quantiles::{exact, micros, millis},
};

/// Windows in which applied mutations are counted: short enough to show what a region can do while it catches up, and long enough for many
/// commits. One of a full batch takes a tenth of a second, and all of it becomes visible at its end: half a second gave rates for one program
/// that differed by half from run to run.
const APPLY_WINDOW: Duration = Duration::from_secs(1);

/// An operation of a client. Times are since the load began.
#[derive(Debug, Clone, Copy)]
pub struct OperationSample<'a> {
    /// The region where the client lives.
    pub home: &'a str,
    /// The region that it asked.
    pub asked: &'a str,
    /// When the rate wanted it.
    pub due: Duration,
    /// When it was sent.
    pub sent: Duration,
    /// When it was answered, or given up.
    pub done: Duration,
    /// Whether the region answered (also with a refusal that the workload provokes itself).
    pub answered: bool,
}

/// A mutation that became visible in another region.
#[derive(Debug, Clone, Copy)]
pub struct ArrivalSample {
    /// When it was committed, since the load began.
    pub committed: Duration,
    /// From then to visible.
    pub lag: Duration,
    /// What the direct link's delay was, one way, when it was committed.
    pub one_way: Duration,
}

/// A moment from which regions have to become equal, and when they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited(usize);

/// How far a region's drain was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainSample {
    /// The region that was closed for writes.
    pub region: String,
    /// When, since the load began.
    pub at: Duration,
    /// Whether every other region is known to have the last write of every table.
    pub is_proven: bool,
    /// The other regions that have, while no write is under way.
    pub peers: Vec<String>,
}

/// Records a run while it goes on. What nobody feeds (writes, disk losses, anomalies, violations) the player sets in the [`Run`].
#[derive(Debug)]
pub struct Recorder {
    run: Run,
    seconds: BTreeMap<(usize, u64), Second>,
    /// By the region where the clients live.
    latencies: BTreeMap<usize, Samples>,
    pairs: BTreeMap<(usize, usize), PairSamples>,
    /// By receiver and window: mutations that became visible.
    applied: BTreeMap<(usize, u64), u64>,
    conflicts: BTreeMap<(usize, usize, u64), u64>,
    /// For each convergence of the run.
    lacking: Vec<Lacking>,
    /// Of each drain of the run, until when it lasts.
    drained_until_ms: Vec<u64>,
    /// What was seen of drains. Which one was meant is certain when the times of the plan are.
    drain_samples: Vec<DrainSample>,
    /// From when to when something kept regions apart.
    disturbances: Vec<(u64, u64)>,
}

/// What was due in a second in a region.
#[derive(Debug, Default)]
struct Second {
    due: u64,
    failed: u64,
    /// Microseconds.
    latencies_us: Vec<u32>,
}

#[derive(Debug, Default)]
struct PairSamples {
    lag: Samples,
    excess: Samples,
    /// By second of the commit, microseconds.
    by_second: BTreeMap<u64, Vec<u32>>,
    backlog: Vec<Backlog>,
    wire_bytes: u64,
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
            clients: Clients::default(),
            load_ms: whole_millis(scenario.duration),
            total_ms: whole_millis(scenario.duration),
            faults: fault_spans(plan),
            seconds: Vec::new(),
            latencies: Vec::new(),
            pairs: Vec::new(),
            divergence: Vec::new(),
            convergences: Vec::new(),
            writes: Accounting::default(),
            disk_losses: Vec::new(),
            failovers: failovers(plan),
            drains,
            anomalies: Vec::new(),
            conflicts: Vec::new(),
            violations: Vec::new(),
            not_played: Vec::new(),
            notes: Vec::new(),
            verdicts: Vec::new(),
        };
        Self {
            run,
            seconds: BTreeMap::new(),
            latencies: BTreeMap::new(),
            pairs: BTreeMap::new(),
            applied: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            lacking: Vec::new(),
            drained_until_ms,
            drain_samples: Vec::new(),
            disturbances: disturbances(plan),
        }
    }

    /// A client's operation; in any order. Of a region that the plan does not know nothing is recorded, here and below.
    pub fn operation(&mut self, operation: &OperationSample<'_>) {
        let Some(home) = self.region(operation.home) else {
            return;
        };
        let second = self.seconds.entry((home, operation.due.as_secs())).or_default();
        second.due += 1;
        if operation.answered {
            let latency = operation.done.saturating_sub(operation.due);
            second.latencies_us.push(short_micros(latency));
            self.latencies.entry(home).or_default().add(latency);
        } else {
            second.failed += 1;
        }
        if operation.answered && operation.home != operation.asked {
            let done_ms = whole_millis(operation.done);
            let sent_ms = whole_millis(operation.sent);
            for failover in &mut self.run.failovers {
                let moved = failover.from == operation.home && failover.to == operation.asked;
                if moved && sent_ms >= failover.shifted_ms {
                    let first = failover.first_success_ms.get_or_insert(done_ms);
                    *first = (*first).min(done_ms);
                }
            }
        }
    }

    /// Mutations of one region became visible in another; in any order, but quickest in the order of time.
    pub fn arrivals(&mut self, from: &str, to: &str, arrivals: impl IntoIterator<Item = ArrivalSample>) {
        let (Some(from), Some(to)) = (self.region(from), self.region(to)) else {
            return;
        };
        let pair = self.pairs.entry((from, to)).or_default();
        // Many become visible at once: they are counted together.
        let (mut now, mut at_once) = (0, 0);
        for arrival in arrivals {
            pair.lag.add(arrival.lag);
            pair.excess.add(arrival.lag.saturating_sub(arrival.one_way));
            let second = pair.by_second.entry(arrival.committed.as_secs()).or_default();
            second.push(short_micros(arrival.lag));
            let visible = arrival.committed + arrival.lag;
            if window(visible) != now {
                applied(&mut self.applied, (to, now), at_once);
                (now, at_once) = (window(visible), 0);
            }
            at_once += 1;
            for lacking in &mut self.lacking {
                lacking.arrived((from, to), arrival.committed, visible);
            }
        }
        applied(&mut self.applied, (to, now), at_once);
    }

    /// What of a region's writes another had not acknowledged at a moment; in order of time.
    pub fn backlog(&mut self, from: &str, to: &str, sample: Backlog) {
        let (Some(from), Some(to)) = (self.region(from), self.region(to)) else {
            return;
        };
        let backlog = &mut self.pairs.entry((from, to)).or_default().backlog;
        let same = |one: &Backlog| one.mutations == sample.mutations && one.bytes == sample.bytes;
        keep_corners(backlog, sample, same, |kept| kept.at_ms = sample.at_ms);
    }

    /// How many keys (or ranges) differed at a moment; in order of time.
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

    /// More bytes went over the wire from one region to another.
    pub fn wire_bytes(&mut self, from: &str, to: &str, bytes: u64) {
        if let (Some(from), Some(to)) = (self.region(from), self.region(to)) {
            self.pairs.entry((from, to)).or_default().wire_bytes += bytes;
        }
    }

    /// A conflict, once, however many regions journalled it. `at`: when the losing write was committed.
    pub fn conflict(&mut self, winner: &str, loser: &str, at: Duration) {
        if let (Some(winner), Some(loser)) = (self.region(winner), self.region(loser)) {
            *self.conflicts.entry((winner, loser, at.as_secs())).or_default() += 1;
        }
    }

    /// The times of the timeline are known better than they were: what waited for the proof of a drain happened then, or did not. To be
    /// called before the history is fed.
    pub fn rescheduled(&mut self, plan: &Plan) {
        (self.run.drains, self.drained_until_ms) = drains::planned(plan).into_iter().unzip();
        self.run.faults = fault_spans(plan);
        self.run.failovers = failovers(plan);
        self.disturbances = disturbances(plan);
    }

    /// Something of the timeline did not happen before the load ended, since the proof of a drain did not come, or too late.
    pub fn not_played(&mut self, what: &[&Action]) {
        self.run.not_played = what.iter().map(ToString::to_string).collect();
    }

    /// How far a region's drain is. While a run goes on, the plan has the earliest time of what waits for a proof, also of what ends the
    /// drain itself; so it is only in the end that this is counted for a drain.
    pub fn drain(&mut self, sample: DrainSample) {
        self.drain_samples.push(sample);
    }

    /// Who used the regions, where it was not the scenario's clients alone.
    pub fn used_by(&mut self, clients: Clients) {
        self.run.clients = clients;
    }

    /// Something that a reader has to know to understand the numbers.
    pub fn note(&mut self, what: String) {
        if !self.run.notes.contains(&what) {
            self.run.notes.push(what);
        }
    }

    /// From now on regions have to become equal. `links`: every ordered pair of regions, with what the one has not heard to be acknowledged by
    /// the other. What they lack is known by what arrives after that.
    pub fn must_converge(&mut self, after: &str, from: Duration, links: Vec<Shipment>) -> Awaited {
        self.run.convergences.push(Convergence {
            after: after.to_owned(),
            from_ms: whole_millis(from),
            elapsed_ms: None,
            bound_ms: 0.0,
            disturbed: false,
        });
        self.lacking.push(Lacking::new(from, links));
        debug_assert_eq!(
            self.lacking.len(),
            self.run.convergences.len(),
            "what was lacking is known for each convergence"
        );
        Awaited(self.lacking.len() - 1)
    }

    /// They are equal. Only the first time counts.
    pub fn converged(&mut self, awaited: Awaited, at: Duration) {
        let entry = self
            .run
            .convergences
            .get_mut(awaited.0)
            .zip(self.lacking.get(awaited.0));
        if let Some((convergence, lacking)) = entry {
            // Rounded up, so that it is never less than it can be.
            let elapsed = at.saturating_sub(lacking.at);
            let elapsed_ms = u64::try_from(elapsed.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
            convergence.elapsed_ms.get_or_insert(elapsed_ms);
        }
    }

    /// The run with all series. `total`: until the regions had converged, or patience ended.
    #[must_use]
    pub fn finish(mut self, total: Duration, replay: &str) -> Run {
        for sample in &self.drain_samples {
            drains::seen(&mut self.run.drains, &self.drained_until_ms, sample);
        }
        let rates = self.apply_rates();
        let wire = |pair: (usize, usize)| {
            let pair = self.pairs.get(&pair)?;
            (pair.wire_bytes > 0).then(|| (pair.wire_bytes, pair.lag.count()))
        };
        let names = &self.run.regions;
        let bound = |lacking: &Lacking| least(lacking, names, &rates, wire);
        let bounds: Vec<Duration> = self.lacking.iter().map(bound).collect();
        for (convergence, bound) in self.run.convergences.iter_mut().zip(bounds) {
            convergence.bound_ms = millis(micros(bound));
            let until_ms = convergence.elapsed_ms.map_or(u64::MAX, |ms| convergence.from_ms + ms);
            let meanwhile = |(from, until): &(u64, u64)| *until > convergence.from_ms && *from < until_ms;
            convergence.disturbed = self.disturbances.iter().any(meanwhile);
        }
        let regions = &self.run.regions;
        let name = |index: usize| regions.get(index).cloned().unwrap_or_default();
        self.run.seconds = std::mem::take(&mut self.seconds)
            .into_iter()
            .map(|((region, second), samples)| samples.point(name(region), second))
            .collect();
        let latency = |(region, samples): (&usize, &Samples)| ClientLatency {
            region: name(*region),
            latency_ms: samples.quantiles_ms(),
        };
        self.run.latencies = self.latencies.iter().map(latency).collect();
        self.run.pairs = pairs(regions, std::mem::take(&mut self.pairs));
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
        self.run.replay = replay.to_owned();
        self.run
    }

    /// By region, the most mutations per second that it was seen to apply in any window.
    fn apply_rates(&self) -> BTreeMap<String, f64> {
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

impl Second {
    fn point(mut self, region: String, second: u64) -> RegionSecond {
        self.latencies_us.sort_unstable();
        let at = |quantile| (!self.latencies_us.is_empty()).then(|| millis(exact(&self.latencies_us, quantile).into()));
        RegionSecond {
            region,
            second,
            due: self.due,
            answered: self.latencies_us.len() as u64,
            failed: self.failed,
            latency_ms_p50: at(0.5),
            latency_ms_p99: at(0.99),
        }
    }
}

impl PairSamples {
    fn pair(self, from: String, to: String) -> Pair {
        let lag_ms = self.lag.quantiles_ms();
        let point = |(second, mut lags): (u64, Vec<u32>)| {
            lags.sort_unstable();
            let at = |quantile| millis(exact(&lags, quantile).into());
            LagPoint {
                second,
                p50_ms: at(0.5),
                p99_ms: at(0.99),
                max_ms: at(1.0),
            }
        };
        Pair {
            from,
            to,
            mutations: lag_ms.count,
            lag_ms,
            excess_ms: self.excess.quantiles_ms(),
            lag: self.by_second.into_iter().map(point).collect(),
            backlog: self.backlog,
            wire_bytes: self.wire_bytes,
        }
    }
}

/// Every ordered pair of regions, also where nothing went.
fn pairs(regions: &[String], mut samples: BTreeMap<(usize, usize), PairSamples>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (from, from_name) in regions.iter().enumerate() {
        for (to, to_name) in regions.iter().enumerate().filter(|(to, _)| *to != from) {
            let samples = samples.remove(&(from, to)).unwrap_or_default();
            pairs.push(samples.pair(from_name.clone(), to_name.clone()));
        }
    }
    pairs
}

/// The shifts of traffic in a plan. What failed is the fault that made the region unreachable and is still open then; of several the first,
/// for clients are without it from then on.
fn failovers(plan: &Plan) -> Vec<Failover> {
    let shifts = plan.timeline.iter().filter_map(|planned| match &planned.action {
        Action::Shift { from, to } if from != to => Some((planned.at, from, to)),
        _ => None,
    });
    let faults = fault_spans(plan);
    shifts
        .map(|(at, from, to)| {
            let shifted_ms = whole_millis(at);
            let failed = faults.iter().find(|fault| {
                let open = fault.from_ms <= shifted_ms && fault.until_ms.is_none_or(|until| until > shifted_ms);
                open && fault.kind.makes_unreachable() && fault.regions.contains(from)
            });
            Failover {
                from: from.clone(),
                to: to.clone(),
                fault_ms: failed.map_or(shifted_ms, |fault| fault.from_ms),
                shifted_ms,
                first_success_ms: None,
            }
        })
        .collect()
}

/// Adds a sample to a series, without the middle one of three that are alike.
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

/// So many mutations became visible in a region in a window.
fn applied(applied: &mut BTreeMap<(usize, u64), u64>, place: (usize, u64), mutations: u64) {
    if mutations > 0 {
        *applied.entry(place).or_default() += mutations;
    }
}

fn window(time: Duration) -> u64 {
    micros(time) / micros(APPLY_WINDOW)
}

/// Microseconds up to 71 minutes; what is longer counts as that.
fn short_micros(length: Duration) -> u32 {
    u32::try_from(length.as_micros()).unwrap_or(u32::MAX)
}

pub(crate) fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
