//! A timeline while it is played: which action is next and when, while some actions wait for the
//! proof of a drain.

use std::time::Duration;

use crate::{Action, Plan, Planned};

/// The progress of a plan that is being played. Players ask it for the next action, and report the
/// drains that are proven.
#[derive(Debug, Clone)]
pub struct TimelineCursor {
    plan: Plan,
    /// The state of each action of the plan.
    states: Vec<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The action is due at this time.
    Due(Duration),
    /// The action is due this long after the proof of the drain at this index of the timeline.
    Waits(usize, Duration),
    /// The action happened at this time.
    Done(Duration),
}

impl TimelineCursor {
    /// The state before the first action of a plan.
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

    /// The next action whose time is known: its index in the timeline, and its time.
    #[must_use]
    pub fn next(&self) -> Option<(usize, Duration)> {
        let due = |(index, state): (usize, &State)| match state {
            State::Due(at) => Some((*at, index)),
            State::Waits(..) | State::Done(_) => None,
        };
        let next = self.states.iter().enumerate().filter_map(due).min();
        next.map(|(at, index)| (index, at))
    }

    /// Records that the action at this index of the timeline happened.
    pub fn done(&mut self, index: usize, at: Duration) {
        if let Some(state) = self.states.get_mut(index) {
            *state = State::Done(at);
        }
    }

    /// Records the proof that every other region has the last write of a drained region.
    pub fn proven(&mut self, region: &str, at: Duration) {
        // A drain that has not begun cannot be the one that is proven.
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

    /// The actions that will not happen by `end`: they wait for a proof, or for an action that
    /// does, or the proof came too late.
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

    /// The plan with the times that are known so far; actions that still wait have their earliest
    /// times.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.with_times(|_| true)
    }

    /// The plan as it was played: only what happened, at its times.
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

/// The index of the drain for whose proof an action waits.
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

    fn timeline(events: &str) -> TimelineCursor {
        let scenario = Scenario::parse(events, Path::new("test.toml")).expect("a scenario");
        TimelineCursor::new(&Plan::draw(&scenario, 1))
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

    /// Plays a plan to the end with a proof at this time, and returns what happened when.
    fn play(timeline: &mut TimelineCursor, proven: Option<Duration>, end: Duration) -> Vec<(u64, String)> {
        let mut proven = proven;
        loop {
            let next = timeline.next().filter(|(_, at)| *at <= end);
            match (next, proven) {
                (next, Some(at)) if next.is_none_or(|(_, due)| at < due) => {
                    timeline.proven("us-east-1", at);
                    proven = None;
                }
                (Some((index, at)), _) => timeline.done(index, at),
                (None, _) => break,
            }
        }
        let played = timeline.played().timeline.into_iter();
        played
            .map(|planned| (planned.at.as_secs(), planned.action.to_string()))
            .collect()
    }

    /// Other actions happen at their times.
    #[test]
    fn actions_that_wait_for_a_proof_happen_after_it() {
        let mut timeline = timeline(FAILOVER);
        let played = play(&mut timeline, Some(seconds(14)), seconds(60));
        let expected = [
            (10, "drain us-east-1"),
            (12, "disk of eu-west-1 slower by 5ms"),
            (15, "clients of us-east-1 go to eu-west-1"),
            (17, "crash us-east-1"),
            (22, "restart us-east-1"),
            (60, "disk of eu-west-1 at its normal speed"),
        ];
        assert_eq!(played, expected.map(|(at, what)| (at, what.to_owned())));
        assert_eq!(timeline.overdue(seconds(60)), Vec::<&Action>::new());
    }

    #[test]
    fn actions_that_wait_for_a_missing_proof_do_not_happen() {
        let mut timeline = timeline(FAILOVER);
        assert_eq!(play(&mut timeline, None, seconds(60)).len(), 3);
        let overdue: Vec<String> = timeline.overdue(seconds(60)).iter().map(ToString::to_string).collect();
        assert_eq!(
            overdue,
            [
                "clients of us-east-1 go to eu-west-1",
                "crash us-east-1",
                "restart us-east-1"
            ]
        );
        let mut late = self::timeline(FAILOVER);
        play(&mut late, Some(seconds(58)), seconds(60));
        assert_eq!(late.overdue(seconds(60)).len(), 2);
    }

    #[test]
    fn a_plan_that_waits_for_a_proof_is_read_as_written() {
        let plan = timeline(FAILOVER).plan;
        let again = Scenario::parse(&plan.to_toml(), Path::new("test.toml")).expect("a scenario");
        assert_eq!(Plan::draw(&again, 7).timeline, plan.timeline);
    }
}
