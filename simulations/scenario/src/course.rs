//! A timeline while it is played: what is next, and when, where actions wait for the proof of a drain.

use std::time::Duration;

use crate::{Action, Plan, Planned};

/// Where the playing of a plan has come to. Players ask it what is next, and tell it of drains that are proven.
#[derive(Debug, Clone)]
pub struct Course {
    plan: Plan,
    /// For each action of the plan: what is known of it.
    states: Vec<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Due at its time.
    Due(Duration),
    /// Due so long after the drain at this place of the timeline is proven.
    Waits(usize, Duration),
    /// It happened then.
    Done(Duration),
}

impl Course {
    /// The beginning.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let state = |(index, planned): (usize, &Planned)| match drain_of(&plan.timeline, index) {
            Some(drain) => State::Waits(drain, planned.at.saturating_sub(plan.timeline[drain].at)),
            None => State::Due(planned.at),
        };
        Self {
            states: plan.timeline.iter().enumerate().map(state).collect(),
            plan: plan.clone(),
        }
    }

    /// The next action whose time is known: its place in the timeline, and the time.
    #[must_use]
    pub fn next(&self) -> Option<(usize, Duration)> {
        let due = |(index, state): (usize, &State)| match state {
            State::Due(at) => Some((*at, index)),
            State::Waits(..) | State::Done(_) => None,
        };
        let next = self.states.iter().enumerate().filter_map(due).min();
        next.map(|(at, index)| (index, at))
    }

    /// The action at a place of the timeline happened.
    pub fn done(&mut self, index: usize, at: Duration) {
        if let Some(state) = self.states.get_mut(index) {
            *state = State::Done(at);
        }
    }

    /// It is proven that every other region has the last write of one that is drained.
    pub fn proven(&mut self, region: &str, at: Duration) {
        // A drain that has not begun is not the one that is proven.
        let has_begun = |index: usize, states: &[State]| {
            let planned = &self.plan.timeline[index];
            matches!(&planned.action, Action::Drain { region: drained } if drained == region)
                && matches!(states[index], State::Done(_))
        };
        for index in 0..self.states.len() {
            if let State::Waits(drain, after) = self.states[index]
                && has_begun(drain, &self.states)
            {
                self.states[index] = State::Due(at + after);
            }
        }
    }

    /// What has not happened and is not to happen by `end`: it waits for a proof, or for what does, or the proof came too late.
    #[must_use]
    pub fn overdue(&self, end: Duration) -> Vec<&Action> {
        let is_overdue = |(index, state): &(usize, &State)| match state {
            State::Waits(..) => true,
            State::Due(at) => *at > end || self.plan.timeline[*index].drained.is_some(),
            State::Done(_) => false,
        };
        let states = self.states.iter().enumerate();
        states
            .filter(is_overdue)
            .map(|(index, _)| &self.plan.timeline[index].action)
            .collect()
    }

    /// The plan at the times that are known by now; what waits still has its earliest.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.with_times(|_| true)
    }

    /// The plan as it was played: what happened, at its times.
    #[must_use]
    pub fn played(&self) -> Plan {
        self.with_times(|state| matches!(state, State::Done(_)))
    }

    fn with_times(&self, is_kept: impl Fn(&State) -> bool) -> Plan {
        let timed = |(planned, state): (&Planned, &State)| Planned {
            at: match state {
                State::Due(at) | State::Done(at) => *at,
                State::Waits(..) => planned.at,
            },
            ..planned.clone()
        };
        let kept = self.plan.timeline.iter().zip(&self.states);
        let mut timeline: Vec<Planned> = kept.filter(|(_, state)| is_kept(state)).map(timed).collect();
        timeline.sort_by_key(|planned| planned.at);
        Plan {
            timeline,
            ..self.plan.clone()
        }
    }
}

/// The place of the drain for whose proof an action waits.
pub(crate) fn drain_of(timeline: &[Planned], index: usize) -> Option<usize> {
    let waits_for = timeline.get(index)?.drained.as_ref()?;
    let is_meant = |planned: &Planned| matches!(&planned.action, Action::Drain { region } if region == waits_for);
    timeline[..index].iter().rposition(is_meant)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Scenario;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn course(events: &str) -> Course {
        let scenario = Scenario::parse(events, Path::new("test.toml")).expect("a scenario");
        Course::new(&Plan::draw(&scenario, 1))
    }

    const FAILOVER: &str = r#"
        [[event]]
        at = "10s"
        drain = "us-east-1"
        [[event]]
        when_drained = "us-east-1"
        after = "1s"
        shift = "us-east-1"
        to = "eu-west-1"
        [[event]]
        after = "2s"
        lasts = "5s"
        crash = "us-east-1"
        [[event]]
        at = "12s"
        slow_disk = "eu-west-1"
        by = "5ms"
    "#;

    /// Plays to the end, with the proof at a time; what happened when.
    fn play(course: &mut Course, proven: Option<Duration>, end: Duration) -> Vec<(u64, String)> {
        let mut proven = proven;
        loop {
            let next = course.next().filter(|(_, at)| *at <= end);
            match (next, proven) {
                (next, Some(at)) if next.is_none_or(|(_, due)| at < due) => {
                    course.proven("us-east-1", at);
                    proven = None;
                }
                (Some((index, at)), _) => course.done(index, at),
                (None, _) => break,
            }
        }
        let played = course.played().timeline.into_iter();
        played
            .map(|planned| (planned.at.as_secs(), planned.action.to_string()))
            .collect()
    }

    #[test]
    fn what_waits_for_a_proof_happens_so_long_after_it_and_the_rest_in_time() {
        let mut course = course(FAILOVER);
        let played = play(&mut course, Some(seconds(14)), seconds(60));
        let expected = [
            (10, "drain us-east-1"),
            (12, "disk of eu-west-1 slower by 5ms"),
            (15, "clients of us-east-1 go to eu-west-1"),
            (17, "crash us-east-1"),
            (22, "restart us-east-1"),
            (60, "disk of eu-west-1 as fast as it was"),
        ];
        assert_eq!(played, expected.map(|(at, what)| (at, what.to_owned())));
        assert_eq!(course.overdue(seconds(60)), Vec::<&Action>::new());
    }

    #[test]
    fn without_a_proof_what_waits_for_it_does_not_happen() {
        let mut course = course(FAILOVER);
        assert_eq!(play(&mut course, None, seconds(60)).len(), 3);
        let overdue: Vec<String> = course.overdue(seconds(60)).iter().map(ToString::to_string).collect();
        assert_eq!(
            overdue,
            [
                "clients of us-east-1 go to eu-west-1",
                "crash us-east-1",
                "restart us-east-1"
            ]
        );
        let mut late = self::course(FAILOVER);
        play(&mut late, Some(seconds(58)), seconds(60));
        assert_eq!(late.overdue(seconds(60)).len(), 2);
    }

    #[test]
    fn a_plan_that_waits_is_written_and_read_as_the_same() {
        let plan = course(FAILOVER).plan;
        let again = Scenario::parse(&plan.to_toml(), Path::new("test.toml")).expect("a scenario");
        assert_eq!(Plan::draw(&again, 7).timeline, plan.timeline);
    }
}
