//! Draws a plan: the times and swarms of a scenario that follow from a seed.

use std::time::Duration;

use beringia_clock::{Randomness, SeededRandomness};

use crate::{
    Action, Planned, Scenario, Span, TimelineEvent, What, When,
    fleet::Fleet,
    replay::{Timed, replay},
    swarm::{self, SwarmDraw, Window},
};

/// The dice of each event: its own, so that adding an event does not change what the others draw.
fn dice(scenario: &Scenario, seed: u64) -> Vec<SeededRandomness> {
    let dice = SeededRandomness::new(seed).derive("plan");
    let of_event = |index| dice.derive(&format!("event {index}"));
    (0..scenario.events.len()).map(of_event).collect()
}

/// What the seed draws for each swarm of a scenario, with the dice of the event.
fn swarms(scenario: &Scenario, seed: u64) -> Vec<(SwarmDraw, SeededRandomness)> {
    let events = scenario.events.iter().zip(dice(scenario, seed));
    let swarm = |(event, dice): (&TimelineEvent, SeededRandomness)| match event.what {
        What::Swarm { profile, .. } => Some((SwarmDraw::draw(profile, &dice), dice)),
        What::Do(_) => None,
    };
    events.filter_map(swarm).collect()
}

/// What the seed draws for each swarm of a scenario.
pub(crate) fn swarm_draws(scenario: &Scenario, seed: u64) -> Vec<SwarmDraw> {
    swarms(scenario, seed).into_iter().map(|(draw, _)| draw).collect()
}

/// The scenario with the load, options and expectations that the swarms of this seed require.
pub(crate) fn varied(scenario: &Scenario, seed: u64) -> Scenario {
    let mut varied = scenario.clone();
    for (draw, dice) in swarms(scenario, seed) {
        draw.vary(&mut varied, &dice);
    }
    varied
}

/// Draws the timeline of a scenario's events.
pub(crate) fn timeline(scenario: &Scenario, seed: u64) -> Vec<Planned> {
    let dice = dice(scenario, seed);
    let times = times(&scenario.events, |index, span| within(&dice[index], span));
    let drained = drained(&scenario.events);
    let events = || scenario.events.iter().zip(&times).zip(drained.iter().copied());
    let written: Vec<Timed> = events()
        .filter_map(|((event, times), drained)| Timed::of(event, *times, drained))
        .collect();

    let mut all = Vec::new();
    for (index, ((event, times), drained)) in events().enumerate() {
        match &event.what {
            What::Do(_) => all.extend(Timed::of(event, *times, drained)),
            What::Swarm {
                faults,
                lose_disk,
                profile,
            } => {
                let window = Window {
                    from: times.0,
                    until: times.1.unwrap_or(scenario.duration),
                    faults: *faults,
                    lose_disk: *lose_disk,
                    profile: *profile,
                };
                let fleet = fleet_at(scenario, &written, times.0);
                let faults = swarm::draw(scenario, &fleet, &window, &dice[index]).into_iter();
                all.extend(faults.map(|fault| Timed {
                    drained: drained.map(str::to_owned),
                    ..fault
                }));
            }
        }
    }
    let timeline = replay(scenario, &all).timeline;
    debug_assert!(
        timeline.is_sorted_by_key(|planned| planned.at),
        "a timeline is in the order of time"
    );
    timeline
}

/// For each event, the region whose proven drain it waits for, by itself or through the event from
/// which it is counted.
pub(crate) fn drained(events: &[TimelineEvent]) -> Vec<Option<&str>> {
    let mut waits = Vec::with_capacity(events.len());
    for event in events {
        waits.push(match &event.at {
            When::After(_) => None,
            When::AfterPrevious(_) => waits.last().copied().flatten(),
            When::AfterDrain(region, _) => Some(region.as_str()),
        });
    }
    waits
}

/// The index of the last event before `index` that drains this region.
pub(crate) fn drain_before(events: &[TimelineEvent], index: usize, region: &str) -> Option<usize> {
    let is_meant =
        |event: &TimelineEvent| matches!(&event.what, What::Do(Action::Drain { region: drained }) if drained == region);
    events[..index].iter().rposition(is_meant)
}

/// The times at which each event begins and ends, if `draw` chooses within the span of an event and
/// proofs take no time.
pub(crate) fn times(
    events: &[TimelineEvent],
    mut draw: impl FnMut(usize, Span) -> Duration,
) -> Vec<(Duration, Option<Duration>)> {
    let mut previous = Duration::ZERO;
    let mut times: Vec<(Duration, Option<Duration>)> = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        let from = match &event.at {
            When::After(span) => draw(index, *span),
            When::AfterPrevious(span) => previous + draw(index, *span),
            When::AfterDrain(region, span) => {
                let drain = drain_before(events, index, region);
                let start = drain
                    .and_then(|drain| times.get(drain))
                    .map_or(Duration::ZERO, |(from, _)| *from);
                start + draw(index, *span)
            }
        };
        let until = event.lasts.map(|span| from + draw(index, span));
        times.push((from, until));
        previous = from;
    }
    times
}

/// Draws a length within the span, to the millisecond.
pub(crate) fn within(dice: &SeededRandomness, span: Span) -> Duration {
    let room_ms = u64::try_from((span.most - span.least).as_millis()).unwrap_or(u64::MAX - 1);
    span.least + Duration::from_millis(dice.below(room_ms + 1))
}

/// The state that the events have brought about at a time.
fn fleet_at(scenario: &Scenario, events: &[Timed], at: Duration) -> Fleet {
    let mut fleet = Fleet::at_the_beginning(scenario);
    let timeline = replay(scenario, events).timeline;
    for planned in timeline.iter().filter(|planned| planned.at <= at) {
        // The replay left out everything that the fleet could not do.
        let _ = fleet.apply(&planned.action);
    }
    fleet
}
