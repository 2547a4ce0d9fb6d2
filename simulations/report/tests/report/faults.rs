//! The faults of a plan, and when each ends.

use beringia_report::{FaultSpan, fault_spans, heals};
use beringia_scenario::Action;

use crate::support::{REGIONS, ends, millis, plan};

fn spans(timeline: Vec<(u64, Action)>) -> Vec<(String, u64, Option<u64>)> {
    let whole = |span: FaultSpan| (span.label, span.from_ms / 1000, span.until_ms.map(|until| until / 1000));
    fault_spans(&plan(timeline)).into_iter().map(whole).collect()
}

#[test]
fn a_cut_ends_when_both_links_are_open() {
    let [one, other, _] = REGIONS;
    let heal = |one_way| Action::Heal(Some(ends(one, other, one_way)));
    let cut = Action::Cut {
        ends: ends(one, other, false),
        reset: false,
    };
    let back = Action::Heal(Some(ends(other, one, true)));
    let label = "cut us-east-1 ↔ eu-west-1".to_owned();
    assert_eq!(
        spans(vec![(1, cut.clone()), (5, heal(true)), (9, back)]),
        [(label.clone(), 1, Some(9))]
    );
    assert_eq!(
        spans(vec![(1, cut.clone()), (5, heal(false))]),
        [(label.clone(), 1, Some(5))]
    );
    assert_eq!(spans(vec![(1, cut)]), [(label, 1, None)]);
}

#[test]
fn an_isolation_ends_when_all_links_of_the_region_are_open() {
    let [one, other, third] = REGIONS;
    let isolate = Action::Isolate {
        region: one.to_owned(),
        reset: true,
    };
    let heal = |to| Action::Heal(Some(ends(one, to, false)));
    let label = "isolate us-east-1".to_owned();
    assert_eq!(
        spans(vec![(1, isolate.clone()), (2, heal(other)), (3, heal(third))]),
        [(label.clone(), 1, Some(3))]
    );
    assert_eq!(
        spans(vec![(1, isolate), (2, Action::Heal(None))]),
        [(label, 1, Some(2))]
    );
}

/// Setting the usual value again is not a fault.
#[test]
fn a_setting_ends_at_the_next_one() {
    let [one, other, _] = REGIONS;
    let usual = plan(Vec::new()).scenario.topology.link(one, other).unwrap().clone();
    let delay = |ms: f64| Action::Delay {
        ends: ends(one, other, true),
        delay: millis(1).mul_f64(ms),
        jitter: millis(1).mul_f64(usual.jitter_ms),
    };
    assert_eq!(
        spans(vec![(1, delay(500.0)), (2, delay(900.0)), (3, delay(usual.delay_ms))]),
        [
            ("delay 500 ms us-east-1 → eu-west-1".to_owned(), 1, Some(2)),
            ("delay 900 ms us-east-1 → eu-west-1".to_owned(), 2, Some(3)),
        ]
    );
}

#[test]
fn a_crash_ends_at_the_restart_and_a_clock_step_at_once() {
    let region = |name: &str| name.to_owned();
    let timeline = vec![
        (
            1,
            Action::Crash {
                region: region(REGIONS[0]),
                lose_disk: true,
            },
        ),
        (
            2,
            Action::ClockStep {
                region: region(REGIONS[1]),
                by_ms: -250,
            },
        ),
        (
            3,
            Action::Restart {
                region: region(REGIONS[1]),
            },
        ),
        (
            4,
            Action::Restart {
                region: region(REGIONS[0]),
            },
        ),
    ];
    assert_eq!(
        spans(timeline),
        [
            ("crash us-east-1, disk lost".to_owned(), 1, Some(4)),
            ("clock -250 ms eu-west-1".to_owned(), 2, Some(2)),
        ]
    );
}

#[test]
fn every_action_that_restores_a_state_is_a_heal() {
    let [one, other, third] = REGIONS;
    let region = || one.to_owned();
    let usual = plan(Vec::new()).scenario.topology.link(one, other).unwrap().clone();
    let delay = |ms: f64| Action::Delay {
        ends: ends(one, other, true),
        delay: millis(1).mul_f64(ms),
        jitter: millis(1).mul_f64(usual.jitter_ms),
    };
    let disk = |ms| Action::SlowDisk {
        region: region(),
        by: millis(ms),
    };
    let step = |by_ms| Action::ClockStep {
        region: region(),
        by_ms,
    };
    let cut = |to: &str| Action::Cut {
        ends: ends(one, to, false),
        reset: false,
    };
    let heal = |to: &str| Action::Heal(Some(ends(one, to, false)));
    let crash = Action::Crash {
        region: region(),
        lose_disk: false,
    };
    let timeline = [
        (cut(other), false),
        (cut(third), false),
        (heal(other), true),
        (delay(300.0), false),
        (delay(200.0), false),
        (delay(usual.delay_ms), true),
        (disk(5), false),
        (disk(0), true),
        (step(30), false),
        (step(-10), false),
        (step(-20), true),
        (heal(third), true),
        (Action::Heal(None), false),
        (crash, false),
        (Action::Restart { region: region() }, true),
        (
            Action::PauseReplication {
                region: region(),
                table: None,
            },
            false,
        ),
        (
            Action::ResumeReplication {
                region: region(),
                table: None,
            },
            true,
        ),
        (Action::Drain { region: region() }, false),
        (Action::Undrain { region: region() }, false),
    ];
    let (actions, expected): (Vec<_>, Vec<_>) = timeline.into_iter().unzip();
    let plan = plan((1..).zip(actions).collect());
    let found: Vec<_> = plan
        .timeline
        .iter()
        .map(|planned| planned.action.to_string())
        .zip(heals(&plan))
        .collect();
    let names = plan.timeline.iter().map(|planned| planned.action.to_string());
    assert_eq!(found, names.zip(expected).collect::<Vec<_>>());
}
