//! Plans and runs for the tests.

use std::{collections::BTreeMap, time::Duration};

use beringia_history::FailureCause;
use beringia_regions::Topology;
use beringia_report::{OperationSample, Player, Recorder, Run};
use beringia_scenario::{Action, Disks, Ends, Expectations, Plan, Planned, Policy, RegionOptions, Scenario};

/// The three regions of every plan in these tests.
pub(crate) const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn ends(from: &str, to: &str, one_way: bool) -> Ends {
    Ends {
        from: from.to_owned(),
        to: to.to_owned(),
        one_way,
    }
}

/// A plan of three regions for a minute, with this timeline (seconds, action).
pub(crate) fn plan(timeline: Vec<(u64, Action)>) -> Plan {
    let topology = Topology::three();
    let scenario = Scenario {
        name: "test".to_owned(),
        about: "A plan of a test.".to_owned(),
        seed: None,
        replicas: topology.names().map(str::to_owned).collect(),
        topology,
        duration: seconds(60),
        starts_ms: None,
        behaviour: RegionOptions::default(),
        disks: Disks::default(),
        clocks: BTreeMap::new(),
        policy: Policy::Item,
        workloads: Vec::new(),
        recreated_table: false,
        stream_readers: false,
        events: Vec::new(),
        expect: Expectations::default(),
    };
    let timeline = timeline.into_iter().map(|(at, action)| Planned {
        drained: None,
        at: seconds(at),
        action,
    });
    Plan {
        scenario,
        seed: 7,
        timeline: timeline.collect(),
    }
}

/// An operation that was due when it was sent.
pub(crate) fn operation(
    home: &'static str,
    asked: &'static str,
    sent: Duration,
    took: Duration,
    answered: bool,
) -> OperationSample<'static> {
    OperationSample {
        home,
        asked,
        due: sent,
        sent,
        done: sent + took,
        failure: (!answered).then_some(FailureCause::Timeout),
        is_rejected: false,
    }
}

/// A run with this timeline, recorded by `feed`.
pub(crate) fn recorded(timeline: Vec<(u64, Action)>, feed: impl FnOnce(&mut Recorder)) -> Run {
    let mut recorder = Recorder::new(&plan(timeline), Player::Sim);
    feed(&mut recorder);
    recorder.finish(seconds(61), "again")
}

/// A run in which one operation was due, and answered at once.
pub(crate) fn used_run() -> Run {
    let mut recorder = Recorder::new(&plan(Vec::new()), Player::Sim);
    recorder.operation(&OperationSample {
        home: REGIONS[0],
        asked: REGIONS[0],
        due: seconds(1),
        sent: seconds(1),
        done: millis(1_005),
        failure: None,
        is_rejected: false,
    });
    recorder.finish(seconds(60), "beringia sim run test --seed 7")
}

/// A run in which nothing happened.
pub(crate) fn empty_run() -> Run {
    Recorder::new(&plan(Vec::new()), Player::Sim).finish(seconds(60), "beringia sim run test --seed 7")
}
