//! Checks that a timeline makes sense for every seed: nothing happens after the end, and the order
//! of dependent actions is certain.

use std::time::Duration;

use crate::{
    Action, Scenario, ScenarioProblem, Span, TimelineEvent, What, When,
    draw::{drain_before, drained, times},
    replay::{Timed, replay},
    time,
};

/// The beginning or the end of an event, or the proof of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimelinePoint {
    event: usize,
    edge: Edge,
}

/// At the same time, ends come before proofs, and proofs before beginnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    End,
    Proof,
    Begin,
}

/// The upper bound on the time that a proof takes, in microseconds: longer than any load.
const PROOF_US_MAX: i128 = 1 << 60;

/// Something whose state an action depends on and changes, so that the order of actions matters.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject<'a> {
    Region(&'a str),
    Clients(&'a str),
    Replicas,
    /// Settings of links, disks and clocks, and rates. They matter only between events that wait
    /// for different proofs, because all others are ordered by time.
    Settings,
    All,
}

/// Returns the first problem of a scenario's events, with the index of the event.
pub(crate) fn events(scenario: &Scenario) -> Result<(), (usize, ScenarioProblem)> {
    let events = &scenario.events;
    let latest = times(events, |_, span| span.most);
    for (index, (from, until)) in latest.into_iter().enumerate() {
        let beyond = [("happens", Some(from)), ("ends", until)];
        let beyond = beyond
            .into_iter()
            .find_map(|(what, at)| Some((what, at.filter(|at| *at > scenario.duration)?)));
        if let Some((what, at)) = beyond {
            let (at, end) = (time::show(at), time::show(scenario.duration));
            return Err((index, ScenarioProblem::AfterTheEnd { what, at, end }));
        }
    }
    order(events)?;
    let earliest = times(events, |_, span| span.least);
    let timed = events
        .iter()
        .zip(&earliest)
        .zip(drained(events))
        .map(|((event, times), drained)| Timed::of(event, *times, drained));
    let (places, timed): (Vec<usize>, Vec<Timed>) = timed
        .enumerate()
        .filter_map(|(index, timed)| timed.map(|timed| (index, timed)))
        .unzip();
    let mut senseless = replay(scenario, &timed).senseless.into_iter();
    match senseless.next() {
        None => Ok(()),
        Some((place, senseless)) => Err((places.get(place).copied().unwrap_or(0), senseless.into())),
    }
}

/// Checks that of any two edges with a common subject it is certain which is the earlier.
fn order(events: &[TimelineEvent]) -> Result<(), (usize, ScenarioProblem)> {
    let waits = drained(events);
    let mut points: Vec<(TimelinePoint, Vec<Subject<'_>>)> = Vec::new();
    for (event, entry) in events.iter().enumerate() {
        let begin = TimelinePoint {
            event,
            edge: Edge::Begin,
        };
        points.push((begin, subjects(&entry.what)));
        if entry.lasts.is_some() && !matches!(entry.what, What::Swarm { .. }) {
            let end = TimelinePoint { event, edge: Edge::End };
            points.push((end, subjects(&entry.what)));
        }
    }
    for (later, (point, about)) in points.iter().enumerate() {
        for (other, other_about) in &points[..later] {
            let waits_alike = waits[point.event] == waits[other.event];
            let Some(subject) = shared(about, other_about, waits_alike) else {
                continue;
            };
            if point.event == other.event
                || is_over_before(events, *point, *other)
                || is_over_before(events, *other, *point)
            {
                continue;
            }
            let what = match &events[other.event].what {
                What::Do(action) => action.to_string(),
                What::Swarm { .. } => "a swarm".to_owned(),
            };
            let other = other.event + 1;
            return Err((point.event, ScenarioProblem::Unordered { other, what, subject }));
        }
    }
    Ok(())
}

/// Returns whether everything that `first` does is certainly over before `second`. A swarm lasts
/// for its whole window.
fn is_over_before(events: &[TimelineEvent], first: TimelinePoint, second: TimelinePoint) -> bool {
    let first = match &events[first.event].what {
        What::Swarm { .. } => TimelinePoint {
            edge: Edge::End,
            ..first
        },
        What::Do(_) => first,
    };
    let least = least_difference(events, first, second);
    // At the same time, ends come before beginnings; then the order of the file decides.
    let key = |point: TimelinePoint| (point.edge, point.event);
    least > 0 || (least == 0 && key(first) < key(second))
}

/// The least that `later` may be after `earlier`, in microseconds; negative if it may be before.
/// Times that are counted from the same event differ by what is counted, whenever that event
/// happens.
fn least_difference(events: &[TimelineEvent], earlier: TimelinePoint, later: TimelinePoint) -> i128 {
    let least_of_earlier = ways_back(events, earlier);
    let of_later = ways_back(events, later);
    // The nearest common origin comes first on both chains.
    for (point, (least, _)) in &of_later {
        if let Some((_, (_, most))) = least_of_earlier.iter().find(|(other, _)| other == point) {
            return least - most;
        }
    }
    0
}

/// The chain of edges from which an edge is counted, back to the beginning of the load (`None`),
/// with the least and the most time that lie between.
fn ways_back(events: &[TimelineEvent], point: TimelinePoint) -> Vec<(Option<TimelinePoint>, (i128, i128))> {
    let us = |length: Duration| i128::try_from(length.as_micros()).unwrap_or(i128::MAX);
    let mut way = Vec::new();
    let (mut at, mut least, mut most) = (Some(point), 0, 0);
    loop {
        way.push((at, (least, most)));
        let Some(point) = at else { return way };
        if point.edge == Edge::Proof {
            most += PROOF_US_MAX;
            at = Some(TimelinePoint {
                edge: Edge::Begin,
                ..point
            });
            continue;
        }
        let (span, from) = counted_from(events, point);
        least += us(span.least);
        most += us(span.most);
        at = from;
    }
}

/// Returns the edge from which an edge is counted, and the time between them.
fn counted_from(events: &[TimelineEvent], point: TimelinePoint) -> (Span, Option<TimelinePoint>) {
    let event = &events[point.event];
    let begin = |event| TimelinePoint {
        event,
        edge: Edge::Begin,
    };
    match (event.lasts, &event.at) {
        (Some(lasts), _) if point.edge == Edge::End => (lasts, Some(begin(point.event))),
        (_, When::After(span)) => (*span, None),
        (_, When::AfterPrevious(span)) => (*span, point.event.checked_sub(1).map(begin)),
        (_, When::AfterDrain(region, span)) => {
            let drain = drain_before(events, point.event, region);
            let proof = |event| TimelinePoint {
                event,
                edge: Edge::Proof,
            };
            (*span, drain.map(proof))
        }
    }
}

fn subjects(what: &What) -> Vec<Subject<'_>> {
    let What::Do(action) = what else {
        return vec![Subject::All];
    };
    match action {
        Action::Crash { region, .. }
        | Action::Restart { region }
        | Action::CopyDisk { region }
        | Action::RestoreDisk { region }
        | Action::LosePower { region }
        | Action::PauseReplication { region, .. }
        | Action::ResumeReplication { region, .. }
        | Action::Drain { region }
        | Action::Undrain { region } => vec![Subject::Region(region)],
        Action::AddReplica { region } | Action::RemoveReplica { region } => {
            vec![Subject::Replicas, Subject::Region(region)]
        }
        Action::Shift { from, .. } => vec![Subject::Clients(from)],
        _ => vec![Subject::Settings],
    }
}

/// Returns a subject that both have, in words.
fn shared(one: &[Subject<'_>], other: &[Subject<'_>], waits_alike: bool) -> Option<String> {
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
    let mut names = pairs.filter_map(|pair| match pair {
        (Subject::Settings, Subject::Settings | Subject::All) | (Subject::All, Subject::Settings) => {
            (!waits_alike).then(|| "links, disks, clocks or rates".to_owned())
        }
        (Subject::All, Subject::Region(region)) | (Subject::Region(region), Subject::All) => Some((*region).to_owned()),
        (Subject::All, Subject::All) => Some("every region".to_owned()),
        (one, other) if one == other => Some(match one {
            Subject::Region(region) => (*region).to_owned(),
            Subject::Clients(region) => format!("the clients of {region}"),
            Subject::Replicas => "the replicas".to_owned(),
            Subject::Settings => "links, disks, clocks or rates".to_owned(),
            Subject::All => "every region".to_owned(),
        }),
        _ => None,
    });
    names.next()
}
