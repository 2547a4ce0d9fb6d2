//! Swarms: many faults of all kinds at once, drawn from the seed.
//!
//! Groce et al., "Swarm testing", 2012: runs that leave out some kinds of faults find more than
//! runs that have a little of all of them. So each seed first draws which kinds there are, and how
//! often.

mod profile;

use std::{collections::BTreeMap, time::Duration};

use beringia_clock::{Randomness, SeededRandomness};

pub use self::profile::{SwarmDraw, SwarmFeature, SwarmProfile};
use crate::{Action, Disks, Ends, Scenario, fleet::Fleet, replay::Timed};

/// The most that a clock may differ from its setting in the scenario, in milliseconds. Two clocks
/// that are wrong in opposite directions stay within the offset that regions accept from each other
/// (500 ms).
const CLOCK_MS_MAX: u64 = 200;
/// The most that drift may add to that within the scenario, in milliseconds.
const DRIFT_MS_MAX: u64 = 20;
/// The least and the most by which a clock is wrong beyond the accepted offset, in milliseconds.
const WRONG_CLOCK_MS: (u64, u64) = (1_000, 5_000);
/// How long nothing happens to replicas after they were added or dropped, so that one change is
/// over before the next.
const REPLICA_REST: Duration = Duration::from_secs(5);
/// The shortest fault, in milliseconds.
const FAULT_MS_MIN: u64 = 200;
/// The longest fault, in milliseconds.
const FAULT_MS_MAX: u64 = 20_000;

/// The time and size of a swarm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Nothing happens before this time.
    pub(crate) from: Duration,
    /// Everything is over by this time.
    pub(crate) until: Duration,
    /// The number of faults.
    pub(crate) faults: u32,
    /// Whether a crash may take the disk with it.
    pub(crate) lose_disk: bool,
    /// The features that faults are drawn from.
    pub(crate) profile: SwarmProfile,
}

/// The kinds of faults. A crash and a pause need their region for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SwarmFault {
    Crash,
    Pause,
    Cut,
    Isolate,
    Delay,
    Loss,
    Bandwidth,
    Step,
    Drift,
    SlowDisk,
    FullDisk,
    LostDisk,
    RestoredDisk,
    WrongClock,
    Replica,
    Drop,
    Drain,
}

/// The kinds, each with its weight if it takes part.
const KINDS: [(SwarmFault, u64); 17] = [
    (SwarmFault::Crash, 4),
    (SwarmFault::Pause, 2),
    (SwarmFault::Cut, 6),
    (SwarmFault::Isolate, 3),
    (SwarmFault::Delay, 3),
    (SwarmFault::Loss, 2),
    (SwarmFault::Bandwidth, 2),
    (SwarmFault::Step, 3),
    (SwarmFault::Drift, 1),
    (SwarmFault::SlowDisk, 2),
    (SwarmFault::FullDisk, 2),
    (SwarmFault::LostDisk, 2),
    (SwarmFault::RestoredDisk, 2),
    (SwarmFault::WrongClock, 3),
    (SwarmFault::Replica, 3),
    (SwarmFault::Drop, 4),
    (SwarmFault::Drain, 3),
];

impl SwarmFault {
    const fn feature(self) -> SwarmFeature {
        match self {
            Self::Cut | Self::Isolate | Self::Delay | Self::Loss | Self::Bandwidth => SwarmFeature::Links,
            Self::Crash => SwarmFeature::Crashes,
            Self::Pause => SwarmFeature::Pauses,
            Self::SlowDisk | Self::FullDisk => SwarmFeature::BadDisks,
            Self::Step | Self::Drift => SwarmFeature::Clocks,
            Self::LostDisk => SwarmFeature::LostDisk,
            Self::RestoredDisk => SwarmFeature::RestoredDisk,
            Self::WrongClock => SwarmFeature::WrongClocks,
            Self::Replica => SwarmFeature::Replicas,
            Self::Drop => SwarmFeature::Drops,
            Self::Drain => SwarmFeature::Drains,
        }
    }
}

/// Draws faults in order of time. Each is over within the window, except those of clocks, which
/// stay as wrong as they are.
pub(crate) fn draw(scenario: &Scenario, fleet: &Fleet, window: &Window, dice: &SeededRandomness) -> Vec<Timed> {
    let features = SwarmDraw::draw(window.profile, dice);
    let regions: Vec<&str> = scenario.topology.names().collect();
    let others_stay = features.has(SwarmFeature::Drops) || features.has(SwarmFeature::Replicas);
    let guest = others_stay.then(|| {
        let drawn = dice.derive("guest").below(regions.len() as u64);
        regions[usize::try_from(drawn).unwrap_or(0)]
    });
    let mut drawing = Drawing {
        regions,
        guest,
        away: Duration::ZERO,
        features,
        wrong_clock: Duration::ZERO,
        healthy: scenario
            .topology
            .names()
            .filter(|name| fleet.is_healthy(name))
            .collect(),
        length_ms: millis(scenario.duration),
        busy: BTreeMap::new(),
        may_lose_disk: window.lose_disk,
        has_faulty_disks: scenario.disks == Disks::Faulty,
        is_disk_taken: false,
        until: window.until,
        steps_ms: BTreeMap::new(),
        dice,
    };
    let kinds = drawing.kinds();
    let room_ms = millis(window.until - window.from);
    let longest_ms = (room_ms / 2).clamp(1, FAULT_MS_MAX);
    let shortest_ms = FAULT_MS_MIN.min(longest_ms);
    let mut spans: Vec<(u64, u64)> = (0..window.faults)
        .map(|_| {
            let length_ms = skewed(dice, shortest_ms, longest_ms);
            (dice.below(room_ms.saturating_sub(length_ms) + 1), length_ms)
        })
        .collect();
    spans.sort_unstable();
    let mut events = Vec::new();
    for (start_ms, length_ms) in spans {
        let from = window.from + Duration::from_millis(start_ms);
        drawing.fault(&kinds, from, from + Duration::from_millis(length_ms), &mut events);
    }
    events
}

struct Drawing<'a> {
    features: SwarmDraw,
    regions: Vec<&'a str>,
    /// The only region that is cut off or down, where others must stay connected: one whose
    /// replicas are dropped, or come and go.
    guest: Option<&'a str>,
    /// Until when the guest's replicas are removed.
    away: Duration,
    /// Until when a clock is wrong beyond the accepted offset.
    wrong_clock: Duration,
    /// The regions that run, take writes and replicate when the swarm begins.
    healthy: Vec<&'a str>,
    length_ms: u64,
    /// Until when a region is crashed or paused, by region.
    busy: BTreeMap<&'a str, Duration>,
    /// Whether a crash may take the disk with it.
    may_lose_disk: bool,
    /// Whether disks lose what is not synced when power is lost.
    has_faulty_disks: bool,
    /// Whether a disk was lost or put back to a copy.
    is_disk_taken: bool,
    /// When the swarm is over.
    until: Duration,
    /// How far each region's clock was moved, in milliseconds.
    steps_ms: BTreeMap<&'a str, i64>,
    dice: &'a SeededRandomness,
}

impl<'a> Drawing<'a> {
    /// Returns the kinds that take part, each repeated according to its weight.
    fn kinds(&self) -> Vec<SwarmFault> {
        let possible = |kind: SwarmFault| match kind {
            SwarmFault::Crash
            | SwarmFault::Pause
            | SwarmFault::LostDisk
            | SwarmFault::RestoredDisk
            | SwarmFault::Drain => !self.healthy.is_empty(),
            SwarmFault::Cut | SwarmFault::Isolate | SwarmFault::Delay | SwarmFault::Loss | SwarmFault::Bandwidth => {
                self.regions.len() > 1
            }
            SwarmFault::Replica | SwarmFault::Drop => self.regions.len() > 2,
            SwarmFault::Step
            | SwarmFault::Drift
            | SwarmFault::SlowDisk
            | SwarmFault::FullDisk
            | SwarmFault::WrongClock => true,
        };
        let possible = |kind: SwarmFault| self.features.has(kind.feature()) && possible(kind);
        let mut kinds = Vec::new();
        for (kind, weight) in KINDS.into_iter().filter(|(kind, _)| possible(*kind)) {
            // A quarter of the seeds leave a kind out, and another quarter have it three times as
            // often.
            let times = [0, weight, weight, 3 * weight][self.pick(4)];
            kinds.extend((0..times).map(|_| kind));
        }
        if kinds.is_empty() {
            let is_basic = self.features.profile == SwarmProfile::Basic;
            vec![if is_basic {
                SwarmFault::Step
            } else {
                SwarmFault::SlowDisk
            }]
        } else {
            kinds
        }
    }

    /// Draws a fault and adds its actions.
    fn fault(&mut self, kinds: &[SwarmFault], from: Duration, until: Duration, events: &mut Vec<Timed>) {
        let kind = kinds[self.pick(kinds.len())];
        let drawn = self.regions[self.pick(self.regions.len())];
        match kind {
            SwarmFault::LostDisk => events.extend(self.lost_disk(from, until)),
            SwarmFault::RestoredDisk => events.extend(self.restored_disk(from, until)),
            SwarmFault::WrongClock => events.extend(self.wrong_clock(drawn, from, until)),
            SwarmFault::Replica => events.extend(self.replica(from, until)),
            SwarmFault::Drop => events.extend(self.dropped(from)),
            SwarmFault::Drain => events.extend(self.drain(from, until)),
            _ => events.push(self.basic(kind, drawn, from, until)),
        }
    }

    /// Draws a fault of the profile `basic`.
    fn basic(&mut self, kind: SwarmFault, region: &'a str, from: Duration, until: Duration) -> Timed {
        let lasting = |action| lasting(from, until, action);
        match kind {
            SwarmFault::Crash | SwarmFault::Pause => match self.free(from) {
                Some(region) if kind == SwarmFault::Pause => {
                    self.busy.insert(region, until);
                    lasting(Action::PauseReplication {
                        region: region.to_owned(),
                        table: None,
                    })
                }
                Some(region) => lasting(self.crash(region, until)),
                // Every region is down or paused, which is trouble enough; one more disk becomes
                // slow.
                None => lasting(self.slow_disk(region)),
            },
            SwarmFault::Cut => {
                let ends = self.ends();
                let reset = self.pick(3) == 0;
                lasting(Action::Cut { ends, reset })
            }
            SwarmFault::Isolate => lasting(Action::Isolate {
                region: self.guest.unwrap_or(region).to_owned(),
                reset: self.pick(3) == 0,
            }),
            SwarmFault::Delay => lasting(Action::Delay {
                ends: self.ends(),
                delay: Duration::from_millis(self.dice.below(500)),
                jitter: Duration::from_millis(self.dice.below(100)),
            }),
            SwarmFault::Loss => lasting(Action::Loss {
                ends: self.ends(),
                percent: self.tenths(1, 200),
            }),
            SwarmFault::Bandwidth => lasting(Action::Bandwidth {
                ends: self.ends(),
                mbit: Some(self.tenths(2, 50)),
            }),
            SwarmFault::Step => self.clock_step(region, from),
            SwarmFault::Drift => self.clock_drift(region, from),
            SwarmFault::FullDisk => lasting(Action::DiskFull {
                region: region.to_owned(),
                full: true,
            }),
            _ => lasting(self.slow_disk(region)),
        }
    }

    /// Draws a region that is neither down nor paused.
    fn free(&self, at: Duration) -> Option<&'a str> {
        let is_free = |region: &&&str| {
            self.busy.get(**region).is_none_or(|until| *until <= at) && self.guest.is_none_or(|guest| guest == **region)
        };
        let free: Vec<&'a str> = self.healthy.iter().filter(is_free).copied().collect();
        (!free.is_empty()).then(|| free[self.pick(free.len())])
    }

    /// At most one disk is lost: a second one could be the last that has what the first had.
    fn crash(&mut self, region: &'a str, until: Duration) -> Action {
        let lose_disk = self.pick(3) == 0 && self.may_lose_disk;
        self.may_lose_disk &= !lose_disk;
        self.is_disk_taken |= lose_disk;
        self.busy.insert(region, until);
        let region = region.to_owned();
        if !lose_disk && self.has_faulty_disks && self.pick(2) == 0 {
            return Action::LosePower { region };
        }
        Action::Crash { region, lose_disk }
    }

    /// At most one disk is lost or put back to a copy.
    fn takes_disk(&mut self, from: Duration, until: Duration) -> Option<&'a str> {
        if self.is_disk_taken {
            return None;
        }
        let region = self.free(from)?;
        self.is_disk_taken = true;
        self.may_lose_disk = false;
        self.busy.insert(region, until);
        Some(region)
    }

    fn lost_disk(&mut self, from: Duration, until: Duration) -> Option<Timed> {
        let region = self.takes_disk(from, until)?.to_owned();
        let lose_disk = true;
        Some(lasting(from, until, Action::Crash { region, lose_disk }))
    }

    /// The copy is made at the beginning, and put back halfway.
    fn restored_disk(&mut self, from: Duration, until: Duration) -> Vec<Timed> {
        let Some(region) = self.takes_disk(from, until) else {
            return Vec::new();
        };
        let region = region.to_owned();
        let copy = Timed {
            from,
            until: None,
            drained: None,
            action: Action::CopyDisk { region: region.clone() },
        };
        let restored = from + Duration::from_millis(millis(until - from) / 2);
        vec![copy, lasting(restored, until, Action::RestoreDisk { region })]
    }

    /// One clock at a time is wrong beyond the accepted offset.
    fn wrong_clock(&mut self, region: &str, from: Duration, until: Duration) -> Option<Timed> {
        let (least_ms, most_ms) = WRONG_CLOCK_MS;
        let by_ms = signed(least_ms + self.dice.below(most_ms - least_ms + 1));
        let by_ms = if self.pick(2) == 0 { by_ms } else { -by_ms };
        if self.wrong_clock > from {
            return None;
        }
        self.wrong_clock = until;
        let region = region.to_owned();
        Some(lasting(from, until, Action::ClockStep { region, by_ms }))
    }

    fn replica(&mut self, from: Duration, until: Duration) -> Option<Timed> {
        let region = self.guest.filter(|_| self.away <= from)?.to_owned();
        // A change is over before the next one begins.
        self.away = until + REPLICA_REST;
        Some(lasting(from, until, Action::RemoveReplica { region }))
    }

    /// Isolates the guest for so long that its replicas are dropped.
    fn dropped(&mut self, from: Duration) -> Option<Timed> {
        let region = self.guest.filter(|_| self.away <= from)?.to_owned();
        let until = (from + 2 * profile::MAX_UNREACHABLE).min(self.until);
        self.away = until + REPLICA_REST;
        let reset = self.pick(2) == 0;
        Some(lasting(from, until, Action::Isolate { region, reset }))
    }

    fn drain(&mut self, from: Duration, until: Duration) -> Option<Timed> {
        let region = self.free(from)?;
        self.busy.insert(region, until);
        let region = region.to_owned();
        Some(lasting(from, until, Action::Drain { region }))
    }

    fn slow_disk(&self, region: &str) -> Action {
        Action::SlowDisk {
            region: region.to_owned(),
            by: Duration::from_millis(1 + self.dice.below(100)),
        }
    }

    fn clock_step(&mut self, region: &'a str, from: Duration) -> Timed {
        let target_ms = signed(self.dice.below(2 * CLOCK_MS_MAX + 1)) - signed(CLOCK_MS_MAX);
        let now_ms = self.steps_ms.insert(region, target_ms).unwrap_or(0);
        let region = region.to_owned();
        Timed {
            from,
            until: None,
            drained: None,
            action: Action::ClockStep {
                region,
                by_ms: target_ms - now_ms,
            },
        }
    }

    fn clock_drift(&self, region: &str, from: Duration) -> Timed {
        let ppm_max = (DRIFT_MS_MAX * 1_000_000 / self.length_ms.max(1)).clamp(1, 200);
        let ppm = signed(self.dice.below(2 * ppm_max + 1)) - signed(ppm_max);
        let region = region.to_owned();
        Timed {
            from,
            until: None,
            drained: None,
            action: Action::ClockDrift { region, ppm },
        }
    }

    fn ends(&self) -> Ends {
        let drawn = self.pick(self.regions.len());
        let guest = self
            .guest
            .and_then(|guest| self.regions.iter().position(|region| *region == guest));
        let from = guest.unwrap_or(drawn);
        let to = (from + 1 + self.pick(self.regions.len() - 1)) % self.regions.len();
        Ends {
            from: self.regions[from].to_owned(),
            to: self.regions[to].to_owned(),
            one_way: self.pick(2) == 0,
        }
    }

    /// Draws a number with one decimal.
    fn tenths(&self, least: u32, most: u32) -> f64 {
        let range = u64::from(most - least) + 1;
        f64::from(least + u32::try_from(self.dice.below(range)).unwrap_or(0)) / 10.0
    }

    fn pick(&self, count: usize) -> usize {
        usize::try_from(self.dice.below(count as u64)).unwrap_or(0)
    }
}

const fn lasting(from: Duration, until: Duration, action: Action) -> Timed {
    Timed {
        from,
        until: Some(until),
        drained: None,
        action,
    }
}

/// Draws a number between two bounds such that its half and its double are equally likely.
fn skewed(dice: &SeededRandomness, least: u64, most: u64) -> u64 {
    let mut halvings = 0;
    while halvings < 63 && (most >> (halvings + 1)) >= least.max(1) {
        halvings += 1;
    }
    let top = most >> dice.below(halvings + 1);
    let bottom = (top / 2).clamp(least.min(top), top);
    bottom + dice.below(top - bottom + 1)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
