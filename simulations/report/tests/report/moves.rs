//! The moves of clients: their times, and what they could not see.

use std::{collections::BTreeMap, fs};

use beringia_oracle::{DataLoss, JudgedWrite, Judgement, WriteOutcome};
use beringia_report::{ArrivalSample, EffectiveLoss, LoadSource, ReportedBacklog, Run, summary, write};
use beringia_scenario::{Action, Ends};

use crate::support::{REGIONS, millis, operation, recorded, seconds};

#[test]
fn a_move_has_times_from_the_fault_and_to_the_objective() {
    let [from, to, third] = REGIONS;
    let crash = Action::Crash {
        region: from.to_owned(),
        lose_disk: false,
    };
    let shift = |from: &str, to: &str| Action::Shift {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let timeline = vec![
        (10, crash),
        (15, shift(from, to)),
        (20, shift(third, to)),
        (30, shift(from, from)),
    ];
    let run = recorded(timeline, |recorder| {
        recorder.operation(&operation(from, to, seconds(15), seconds(5), false));
        recorder.operation(&operation(from, to, seconds(17), millis(200), true));
        recorder.operation(&operation(from, to, seconds(16), millis(100), true));
        recorder.operation(&operation(to, to, seconds(15), millis(1), true));
        for number in 0..30 {
            recorder.operation(&operation(
                from,
                to,
                seconds(18) + millis(number * 200),
                millis(1),
                true,
            ));
        }
    });
    let [crashed, moved] = run.failovers.as_slice() else {
        panic!("coming home is not a failover: {:?}", run.failovers)
    };
    assert_eq!(
        (
            crashed.until_move_ms(),
            crashed.first_success_after_ms(),
            crashed.until_objective_ms()
        ),
        (5_000, Some(1_100), Some(6_000))
    );
    assert_eq!(
        (
            moved.until_move_ms(),
            moved.first_success_after_ms(),
            moved.until_objective_ms()
        ),
        (0, None, None),
        "nothing had failed, and nothing succeeded"
    );
}

/// What became of the writes of the first region, of which the last came after the move.
fn judgement() -> Judgement {
    use WriteOutcome::{Current, Lost, LostToConflict, LostWithDisk, Superseded, Unshipped};
    let [from, _, third] = REGIONS;
    let write = |sequence, done_s: u64, outcome| JudgedWrite {
        done_us: done_s * 1_000_000,
        sequence,
        outcome,
    };
    let writes = vec![
        write(Some(1), 10, Current),
        write(Some(2), 11, Current),
        write(Some(3), 12, Superseded),
        write(Some(4), 12, LostToConflict),
        write(Some(5), 13, Current),
        write(Some(6), 13, Current),
        write(None, 14, LostWithDisk),
        write(None, 14, LostWithDisk),
        write(None, 14, Superseded),
        write(None, 14, Unshipped),
        write(None, 14, Lost),
        write(Some(7), 16, Current),
    ];
    Judgement {
        writes: BTreeMap::from([
            (from.to_owned(), writes),
            (third.to_owned(), vec![write(Some(2), 1, Lost)]),
        ]),
        ..Judgement::default()
    }
}

/// Clients leave a region at 15 s, and its disk is lost. What it had acknowledged by then counts,
/// if the other region saw it only later.
#[test]
fn effective_loss_says_what_became_of_each_write() {
    let [from, to, third] = REGIONS;
    let shift = |to: &str| Action::Shift {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let arrival = |sequence, committed_s, visible_s| ArrivalSample {
        sequence,
        committed: seconds(committed_s),
        lag: seconds(visible_s - committed_s),
        one_way: millis(40),
    };
    let judgement = judgement();
    let run = recorded(vec![(15, shift(to)), (40, shift(third))], |recorder| {
        // The first is there in time, the third and the fourth come later, and so does a write of
        // nobody's (expiry). The second was there, and is copied later again.
        let arrivals = [arrival(1, 10, 11), arrival(2, 11, 15), arrival(2, 11, 30)];
        recorder.arrivals(from, to, arrivals);
        recorder.arrivals(from, to, [arrival(3, 12, 20), arrival(4, 12, 20), arrival(8, 12, 20)]);
        recorder.arrivals(from, to, [arrival(7, 16, 20)]);
        recorder.never_arrived(from, to, 5, seconds(13));
        recorder.arrivals(from, third, (1..=7).map(|sequence| arrival(sequence, 9, 10)));
        recorder.judged(&judgement, []);
    });
    let [first, second] = run.failovers.as_slice() else {
        panic!("{:?}", run.failovers)
    };
    let expected = EffectiveLoss {
        visible_later: 1,
        lost_to_conflicts: 1,
        lost_with_disk: 2,
        unshipped: 1,
        missing: 2,
        unheard: 2,
        mutations_max: Some(6),
    };
    assert_eq!((first.effective_loss, first.effective_loss.writes()), (expected, 7));
    let known = EffectiveLoss {
        visible_later: 0,
        lost_to_conflicts: 0,
        missing: 1,
        unheard: 1,
        mutations_max: Some(2),
        ..expected
    };
    assert_eq!(second.effective_loss, known, "the third region saw what has a sequence");
    let text = summary(&run);
    let became = "of us-east-1 not visible in eu-west-1 when its clients moved: 1 became visible later, \
                  1 overwritten by concurrent writes, 2 lost with a disk, 1 unshipped, 2 missing, 2 more of \
                  which nothing was heard";
    assert!(
        text.contains(&format!("Effective loss  7 writes     {became}")),
        "{text}"
    );
}

/// The probes lost no write with the disk, but the region reported seven of applications.
#[test]
fn applications_may_lose_the_reported_backlog() {
    let [from, to, third] = REGIONS;
    let shift = |from: &str, to: &str| Action::Shift {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let report = |writes, seconds| ReportedBacklog {
        writes,
        bytes: 1,
        seconds,
    };
    let lost = |region: &str, at_s: u64| DataLoss {
        region: region.to_owned(),
        at_us: at_s * 1_000_000,
        ..DataLoss::default()
    };
    let of = |clients, reported: [Option<ReportedBacklog>; 2]| {
        let judgement = Judgement {
            losses: vec![lost(from, 14), lost(from, 30)],
            ..judgement()
        };
        recorded(vec![(15, shift(from, to)), (15, shift(third, to))], |recorder| {
            recorder.used_by(clients);
            recorder.never_arrived(from, to, 5, seconds(13));
            recorder.judged(&judgement, reported);
        })
    };
    let most = |run: &Run| [0, 1].map(|index| run.failovers[index].effective_loss.mutations_max);
    let attached = LoadSource::ApplicationsAndProbes;
    let young = Some(report(90, 14.0));
    let run = of(attached, [Some(report(7, 1.0)), young]);
    assert_eq!(
        most(&run),
        [Some(1 + 7), Some(0)],
        "what was lost later is younger than the move"
    );
    assert!(summary(&run).contains("; with applications at most 8 mutations"));
    let run = of(attached, [Some(report(7, 1.0)), Some(report(90, 15.0))]);
    assert_eq!(most(&run), [Some(1 + 97), Some(0)]);
    let run = of(attached, [Some(report(1, 1.0)), young]);
    assert_eq!(most(&run), [Some(1 + 2), Some(0)], "the probes themselves lost two");
    let run = of(LoadSource::Scenario, [None, None]);
    assert_eq!(most(&run), [Some(1 + 2), Some(0)], "there are no applications");
    let run = of(attached, [None, young]);
    assert_eq!(most(&run), [None, Some(0)]);
    let unknown = "; with applications unknown: the region did not report its backlog";
    assert!(summary(&run).contains(unknown), "{}", summary(&run));
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &run).unwrap();
    let moves = fs::read_to_string(directory.path().join("moves.csv")).unwrap();
    assert!(moves.lines().nth(1).unwrap().ends_with(','), "{moves}");
    let json = serde_json::to_value(&run).unwrap();
    assert!(json["failovers"][0]["effective_loss"]["mutations_max"].is_null());
    assert_eq!(serde_json::from_value::<Run>(json).unwrap(), run);
}

/// Only faults count that made the region unreachable and have not ended when traffic moves.
#[test]
fn a_move_counts_from_the_first_open_fault_of_the_region() {
    let [from, to, third] = REGIONS;
    let region = from.to_owned();
    let cut = |other: &str| Action::Cut {
        ends: Ends {
            from: from.to_owned(),
            to: other.to_owned(),
            one_way: false,
        },
        reset: false,
    };
    let heal = |other: &str| {
        Action::Heal(Some(Ends {
            from: from.to_owned(),
            to: other.to_owned(),
            one_way: false,
        }))
    };
    let timeline = vec![
        (
            1,
            Action::SlowDisk {
                region: region.clone(),
                by: millis(50),
            },
        ),
        (2, cut(third)),
        (3, heal(third)),
        (4, cut(to)),
        (
            6,
            Action::Isolate {
                region: region.clone(),
                reset: false,
            },
        ),
        (7, Action::ClockStep { region, by_ms: 30 }),
        (
            9,
            Action::Shift {
                from: from.to_owned(),
                to: to.to_owned(),
            },
        ),
    ];
    let run = recorded(timeline, |_| {});
    assert_eq!((run.failovers[0].fault_ms, run.failovers[0].shifted_ms), (4_000, 9_000));
}
