//! Swarms: many faults of all kinds at once, drawn from the seed.
//!
//! Groce et al., "Swarm testing", 2012: runs that leave out some kinds of faults find more than
//! runs that have a little of all of them. So each seed first draws which kinds there are, and how
//! often.

use std::{collections::BTreeMap, time::Duration};

use beringia_clock::{Randomness, SeededRandomness};

use crate::{Action, Ends, Scenario, fleet::Fleet, replay::Timed};

/// The most that a clock may differ from its setting in the scenario, in milliseconds. Two clocks
/// that are wrong in opposite directions stay within the offset that regions accept from each other
/// (500 ms).
const CLOCK_MS_MAX: u64 = 200;
/// The most that drift may add to that within the scenario, in milliseconds.
const DRIFT_MS_MAX: u64 = 20;
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
}

/// The kinds, each with its weight if it takes part.
const KINDS: [(SwarmFault, u64); 11] = [
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
];

/// Draws faults in order of time. Each is over within the window, except those of clocks, which
/// stay as wrong as they are.
pub(crate) fn draw(scenario: &Scenario, fleet: &Fleet, window: &Window, dice: &SeededRandomness) -> Vec<Timed> {
    let mut drawing = Drawing {
        regions: scenario.topology.names().collect(),
        healthy: scenario
            .topology
            .names()
            .filter(|name| fleet.is_healthy(name))
            .collect(),
        length_ms: millis(scenario.duration),
        busy: BTreeMap::new(),
        may_lose_disk: window.lose_disk,
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
    let events = spans.into_iter().map(|(start_ms, length_ms)| {
        let from = window.from + Duration::from_millis(start_ms);
        drawing.fault(&kinds, from, from + Duration::from_millis(length_ms))
    });
    events.collect()
}

struct Drawing<'a> {
    regions: Vec<&'a str>,
    /// The regions that run, take writes and replicate when the swarm begins.
    healthy: Vec<&'a str>,
    length_ms: u64,
    /// Until when a region is crashed or paused, by region.
    busy: BTreeMap<&'a str, Duration>,
    /// Whether a crash may take the disk with it.
    may_lose_disk: bool,
    /// How far each region's clock was moved, in milliseconds.
    steps_ms: BTreeMap<&'a str, i64>,
    dice: &'a SeededRandomness,
}

impl<'a> Drawing<'a> {
    /// Returns the kinds that take part, each repeated according to its weight.
    fn kinds(&self) -> Vec<SwarmFault> {
        let possible = |kind: SwarmFault| match kind {
            SwarmFault::Crash | SwarmFault::Pause => !self.healthy.is_empty(),
            SwarmFault::Cut | SwarmFault::Isolate | SwarmFault::Delay | SwarmFault::Loss | SwarmFault::Bandwidth => {
                self.regions.len() > 1
            }
            SwarmFault::Step | SwarmFault::Drift | SwarmFault::SlowDisk | SwarmFault::FullDisk => true,
        };
        let mut kinds = Vec::new();
        for (kind, weight) in KINDS.into_iter().filter(|(kind, _)| possible(*kind)) {
            // A quarter of the seeds leave a kind out, and another quarter have it three times as
            // often.
            let times = [0, weight, weight, 3 * weight][self.pick(4)];
            kinds.extend((0..times).map(|_| kind));
        }
        if kinds.is_empty() {
            vec![SwarmFault::Step]
        } else {
            kinds
        }
    }

    fn fault(&mut self, kinds: &[SwarmFault], from: Duration, until: Duration) -> Timed {
        let kind = kinds[self.pick(kinds.len())];
        let region = self.regions[self.pick(self.regions.len())];
        let lasting = |action| Timed {
            from,
            until: Some(until),
            drained: None,
            action,
        };
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
                region: region.to_owned(),
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
            SwarmFault::SlowDisk => lasting(self.slow_disk(region)),
            SwarmFault::FullDisk => lasting(Action::DiskFull {
                region: region.to_owned(),
                full: true,
            }),
        }
    }

    /// Draws a region that is neither down nor paused.
    fn free(&self, at: Duration) -> Option<&'a str> {
        let is_free = |region: &&&str| self.busy.get(**region).is_none_or(|until| *until <= at);
        let free: Vec<&'a str> = self.healthy.iter().filter(is_free).copied().collect();
        (!free.is_empty()).then(|| free[self.pick(free.len())])
    }

    /// At most one disk is lost: a second one could be the last that has what the first had.
    fn crash(&mut self, region: &'a str, until: Duration) -> Action {
        let lose_disk = self.pick(3) == 0 && self.may_lose_disk;
        self.may_lose_disk &= !lose_disk;
        self.busy.insert(region, until);
        Action::Crash {
            region: region.to_owned(),
            lose_disk,
        }
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
        let from = self.pick(self.regions.len());
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
