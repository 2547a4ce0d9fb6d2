//! Drawing a plan: what a seed makes of the times and the swarms of a scenario.

use std::time::Duration;

use beringia_clock::{Randomness, SeededRandomness};

use crate::{
    Event, Planned, Scenario, Span, What, When,
    fleet::Fleet,
    replay::{Timed, replay},
    swarm::{self, Window},
};

/// The timeline that the seed makes of the scenario's events.
pub(crate) fn timeline(scenario: &Scenario, seed: u64) -> Vec<Planned> {
    let dice = SeededRandomness::new(seed).derive("plan");
    // Each event has dice of its own, so that another event does not change what this one draws.
    let dice: Vec<SeededRandomness> = (0..scenario.events.len())
        .map(|index| dice.derive(&format!("event {index}")))
        .collect();
    let times = times(&scenario.events, |index, span| within(&dice[index], span));
    let planned = |event: &Event, (from, until): &(Duration, Option<Duration>)| match &event.what {
        What::Do(action) => Some(Timed {
            from: *from,
            until: *until,
            action: action.clone(),
        }),
        What::Swarm { .. } => None,
    };
    let written: Vec<Timed> = scenario
        .events
        .iter()
        .zip(&times)
        .filter_map(|(event, times)| planned(event, times))
        .collect();

    let mut all = Vec::new();
    for (index, (event, times)) in scenario.events.iter().zip(&times).enumerate() {
        match &event.what {
            What::Do(_) => all.extend(planned(event, times)),
            What::Swarm { faults, lose_disk } => {
                let window = Window {
                    from: times.0,
                    until: times.1.unwrap_or(scenario.duration),
                    faults: *faults,
                    lose_disk: *lose_disk,
                };
                all.extend(swarm::draw(
                    scenario,
                    &fleet_at(scenario, &written, times.0),
                    &window,
                    &dice[index],
                ));
            }
        }
    }
    replay(scenario, &all).timeline
}

/// When each event begins and ends, where `draw` chooses within the span of an event.
pub(crate) fn times(
    events: &[Event],
    mut draw: impl FnMut(usize, Span) -> Duration,
) -> Vec<(Duration, Option<Duration>)> {
    let mut previous = Duration::ZERO;
    let mut times = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        let from = match event.at {
            When::After(span) => draw(index, span),
            When::AfterPrevious(span) => previous + draw(index, span),
        };
        let until = event.lasts.map(|span| from + draw(index, span));
        times.push((from, until));
        previous = from;
    }
    times
}

/// A length within the span, to the millisecond.
pub(crate) fn within(dice: &SeededRandomness, span: Span) -> Duration {
    let room_ms = u64::try_from((span.most - span.least).as_millis()).unwrap_or(u64::MAX - 1);
    span.least + Duration::from_millis(dice.below(room_ms + 1))
}

/// What the events as written have brought about at a time.
fn fleet_at(scenario: &Scenario, events: &[Timed], at: Duration) -> Fleet {
    let mut fleet = Fleet::at_the_beginning(scenario);
    let timeline = replay(scenario, events).timeline;
    for planned in timeline.iter().filter(|planned| planned.at <= at) {
        // The replay let nothing through that the fleet could not do.
        let _ = fleet.apply(&planned.action);
    }
    fleet
}
