//! The run that measures how fast regions apply mutations, for the lower bound of convergence.

use std::time::Duration;

use beringia_scenario::{Action, Ends, Expectations, Plan, Planned, Scenario};

/// The longest load of a calibration: half of it is a backlog of thirty seconds.
const LOAD_MAX: Duration = Duration::from_secs(60);

/// The plan of a run without faults in which every region catches up with half of the load: its
/// replication is paused until then, and links have all the bandwidth that they need. `None` if no
/// convergence of the plan is judged by its bound, or the rate is stated.
pub(crate) fn calibration(plan: &Plan) -> Option<Plan> {
    let expect = &plan.scenario.expect;
    if expect.converged_ratio_max.is_none() || expect.applied_per_second.is_some() {
        return None;
    }
    let duration = plan.scenario.duration.min(LOAD_MAX);
    let topology = &plan.scenario.topology;
    let at = |at, action| Planned {
        at,
        drained: None,
        action,
    };
    let widened = topology.links().iter().map(|link| Action::Bandwidth {
        ends: Ends {
            from: link.from.clone(),
            to: link.to.clone(),
            one_way: true,
        },
        mbit: None,
    });
    let paused = plan.scenario.replicas.iter().map(|region| Action::PauseReplication {
        region: region.clone(),
        table: None,
    });
    let resumed = plan.scenario.replicas.iter().map(|region| Action::ResumeReplication {
        region: region.clone(),
        table: None,
    });
    let begin = widened.chain(paused).map(|action| at(Duration::ZERO, action));
    let timeline = begin.chain(resumed.map(|action| at(duration / 2, action))).collect();
    Some(Plan {
        scenario: Scenario {
            duration,
            recreated_table: false,
            stream_readers: false,
            events: Vec::new(),
            expect: Expectations::default(),
            ..plan.scenario.clone()
        },
        seed: plan.seed,
        timeline,
    })
}
