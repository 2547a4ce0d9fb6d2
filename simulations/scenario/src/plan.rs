//! What one run of a scenario does: concrete actions at concrete times.

use std::time::Duration;

use crate::{Action, Event, Scenario, Span, What, When, course::drain_of, draw, form};

/// One run of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is run. Its `events` are what `timeline` was drawn from.
    pub scenario: Scenario,
    /// Everything random in the run follows from it.
    pub seed: u64,
    /// What happens, in order of time. Nothing in it is senseless, such as the restart of a region that runs; and when the load ends at
    /// the latest, every link is open, every region runs, every disk is well, and no replication is paused.
    pub timeline: Vec<Planned>,
}

/// An action and when it happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Since the load began.
    pub at: Duration,
    /// The region for the proof of whose drain it waits; `at` is its time where that takes none. [`crate::Course`] knows the times.
    pub drained: Option<String>,
    /// What happens.
    pub action: Action,
}

impl Plan {
    /// Draws what the seed decides: times within their bounds, and swarms. The same seed gives the same plan.
    ///
    /// What lasts is undone at its end, as far as nothing else that lasts longer does the same. What is still wrong when the load ends
    /// (links cut, regions down, disks slow or full, replication paused) is put right then.
    #[must_use]
    pub fn draw(scenario: &Scenario, seed: u64) -> Self {
        Self {
            scenario: scenario.clone(),
            seed,
            timeline: draw::timeline(scenario, seed),
        }
    }

    /// The scenario that has this timeline, at its times, whatever the seed of a run; and this seed, for a run that names none.
    #[must_use]
    pub fn to_scenario(&self) -> Scenario {
        let exactly = |at| Span { least: at, most: at };
        let event = |(index, planned): (usize, &Planned)| Event {
            at: match (drain_of(&self.timeline, index), &planned.drained) {
                (Some(drain), Some(region)) => {
                    let after = planned.at.saturating_sub(self.timeline[drain].at);
                    When::AfterDrain(region.clone(), exactly(after))
                }
                _ => When::After(exactly(planned.at)),
            },
            lasts: None,
            what: What::Do(planned.action.clone()),
        };
        Scenario {
            seed: Some(self.seed),
            events: self.timeline.iter().enumerate().map(event).collect(),
            ..self.scenario.clone()
        }
    }

    /// A file that replays this plan: [`Plan::to_scenario`], written.
    #[must_use]
    pub fn to_toml(&self) -> String {
        form::write(&self.to_scenario())
    }
}
