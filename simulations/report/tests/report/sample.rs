//! A run as a player would record it: two minutes with a partition, a crash with moved traffic, and
//! conflicts.

use std::time::Duration;

use beringia_history::FailureCause;
use beringia_oracle::Accounting;
use beringia_regions::Topology;
use beringia_report::{
    AnomalyCount, ArrivalSample, BacklogSample, DiskLoss, OperationSample, Player, Recorder, ReportedBacklog, Run,
    Shipment, judge,
};
use beringia_scenario::{Action, Availability, Expectations, Plan, Planned};

use crate::support::{ends, millis, plan, seconds};

/// The seconds of load, and of the partition between the first and the second region.
const LOAD: u64 = 120;
const PARTITION: std::ops::Range<u64> = 20..60;
const CRASH: std::ops::Range<u64> = 75..95;

/// Numbers that look random and are always the same.
fn jitter(index: u64) -> u64 {
    let mixed = (index ^ 0x9E37_79B9).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 29)) % 1000
}

/// The plan of the run.
pub(crate) fn sample_plan(topology: Topology) -> Plan {
    let names: Vec<String> = topology.names().map(str::to_owned).collect();
    let mut plan = plan(Vec::new());
    plan.scenario.name = "partition".to_owned();
    plan.scenario.about =
        "Two regions cannot reach each other for forty seconds, and both keep accepting writes. Later one of them \
        crashes, loses its disk, and its traffic moves away."
            .to_owned();
    plan.scenario.topology = topology;
    plan.scenario.duration = seconds(LOAD);
    let at = |at, action| Planned {
        drained: None,
        at: seconds(at),
        action,
    };
    let shift = |to: &String| Action::Shift {
        from: names[0].clone(),
        to: to.clone(),
    };
    plan.timeline = vec![
        at(
            PARTITION.start,
            Action::Cut {
                ends: ends(&names[0], &names[1], false),
                reset: false,
            },
        ),
        at(PARTITION.end, Action::Heal(None)),
        at(
            66,
            Action::ClockStep {
                region: names[1].clone(),
                by_ms: 250,
            },
        ),
        at(
            CRASH.start,
            Action::Crash {
                region: names[0].clone(),
                lose_disk: true,
            },
        ),
        at(CRASH.start + 4, shift(&names[1])),
        at(
            CRASH.end,
            Action::Restart {
                region: names[0].clone(),
            },
        ),
        at(110, shift(&names[0])),
    ];
    plan
}

/// The run as a player would have recorded it.
pub(crate) fn sample(topology: Topology) -> Run {
    let plan = sample_plan(topology);
    let mut recorder = Recorder::new(&plan, Player::Sim);
    let names: Vec<&str> = plan.scenario.topology.names().collect();
    // The missing mutations are those that arrive after this.
    awaited(&mut recorder, &names);
    for second in 0..LOAD {
        for (index, name) in names.iter().enumerate() {
            operations(&mut recorder, &names, index, name, second);
        }
        arrivals(&mut recorder, &plan, second);
        conflicts(&mut recorder, &names, second);
    }
    levels(&mut recorder, &names);
    let mut run = recorder.finish(seconds(LOAD + 3), "beringia sim run partition --seed 7");
    run.writes = Accounting {
        acknowledged: 23_410,
        unknown: 37,
        current: 2_998,
        superseded: 19_699,
        lost_to_conflicts: 698,
        lost_with_disk: 12,
        unshipped: 3,
        lost: 0,
    };
    run.disk_losses.push(DiskLoss {
        region: names[0].to_owned(),
        at_ms: CRASH.start * 1000,
        writes: 12,
        bytes: 13_204,
        seconds: 0.118,
        reported_backlog: Some(ReportedBacklog {
            writes: 12,
            bytes: 13_204,
            seconds: 0.118,
        }),
    });
    run.anomalies = vec![
        AnomalyCount {
            name: "stale-read".to_owned(),
            count: 1_204,
            worst_ms: Some(40_112.0),
            example: Some(
                "client 14 in us-east-1 read k<17> at 59.9 s, 40.1 s after eu-west-1 had acknowledged m-991".to_owned(),
            ),
        },
        AnomalyCount {
            name: "lost-update".to_owned(),
            count: 88,
            worst_ms: None,
            example: Some("m-1021 was based on m-877, which the concurrent m-990 replaced".to_owned()),
        },
    ];
    let mut expected = Expectations {
        converged_within: Some(seconds(5)),
        rto_max: Some(seconds(5)),
        lag_p99_max: Some(seconds(30)),
        ..Expectations::default()
    };
    for (region, percent_min) in [("*", 99.9), (names[0], 80.0)] {
        expected
            .availability
            .insert(region.to_owned(), Availability { percent_min });
    }
    judge(&expected, &mut run);
    run
}

fn operations(recorder: &mut Recorder, names: &[&str], index: usize, name: &str, second: u64) {
    for number in 0..100 {
        let random = jitter(second * 7919 + number * 31 + index as u64);
        let moved = index == 0 && (CRASH.start + 4..110).contains(&second);
        let slow_to_move = moved && second == CRASH.start + 4 && number < 30;
        let down = index == 0 && CRASH.contains(&second) && !moved || slow_to_move;
        let due = seconds(second) + millis(number * 10);
        let latency = Duration::from_micros(900 + random * random / 200 + if moved { 76_000 } else { 0 });
        recorder.operation(&OperationSample {
            home: name,
            asked: if moved { names[1] } else { name },
            due,
            sent: due,
            done: due + latency,
            failure: down.then_some(FailureCause::Refused),
            is_rejected: false,
        });
    }
}

/// When a write of second `second` from one region reaches another: once the link is open.
fn arrivals(recorder: &mut Recorder, plan: &Plan, second: u64) {
    for (number, link) in plan.scenario.topology.links().iter().enumerate() {
        let cut = PARTITION.contains(&second) && is_cut(plan, &link.from, &link.to);
        let one_way = Duration::from_secs_f64(link.delay_ms / 1000.0);
        for step in 0..10 {
            let committed = seconds(second) + millis(step * 100);
            let random = jitter(second * 131 + step * 17 + number as u64);
            let waited = if cut {
                seconds(PARTITION.end) - committed
            } else {
                Duration::ZERO
            };
            let lag = one_way + waited + Duration::from_micros(1500 + random * 9);
            let arrival = ArrivalSample {
                sequence: second * 10 + step,
                committed,
                lag,
                one_way,
            };
            recorder.arrivals(&link.from, &link.to, [arrival]);
        }
        recorder.wire_bytes(&link.from, &link.to, 11_400);
    }
}

fn is_cut(plan: &Plan, from: &str, to: &str) -> bool {
    let names: Vec<&str> = plan.scenario.topology.names().take(2).collect();
    names.contains(&from) && names.contains(&to)
}

fn conflicts(recorder: &mut Recorder, names: &[&str], second: u64) {
    if PARTITION.contains(&second) {
        for number in 0..jitter(second) % 18 {
            let (winner, loser) = if number % 3 == 0 { (0, 1) } else { (1, 0) };
            recorder.conflict(names[winner], names[loser], seconds(second));
        }
    }
    if second % 9 == 4 && names.len() > 2 {
        recorder.conflict(names[2], names[usize::from(second.is_multiple_of(2))], seconds(second));
    }
}

fn levels(recorder: &mut Recorder, names: &[&str]) {
    for tenth in 0..(LOAD + 3) * 10 {
        let at_ms = tenth * 100;
        let second = tenth / 10;
        let behind = if PARTITION.contains(&second) {
            (at_ms - PARTITION.start * 1000) / 10
        } else {
            4_000u64.saturating_sub(at_ms.saturating_sub(PARTITION.end * 1000) * 2) * u64::from(second >= PARTITION.end)
        };
        for (from, to) in [(0, 1), (1, 0)] {
            let sample = BacklogSample {
                at_ms,
                mutations: behind + jitter(tenth) / 100,
                bytes: behind * 1100,
            };
            recorder.backlog(names[from], names[to], sample);
        }
        let load = second < LOAD;
        let keys = behind / 3
            + if load {
                jitter(tenth) / 90
            } else {
                9u64.saturating_sub(tenth - LOAD * 10)
            };
        recorder.divergence(millis(at_ms), keys);
    }
}

fn awaited(recorder: &mut Recorder, names: &[&str]) {
    let shipment = Shipment {
        from: names[0].to_owned(),
        to: names[1].to_owned(),
        mutations: 4_000,
        bytes: 4_400_000,
        one_way: millis(38),
        bandwidth_mbit: Some(25.0),
    };
    let heal = recorder.must_converge("heal", seconds(PARTITION.end), vec![shipment.clone()]);
    recorder.converged(heal, seconds(PARTITION.end) + millis(2_010));
    let last = Shipment {
        bytes: 90_000,
        mutations: 60,
        ..shipment
    };
    let end = recorder.must_converge("end of the load", seconds(LOAD), vec![last]);
    recorder.converged(end, seconds(LOAD) + millis(900));
}
