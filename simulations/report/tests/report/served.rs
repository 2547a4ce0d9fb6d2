//! Judging what users saw: recovery times, availability and the causes of failures.

use beringia_history::FailureCause;
use beringia_report::{
    FailureCounts, FaultKind, FaultSpan, OperationSample, Player, Recorder, RegionSecond, Run, Users, judge, summary,
};
use beringia_scenario::{Action, Availability, Expectations, Plan};

use crate::{
    judge::verdict,
    support::{REGIONS, empty_run, millis, plan, seconds},
};

/// A minute in which the users of every region send ten operations in a second. `answer` gives, by
/// region and number, the cause of a failure or the latency in milliseconds.
fn minute(plan: &Plan, answer: impl Fn(&str, u64) -> Result<u64, FailureCause>) -> Run {
    let mut recorder = Recorder::new(plan, Player::Sim);
    for home in REGIONS {
        for number in 0..600 {
            let (due, answered) = (millis(number * 100), answer(home, number));
            recorder.operation(&OperationSample {
                home,
                asked: home,
                due,
                sent: due,
                done: due + millis(answered.unwrap_or(5)),
                failure: answered.err(),
                is_rejected: false,
            });
        }
    }
    recorder.finish(seconds(61), "")
}

fn rto_within(most: u64) -> Expectations {
    Expectations {
        rto_max: Some(seconds(most)),
        ..Expectations::default()
    }
}

#[test]
fn without_failures_the_recovery_time_is_zero() {
    let mut run = minute(&plan(Vec::new()), |_, _| Ok(5));
    assert_eq!(
        verdict(&rto_within(0), &mut run, "RTO"),
        ("no failure seen".to_owned(), true)
    );
    let mut nothing = empty_run();
    let no_operations = ("no operations were due".to_owned(), false);
    assert_eq!(verdict(&rto_within(60), &mut nothing, "RTO"), no_operations);
}

/// The clients of another region move, and succeed at once.
#[test]
fn refusing_all_writes_counts_until_they_are_taken_again() {
    let shift = Action::Shift {
        from: REGIONS[1].to_owned(),
        to: REGIONS[2].to_owned(),
    };
    // Every second operation is a write.
    let mut run = minute(&plan(vec![(20, shift)]), |home, number| {
        let is_refused = home == REGIONS[0] && (100..500).contains(&number) && number.is_multiple_of(2);
        if is_refused {
            Err(FailureCause::Unavailable)
        } else {
            Ok(5)
        }
    });
    let (measured, holds) = verdict(&rto_within(39), &mut run, "RTO");
    assert_eq!((measured.as_str(), holds), ("39.9 s (users in us-east-1)", false));
    assert!(verdict(&rto_within(40), &mut run, "RTO").1);
    let text = summary(&run);
    assert!(
        text.contains("users calling us-east-1") && text.contains("all users"),
        "{text}"
    );
    assert!(text.contains("failed in  unavailable"), "{text}");
}

#[test]
fn a_share_of_failures_that_stays_is_no_recovery() {
    // 21 % and 28 % of the operations in two regions fail since ten seconds.
    let mut run = minute(&plan(Vec::new()), |home, number| {
        let share = [(REGIONS[0], 21), (REGIONS[1], 28)]
            .iter()
            .find(|(region, _)| *region == home);
        let fails = share.is_some_and(|(_, share)| number >= 100 && number * 37 % 100 < *share);
        if fails { Err(FailureCause::Timeout) } else { Ok(5) }
    });
    let (measured, holds) = verdict(&rto_within(60), &mut run, "RTO");
    assert!(
        !holds && measured.starts_with("not recovered before the load ended (users in "),
        "{measured}"
    );
    let unserved = run.recoveries.iter().filter(|recovery| recovery.longest_ms().is_none());
    assert_eq!(
        unserved.count(),
        5,
        "of each region, both where users live and as called, and of all"
    );
    let served = run.recoveries.iter().filter(|recovery| recovery.outages.is_empty());
    let users: Vec<&Users> = served.map(|recovery| &recovery.users).collect();
    let third = REGIONS[2].to_owned();
    assert_eq!(users, [&Users::Home(third.clone()), &Users::Caller(third)]);
}

/// A disk that takes 400 ms longer for each commit: every write waits for those before it.
#[test]
fn answers_that_come_too_late_are_not_available() {
    let slow = |home: &str, number: u64| {
        let waits = home == REGIONS[0] && (200..400).contains(&number) && number.is_multiple_of(2);
        Ok(if waits { 3_700 } else { 5 })
    };
    let mut run = minute(&plan(Vec::new()), slow);
    let mut expected = rto_within(10);
    let all = Availability { percent_min: 100.0 };
    expected.availability.insert("*".to_owned(), all);
    let late = ("83.33 %, 100 % answered".to_owned(), false);
    assert_eq!(
        verdict(&expected, &mut run, "us-east-1 available at least 100 % within 1 s"),
        late
    );
    assert_eq!(
        verdict(&expected, &mut run, "RTO"),
        ("19.9 s (users in us-east-1)".to_owned(), false)
    );
    assert!(summary(&run).contains("answered within 1 s in us-east-1, the least; 100 % answered"));
    // Users who accept four seconds see no failure.
    let mut patient = plan(Vec::new());
    patient.scenario.expect.objective.latency_max = seconds(4);
    assert!(judge(&expected, &mut minute(&patient, slow)));
}

#[test]
fn every_failure_has_its_cause() {
    let causes = FailureCause::ALL;
    let run = minute(&plan(Vec::new()), |home, number| {
        let cause = usize::try_from(number).ok().and_then(|number| causes.get(number));
        cause.filter(|_| home == REGIONS[0]).map_or(Ok(5), |cause| Err(*cause))
    });
    let first = &run.seconds[0];
    assert_eq!((first.due, first.answered, first.failed), (10, 2, 8));
    for cause in causes {
        assert_eq!(first.causes.of(cause), 1, "{}", cause.name());
        assert!(summary(&run).contains(cause.name()), "{}", cause.name());
    }
}

#[test]
fn judges_availability_per_region() {
    let second = |region: &str, due, answered| RegionSecond {
        region: region.to_owned(),
        second: 0,
        due,
        called: region.to_owned(),
        answered,
        within: answered,
        rejected: 0,
        failed: due - answered,
        causes: FailureCounts::default(),
        latency_ms_p50: Some(1.0),
        latency_ms_p99: Some(1.0),
    };
    let mut run = empty_run();
    run.seconds = vec![second(REGIONS[0], 1000, 999), second(REGIONS[1], 1000, 500)];
    let least = |percent_min| Availability { percent_min };
    let mut expected = Expectations::default();
    expected.availability.insert("*".to_owned(), least(99.9));
    expected.availability.insert(REGIONS[1].to_owned(), least(50.0));
    assert!(judge(&expected, &mut run), "{:?}", run.verdicts);
    expected.availability.insert(REGIONS[1].to_owned(), least(50.1));
    assert_eq!(verdict(&expected, &mut run, REGIONS[1]), ("50 %".to_owned(), false));
    expected.availability.insert(REGIONS[2].to_owned(), least(1.0));
    assert!(
        !verdict(&expected, &mut run, REGIONS[2]).1,
        "a named region must have had clients"
    );
}

/// Only faults of the region's process or disk excuse missing answers. An operation, such as a
/// pause of replication, does not.
#[test]
fn judges_availability_in_seconds_without_faults() {
    let expected = Expectations {
        available_when_healthy: Some(99.0),
        ..Expectations::default()
    };
    let second = |second, failed| RegionSecond {
        region: REGIONS[0].to_owned(),
        second,
        due: 10,
        called: REGIONS[0].to_owned(),
        answered: 10 - failed,
        within: 10 - failed,
        rejected: 0,
        failed,
        causes: FailureCounts::default(),
        latency_ms_p50: Some(1.0),
        latency_ms_p99: Some(1.0),
    };
    let fault = |kind, region: &str| FaultSpan {
        from_ms: 5_000,
        until_ms: Some(7_000),
        label: "a fault".to_owned(),
        regions: vec![region.to_owned()],
        kind,
    };
    let mut run = empty_run();
    assert!(
        !verdict(&expected, &mut run, "without faults").1,
        "no operations were due"
    );
    run.seconds = (0..10)
        .map(|at| second(at, if (5..7).contains(&at) { 10 } else { 0 }))
        .collect();
    run.faults = vec![fault(FaultKind::Region, REGIONS[0])];
    assert_eq!(
        verdict(&expected, &mut run, "without faults"),
        ("100 % (us-east-1)".to_owned(), true)
    );
    for faults in [
        fault(FaultKind::Region, REGIONS[1]),
        fault(FaultKind::Partition, REGIONS[0]),
        fault(FaultKind::Operation, REGIONS[0]),
    ] {
        run.faults = vec![faults];
        assert_eq!(
            verdict(&expected, &mut run, "without faults"),
            ("80 % (us-east-1)".to_owned(), false)
        );
    }
}
