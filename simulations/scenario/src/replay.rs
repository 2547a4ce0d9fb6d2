//! Turns events with times into a timeline of actions. What lasts is undone at its end, and what
//! overlaps is not undone too early.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use beringia_regions::Topology;

use crate::{
    Action, DiskFailures, Ends, Planned, Scenario, TimelineEvent, What,
    fleet::{Fleet, Senseless, Way, ways},
};

/// An action with its times.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timed {
    pub(crate) from: Duration,
    /// When the action is undone, if it is.
    pub(crate) until: Option<Duration>,
    /// The region whose proven drain both times wait for.
    pub(crate) drained: Option<String>,
    pub(crate) action: Action,
}

impl Timed {
    /// The action of an event with its times, which wait for the proven drain of a region; `None`
    /// for a swarm, which has no action of its own.
    pub(crate) fn of(
        event: &TimelineEvent,
        (from, until): (Duration, Option<Duration>),
        drained: Option<&str>,
    ) -> Option<Self> {
        debug_assert!(until.is_none_or(|until| from <= until), "nothing ends before it begins");
        match &event.what {
            What::Do(action) => Some(Self {
                from,
                until,
                drained: drained.map(str::to_owned),
                action: action.clone(),
            }),
            What::Swarm { .. } => None,
        }
    }
}

/// A timeline that the fleet could follow, and the events that it could not.
pub(crate) struct Replay {
    /// The actions, in order of time.
    pub(crate) timeline: Vec<Planned>,
    /// The events that were left out because they were impossible, by index.
    pub(crate) senseless: Vec<(usize, Senseless)>,
}

/// Plays events, given in the order of the file, and repairs what is wrong when the load ends.
pub(crate) fn replay(scenario: &Scenario, events: &[Timed]) -> Replay {
    let mut edges: Vec<(Duration, bool, usize)> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        edges.push((event.from, true, index));
        edges.extend(event.until.map(|until| (until, false, index)));
    }
    // At the same time, ends come before beginnings, so that a region that is to crash again is up.
    edges.sort_unstable();
    let mut player = Player::new(scenario);
    for (at, begins, index) in edges {
        let event = &events[index];
        let actions = match (begins, event.until) {
            (true, until) => player.begin(index, until.is_some(), &event.action),
            (false, _) => player.end(index, &event.action),
        };
        for action in actions {
            player.play(at, event.drained.clone(), index, action);
        }
    }
    for action in player.fleet.what_puts_right() {
        player.play(scenario.duration, None, events.len(), action);
    }
    Replay {
        timeline: player.timeline,
        senseless: player.senseless,
    }
}

struct Player<'a> {
    scenario: &'a Scenario,
    fleet: Fleet,
    cuts: BTreeMap<Way, BTreeSet<usize>>,
    delays: Layers<Way, (Duration, Duration)>,
    losses: Layers<Way, f64>,
    bandwidths: Layers<Way, Option<f64>>,
    slowness: Layers<String, Duration>,
    fullness: Layers<String, bool>,
    failures: Layers<String, DiskFailures>,
    drifts: Layers<String, i64>,
    /// Rates by workload and region.
    rates: Layers<(String, String), f64>,
    timeline: Vec<Planned>,
    senseless: Vec<(usize, Senseless)>,
}

impl<'a> Player<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            fleet: Fleet::at_the_beginning(scenario),
            cuts: BTreeMap::new(),
            delays: Layers::default(),
            losses: Layers::default(),
            bandwidths: Layers::default(),
            slowness: Layers::default(),
            fullness: Layers::default(),
            failures: Layers::default(),
            drifts: Layers::default(),
            rates: Layers::default(),
            timeline: Vec::new(),
            senseless: Vec::new(),
        }
    }

    fn play(&mut self, at: Duration, drained: Option<String>, index: usize, action: Action) {
        match self.fleet.apply(&action) {
            Ok(()) => self.timeline.push(Planned { at, drained, action }),
            Err(senseless) => self.senseless.push((index, senseless)),
        }
    }

    /// The action itself, recorded so that its end is known to be one.
    fn begin(&mut self, index: usize, lasts: bool, action: &Action) -> Vec<Action> {
        match action {
            Action::Cut { ends, .. } => ways(ends).for_each(|way| self.cut(way, index)),
            Action::Isolate { region, .. } => {
                let ways: Vec<Way> = self.fleet.ways_of(region).collect();
                ways.into_iter().for_each(|way| self.cut(way, index));
            }
            Action::Heal(None) => self.cuts.clear(),
            Action::Heal(Some(ends)) => ways(ends).for_each(|way| {
                self.cuts.remove(&way);
            }),
            Action::Delay { ends, delay, jitter } => {
                ways(ends).for_each(|way| self.delays.push(way, index, (*delay, *jitter)));
            }
            Action::Loss { ends, percent } => ways(ends).for_each(|way| self.losses.push(way, index, *percent)),
            Action::Bandwidth { ends, mbit } => ways(ends).for_each(|way| self.bandwidths.push(way, index, *mbit)),
            Action::SlowDisk { region, by } => self.slowness.push(region.clone(), index, *by),
            Action::DiskFull { region, full } => self.fullness.push(region.clone(), index, *full),
            Action::FailingDisk { region, failing } => self.failures.push(region.clone(), index, *failing),
            Action::ClockDrift { region, ppm } => self.drifts.push(region.clone(), index, *ppm),
            Action::Rate {
                workload,
                region,
                per_second,
            } => {
                for place in self.places(workload.as_deref(), region.as_deref()) {
                    self.rates.push(place, index, *per_second);
                }
            }
            _ => debug_assert!(
                !lasts || opposite(action).is_some(),
                "only what has an opposite can last"
            ),
        }
        vec![action.clone()]
    }

    fn cut(&mut self, way: Way, index: usize) {
        self.cuts.entry(way).or_default().insert(index);
    }

    /// The actions that restore what would be without the action, as far as that differs.
    fn end(&mut self, index: usize, action: &Action) -> Vec<Action> {
        match action {
            Action::Cut { .. } | Action::Isolate { .. } => self.end_of_cut(index),
            Action::Delay { ends, .. } => {
                let usual = |(from, to): &Way| usual_delay(&self.scenario.topology, from, to);
                let changes = ways(ends).filter_map(|way| self.delays.pop(&way, index, usual(&way)));
                let changes = both_ways(changes.collect()).into_iter();
                changes
                    .map(|(ends, (delay, jitter))| Action::Delay { ends, delay, jitter })
                    .collect()
            }
            Action::Loss { ends, .. } => {
                let usual = |(from, to): &Way| usual_loss(&self.scenario.topology, from, to);
                let changes = ways(ends).filter_map(|way| self.losses.pop(&way, index, usual(&way)));
                let changes = both_ways(changes.collect()).into_iter();
                changes.map(|(ends, percent)| Action::Loss { ends, percent }).collect()
            }
            Action::Bandwidth { ends, .. } => {
                let usual = |(from, to): &Way| usual_bandwidth(&self.scenario.topology, from, to);
                let changes = ways(ends).filter_map(|way| self.bandwidths.pop(&way, index, usual(&way)));
                let changes = both_ways(changes.collect()).into_iter();
                changes.map(|(ends, mbit)| Action::Bandwidth { ends, mbit }).collect()
            }
            Action::SlowDisk { region, .. } => {
                let change = self.slowness.pop(region, index, Duration::ZERO).into_iter();
                change.map(|(region, by)| Action::SlowDisk { region, by }).collect()
            }
            Action::DiskFull { region, full } => {
                let change = self.fullness.pop(region, index, !full).into_iter();
                change.map(|(region, full)| Action::DiskFull { region, full }).collect()
            }
            Action::FailingDisk { region, .. } => {
                let change = self.failures.pop(region, index, DiskFailures::default()).into_iter();
                change
                    .map(|(region, failing)| Action::FailingDisk { region, failing })
                    .collect()
            }
            Action::ClockDrift { region, .. } => {
                let usual = self.scenario.clocks.get(region).map_or(0, |error| error.drift_ppm);
                let change = self.drifts.pop(region, index, usual).into_iter();
                change.map(|(region, ppm)| Action::ClockDrift { region, ppm }).collect()
            }
            Action::Rate { workload, region, .. } => self.end_of_rate(index, workload.as_deref(), region.as_deref()),
            action => opposite(action).into_iter().collect(),
        }
    }

    fn end_of_cut(&mut self, index: usize) -> Vec<Action> {
        let mut open = Vec::new();
        self.cuts.retain(|way, cuts| {
            let was_there = cuts.remove(&index);
            if was_there && cuts.is_empty() {
                open.push(way.clone());
            }
            !cuts.is_empty()
        });
        open.retain(|way| self.fleet.is_cut(way));
        let healed = both_ways(open.into_iter().map(|way| (way, ())).collect());
        healed.into_iter().map(|(ends, ())| Action::Heal(Some(ends))).collect()
    }

    /// Each workload returns to the rate that it had, which need not be the same for all.
    fn end_of_rate(&mut self, index: usize, workload: Option<&str>, region: Option<&str>) -> Vec<Action> {
        let mut changes: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
        for place in self.places(workload, region) {
            let usual = self.scenario.workloads.iter().find(|known| known.name == place.0);
            let usual = usual.map_or(0.0, |workload| workload.rate);
            if let Some(((workload, region), per_second)) = self.rates.pop(&place, index, usual) {
                changes.entry(workload).or_default().push((region, per_second));
            }
        }
        let mut actions = Vec::new();
        for (workload, regions) in changes {
            let everywhere = self.places(Some(&workload), None).len() == regions.len();
            let first = regions.first().map(|(_, per_second)| *per_second);
            if everywhere && regions.iter().all(|(_, per_second)| Some(*per_second) == first) {
                actions.extend(first.map(|per_second| Action::Rate {
                    workload: Some(workload),
                    region: None,
                    per_second,
                }));
            } else {
                actions.extend(regions.into_iter().map(|(region, per_second)| Action::Rate {
                    workload: Some(workload.clone()),
                    region: Some(region),
                    per_second,
                }));
            }
        }
        actions
    }

    /// The workloads, with their regions, that a change of rate concerns.
    fn places(&self, workload: Option<&str>, region: Option<&str>) -> Vec<(String, String)> {
        let meant = self
            .scenario
            .workloads
            .iter()
            .filter(|known| workload.is_none_or(|name| known.name == name));
        let mut places = Vec::new();
        for known in meant {
            let regions = self.scenario.regions_of(known).iter();
            let regions = regions.filter(|name| region.is_none_or(|region| region == name.as_str()));
            places.extend(regions.map(|region| (known.name.clone(), region.clone())));
        }
        places
    }
}

/// Returns whether an action gives links what the topology defines.
pub(crate) fn is_usual(action: &Action, topology: &Topology) -> bool {
    match action {
        Action::Delay { ends, delay, jitter } => ends
            .ways()
            .all(|(from, to)| usual_delay(topology, from, to) == (*delay, *jitter)),
        Action::Loss { ends, percent } => ends.ways().all(|(from, to)| usual_loss(topology, from, to) == *percent),
        Action::Bandwidth { ends, mbit } => ends
            .ways()
            .all(|(from, to)| usual_bandwidth(topology, from, to) == *mbit),
        _ => false,
    }
}

/// The delay and jitter that the topology defines.
fn usual_delay(topology: &Topology, from: &str, to: &str) -> (Duration, Duration) {
    let link = topology.link(from, to);
    link.map_or_else(Default::default, |link| {
        (from_ms(link.delay_ms), from_ms(link.jitter_ms))
    })
}

fn usual_loss(topology: &Topology, from: &str, to: &str) -> f64 {
    topology.link(from, to).map_or(0.0, |link| link.loss_percent)
}

fn usual_bandwidth(topology: &Topology, from: &str, to: &str) -> Option<f64> {
    topology.link(from, to).and_then(|link| link.bandwidth_mbit)
}

/// Converts to the microsecond, which is the precision of files.
fn from_ms(ms: f64) -> Duration {
    let exact = Duration::from_secs_f64(ms / 1e3) + Duration::from_nanos(500);
    Duration::from_micros(u64::try_from(exact.as_micros()).unwrap_or(u64::MAX))
}

/// The action that undoes another one, regardless of other events; `None` if there is none, or if
/// it depends on what else happens.
pub(crate) fn opposite(action: &Action) -> Option<Action> {
    Some(match action {
        Action::Crash { region, .. } | Action::RestoreDisk { region } | Action::LosePower { region } => {
            Action::Restart { region: region.clone() }
        }
        Action::ClockStep { region, by_ms } => Action::ClockStep {
            region: region.clone(),
            by_ms: -by_ms,
        },
        Action::PauseReplication { region, table } => Action::ResumeReplication {
            region: region.clone(),
            table: table.clone(),
        },
        Action::AddReplica { region } => Action::RemoveReplica { region: region.clone() },
        Action::RemoveReplica { region } => Action::AddReplica { region: region.clone() },
        Action::Shift { from, to } if from != to => Action::Shift {
            from: from.clone(),
            to: from.clone(),
        },
        Action::Drain { region } => Action::Undrain { region: region.clone() },
        _ => return None,
    })
}

/// Combines equal changes of both directions into one.
fn both_ways<V: PartialEq>(mut changes: Vec<(Way, V)>) -> Vec<(Ends, V)> {
    let mut merged = Vec::new();
    while !changes.is_empty() {
        let ((from, to), value) = changes.remove(0);
        let back = changes
            .iter()
            .position(|((other_from, other_to), other)| *other_from == to && *other_to == from && *other == value);
        if let Some(back) = back {
            changes.remove(back);
        }
        let one_way = back.is_none();
        merged.push((Ends { from, to, one_way }, value));
    }
    merged
}

/// Overlapping settings: the one that was set last and still lasts is in force.
#[derive(Debug)]
struct Layers<K, V>(BTreeMap<K, Vec<(usize, V)>>);

impl<K, V> Default for Layers<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V: Copy + PartialEq> Layers<K, V> {
    fn push(&mut self, key: K, layer: usize, value: V) {
        let layers = self.0.entry(key).or_default();
        debug_assert!(
            layers.iter().all(|(other, _)| *other != layer),
            "an event lies on a setting once"
        );
        layers.push((layer, value));
    }

    /// Removes a layer. Returns the setting that is then in force, if it changes; `usual` lies
    /// below all layers.
    fn pop(&mut self, key: &K, layer: usize, usual: V) -> Option<(K, V)> {
        let layers = self.0.get_mut(key)?;
        let before = layers.last()?.1;
        layers.retain(|(other, _)| *other != layer);
        let after = layers.last().map_or(usual, |(_, value)| *value);
        (before != after).then(|| (key.clone(), after))
    }
}
