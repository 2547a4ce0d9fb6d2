//! Plans: one run of a scenario, with concrete actions at concrete times.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use crate::{Action, Scenario, Span, SwarmDraw, TimelineEvent, What, When, draw, form, timeline::drain_of};

/// One run of a scenario: everything that the seed decides is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The scenario, with what the seed drew for its load. `timeline` was drawn from its `events`.
    pub scenario: Scenario,
    /// The seed from which everything random in the run follows.
    pub seed: u64,
    /// The actions, in order of time. None is impossible when it happens, such as the restart of a
    /// region that runs. When the load ends at the latest, every link is open, every region runs,
    /// every disk is well, and no replication is paused.
    pub timeline: Vec<Planned>,
}

/// An action of the plan, and when it is performed.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The time since the load began.
    pub at: Duration,
    /// The region whose proven drain the action waits for, if any. Then `at` is the action's time
    /// if the proof takes none; [`crate::TimelineCursor`] knows the real time.
    pub drained: Option<String>,
    /// The action that happens then.
    pub action: Action,
}

impl Plan {
    /// Draws what the seed decides: times within their bounds, and swarms with the load, options
    /// and expectations that they require. The same seed gives the same plan.
    ///
    /// An action that lasts is undone at its end, unless another one that lasts longer has the same
    /// effect. Faults that are still in effect when the load ends (links cut, regions down, disks
    /// slow or full, replication paused) are undone then.
    #[must_use]
    pub fn draw(scenario: &Scenario, seed: u64) -> Self {
        let scenario = draw::varied(scenario, seed);
        Self {
            timeline: draw::timeline(&scenario, seed),
            scenario,
            seed,
        }
    }

    /// What the seed drew for each swarm of the scenario.
    #[must_use]
    pub fn swarms(&self) -> Vec<SwarmDraw> {
        draw::swarm_draws(&self.scenario, self.seed)
    }

    /// Returns a scenario whose events are this timeline with its times, regardless of the seed of
    /// a run. This plan's seed is its default.
    #[must_use]
    pub fn to_scenario(&self) -> Scenario {
        let exactly = |at| Span { least: at, most: at };
        let event = |(index, planned): (usize, &Planned)| TimelineEvent {
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

    /// Writes [`Plan::to_scenario`] as a file that replays this plan.
    #[must_use]
    pub fn to_toml(&self) -> String {
        form::write(&self.to_scenario())
    }

    /// The fingerprint of the plan: a hash of [`Plan::to_toml`] as 32 hexadecimal digits. Runs with
    /// the same fingerprint of the plan were to do the same; in real time they do not.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{:032x}", xxh3_128(self.to_toml().as_bytes()))
    }
}
