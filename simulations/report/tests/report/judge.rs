//! Judging runs by their expectations.

use beringia_report::{
    AnomalyCount, ConflictCell, Convergence, DiskLoss, DrainTimes, LoadSource, Player, ReportedBacklog, Run, judge,
};
use beringia_scenario::{Count, Expectations};

use crate::support::{REGIONS, empty_run, millis, operation, recorded, seconds, used_run};

/// The one verdict whose expectation contains `format`: the measured value, and whether it holds.
pub(crate) fn verdict(expected: &Expectations, run: &mut Run, format: &str) -> (String, bool) {
    judge(expected, run);
    let mut found = run.verdicts.iter().filter(|verdict| verdict.expected.contains(format));
    let Some(verdict) = found.next() else {
        panic!("no verdict about {format:?}: {:?}", run.verdicts)
    };
    assert!(found.next().is_none(), "more than one verdict about {format:?}");
    (verdict.measured.clone(), verdict.holds)
}

fn convergence(elapsed_ms: Option<u64>, bound_ms: f64) -> Convergence {
    Convergence {
        after: "heal".to_owned(),
        from_ms: 1_000,
        elapsed_ms,
        bound_ms,
        disturbed_after_ms: None,
        is_late: false,
    }
}

/// Whatever a run without operations shows, it shows of nothing.
#[test]
fn a_run_without_operations_fails() {
    let mut run = empty_run();
    let (measured, holds) = verdict(&Expectations::default(), &mut run, "operations were sent");
    assert_eq!(
        (measured.as_str(), holds, run.holds()),
        ("none were due, so nothing was tested", false, false)
    );
    assert!(judge(&Expectations::default(), &mut used_run()));
}

/// No write was acknowledged, so none was lost: that, too, shows nothing.
#[test]
fn a_run_in_which_nothing_was_answered_fails() {
    let [region, ..] = REGIONS;
    let of = |answered| {
        recorded(Vec::new(), |recorder| {
            for second in 0..2 {
                recorder.operation(&operation(region, region, seconds(second), millis(5), false));
            }
            recorder.operation(&operation(region, region, seconds(2), millis(5), answered));
        })
    };
    let (measured, holds) = verdict(&Expectations::default(), &mut of(false), "operations were answered");
    assert_eq!((measured.as_str(), holds), ("none of 3, so nothing was tested", false));
    assert!(judge(&Expectations::default(), &mut of(true)));
}

#[test]
fn events_that_did_not_happen_fail_a_run() {
    let mut run = used_run();
    run.not_played = vec!["end the drain of a".to_owned(), "add the replica of t in b".to_owned()];
    let (measured, holds) = verdict(&Expectations::default(), &mut run, "every event");
    assert_eq!(
        (measured.as_str(), holds),
        ("2 did not, the first: end the drain of a", false)
    );
}

#[test]
fn losses_and_overwritten_writes_are_in_one_sentence() {
    let mut run = used_run();
    run.writes.acknowledged = 2_863;
    run.writes.lost_to_conflicts = 247;
    let (measured, holds) = verdict(&Expectations::default(), &mut run, "no durability loss");
    let expected = "0 of 2,863 acknowledged writes lost; 247 (8.62 %) overwritten by concurrent writes";
    assert_eq!((measured.as_str(), holds), (expected, true));
}

#[test]
fn lost_writes_and_broken_promises_always_fail_a_run() {
    let mut run = used_run();
    assert!(!run.holds(), "not judged yet");
    assert!(judge(&Expectations::default(), &mut run));
    run.writes.lost = 1;
    assert!(!judge(&Expectations::default(), &mut run));
    run.writes.lost = 0;
    run.violations = vec!["two writes have one version".to_owned(), "another".to_owned()];
    let (measured, holds) = verdict(&Expectations::default(), &mut run, "promise");
    assert_eq!(
        (measured.as_str(), holds),
        ("two writes have one version (and 1 more)", false)
    );
}

#[test]
fn a_run_whose_consistency_is_not_decided_fails() {
    let mut run = used_run();
    assert!(judge(&Expectations::default(), &mut run));
    assert!(!run.verdicts.iter().any(|verdict| verdict.expected.contains("decided")));
    run.undecided = 1_200;
    assert!(!judge(&Expectations::default(), &mut run));
    let (measured, holds) = verdict(&Expectations::default(), &mut run, "decided");
    assert_eq!(
        (measured.as_str(), holds),
        ("not decided for 1,200 keys of regions: the search took too long", false)
    );
}

/// In simulation exactly; in a drill the loss may be at most the reported backlog.
#[test]
fn rpo_must_match_the_reported_backlog() {
    let mut run = used_run();
    run.disk_losses.push(DiskLoss {
        region: REGIONS[0].to_owned(),
        at_ms: 1,
        writes: 8,
        bytes: 800,
        seconds: 1.5,
        reported_backlog: None,
    });
    // The reported backlog, and whether it agrees in simulation and in a drill.
    for (writes, bytes, seconds, holds) in [
        (8, 800, 1.5, (true, true)),
        (9, 800, 1.5, (false, true)),
        (7, 800, 1.5, (false, false)),
        (8, 801, 1.5, (false, true)),
        (8, 800, 1.6, (false, true)),
        (8, 800, 1.4, (false, false)),
    ] {
        run.disk_losses[0].reported_backlog = Some(ReportedBacklog { writes, bytes, seconds });
        let mut under = |player| {
            run.player = player;
            verdict(&Expectations::default(), &mut run, "backlog").1
        };
        assert_eq!(
            (under(Player::Sim), under(Player::Drill)),
            holds,
            "{writes} writes, {bytes} B, {seconds} s"
        );
    }
    run.disk_losses[0].reported_backlog = None;
    judge(&Expectations::default(), &mut run);
    assert!(!run.verdicts.iter().any(|verdict| verdict.expected.contains("backlog")));
    let bounds = |writes, rpo| Expectations {
        rpo_writes_max: Some(writes),
        rpo_max: Some(rpo),
        ..Expectations::default()
    };
    assert!(judge(&bounds(8, millis(1_500)), &mut run));
    assert!(!verdict(&bounds(7, seconds(2)), &mut run, "at most 7 writes").1);
    assert!(!verdict(&bounds(8, millis(1_499)), &mut run, "RPO at most 1.5 s").1);
    run.disk_losses.clear();
    assert!(judge(&bounds(0, millis(0)), &mut run), "no disk was lost");
}

/// The probes' own losses do not include the applications' writes.
#[test]
fn rpo_with_applications_is_the_reported_backlog() {
    let mut run = used_run();
    run.player = Player::Drill;
    run.clients = LoadSource::ApplicationsAndProbes;
    run.disk_losses.push(DiskLoss {
        region: REGIONS[0].to_owned(),
        at_ms: 1,
        writes: 27,
        bytes: 6_000,
        seconds: 5.5,
        reported_backlog: Some(ReportedBacklog {
            writes: 84,
            bytes: 20_000,
            seconds: 5.75,
        }),
    });
    let bounds = |writes, rpo| Expectations {
        rpo_writes_max: Some(writes),
        rpo_max: Some(rpo),
        ..Expectations::default()
    };
    assert!(judge(&bounds(84, millis(5_750)), &mut run));
    let too_many = verdict(&bounds(83, seconds(6)), &mut run, "RPO at most 83");
    assert_eq!(too_many, ("84 writes".to_owned(), false));
    assert!(!verdict(&bounds(84, millis(5_749)), &mut run, "RPO at most 5.7").1);
    let text = beringia_report::summary(&run);
    assert!(
        text.contains("84 writes    19.5 KiB, 5.75 s, as the regions reported; 27 of the probes' own are missing"),
        "{text}"
    );
    run.disk_losses[0].reported_backlog = None;
    let (measured, holds) = verdict(&bounds(84, seconds(6)), &mut run, "RPO at most 84");
    assert!(!holds && measured.contains("did not report"), "{measured}");
}

#[test]
fn judges_the_slowest_convergence_which_must_have_happened() {
    let within = Expectations {
        converged_within: Some(seconds(10)),
        ..Expectations::default()
    };
    let mut run = empty_run();
    assert_eq!(
        verdict(&within, &mut run, "converged"),
        ("nothing had to converge".to_owned(), false)
    );
    run.convergences = vec![convergence(Some(10_000), 8_000.0), convergence(Some(3), 0.0)];
    assert_eq!(verdict(&within, &mut run, "converged"), ("10 s".to_owned(), true));
    let ratio = |most| Expectations {
        converged_ratio_max: Some(most),
        ..Expectations::default()
    };
    assert_eq!(
        verdict(&ratio(1.25), &mut run, "lower bound"),
        ("1.25 times".to_owned(), true)
    );
    assert!(!verdict(&ratio(1.2), &mut run, "lower bound").1);
    run.convergences.push(convergence(None, 5.0));
    assert!(!verdict(&within, &mut run, "converged").1);
    assert!(!verdict(&ratio(9.0), &mut run, "lower bound").1);
}

#[test]
fn counts_have_lower_and_upper_bounds() {
    let mut run = used_run();
    run.conflicts = vec![ConflictCell {
        winner: REGIONS[0].to_owned(),
        loser: REGIONS[1].to_owned(),
        second: 0,
        count: 5,
    }];
    run.anomalies = vec![AnomalyCount {
        name: "stale-read".to_owned(),
        count: 2,
        worst_ms: Some(80.0),
        example: None,
    }];
    let conflicts = |min, max| Expectations {
        conflicts: Some(Count { min, max }),
        ..Expectations::default()
    };
    assert!(judge(&conflicts(5, Some(5)), &mut run));
    assert!(judge(&conflicts(1, None), &mut run));
    assert!(!judge(&conflicts(6, None), &mut run));
    assert!(!judge(&conflicts(0, Some(4)), &mut run));
    let anomaly = |name: &str, max| Expectations {
        anomalies: [(name.to_owned(), Count { min: 0, max: Some(max) })].into(),
        ..Expectations::default()
    };
    assert!(judge(&anomaly("stale-read", 2), &mut run));
    assert!(!judge(&anomaly("stale-read", 1), &mut run));
    assert!(
        judge(&anomaly("lost-update", 0), &mut run),
        "an anomaly that was not seen counts 0 times"
    );
}

#[test]
fn judges_lag_by_the_worst_pair_with_traffic() {
    let expected = Expectations {
        lag_max: Some(millis(500)),
        lag_p99_max: Some(millis(100)),
        ..Expectations::default()
    };
    let mut run = used_run();
    assert!(!judge(&expected, &mut run), "nothing was replicated");
    for (index, pair) in run.pairs.iter_mut().enumerate() {
        pair.lag_ms.count = 1;
        pair.lag_ms.p99 = 50.0 + index as f64;
        pair.lag_ms.max = 500.0;
    }
    assert!(judge(&expected, &mut run), "{:?}", run.verdicts);
    run.pairs[3].lag_ms.max = 501.0;
    assert!(!verdict(&expected, &mut run, "lag at most 500 ms").1);
}

/// The best lag of what arrived says nothing about what did not.
#[test]
fn writes_that_never_arrived_break_bounds_of_lag() {
    let expected = Expectations {
        lag_max: Some(seconds(1)),
        lag_p99_max: Some(seconds(1)),
        ..Expectations::default()
    };
    let mut run = used_run();
    for pair in &mut run.pairs {
        (pair.lag_ms.count, pair.due) = (9, 9);
    }
    assert!(judge(&expected, &mut run), "{:?}", run.verdicts);
    run.pairs[2].lag_ms.count = 0;
    let silent = format!("none of 9 writes arrived ({} → {})", REGIONS[1], REGIONS[0]);
    assert_eq!(verdict(&expected, &mut run, "p99 of lag"), (silent, false));
    run.pairs[2].due = 0;
    assert!(judge(&expected, &mut run), "no writes were due there");
    (run.pairs[0].missing, run.pairs[0].missing_ms) = (2, 40_000);
    let missing = format!("2 writes never arrived in 40 s ({} → {})", REGIONS[0], REGIONS[1]);
    assert_eq!(verdict(&expected, &mut run, "p99 of lag"), (missing, false));
}

/// What comes later cannot excuse a convergence that was late already.
#[test]
fn an_interrupted_convergence_is_judged_until_then() {
    let within = Expectations {
        converged_within: Some(seconds(10)),
        ..Expectations::default()
    };
    let ratio = Expectations {
        converged_ratio_max: Some(5.0),
        ..Expectations::default()
    };
    let mut run = empty_run();
    run.convergences = vec![convergence(Some(10_000), 2_000.0), convergence(None, 2_000.0)];
    assert!(!verdict(&within, &mut run, "converged").1);
    for (disturbed_after_ms, elapsed_ms, holds) in [
        (0, None, true),
        (9_999, None, true),
        (10_000, None, false),
        (10_000, Some(30_000), false),
        (9_999, Some(30_000), true),
        (10_000, Some(10_000), true),
    ] {
        let interrupted = &mut run.convergences[1];
        (interrupted.disturbed_after_ms, interrupted.elapsed_ms) = (Some(disturbed_after_ms), elapsed_ms);
        let of = |expected, run: &mut Run| verdict(expected, run, "converged").1;
        let found = (of(&within, &mut run), of(&ratio, &mut run));
        assert_eq!(found, (holds, holds), "{disturbed_after_ms} {elapsed_ms:?}");
    }
}

#[test]
fn a_run_whose_tables_do_not_converge_fails() {
    let mut run = used_run();
    run.convergences = vec![convergence(Some(10), 0.0), convergence(None, 0.0)];
    let (measured, holds) = verdict(&Expectations::default(), &mut run, "all tables converged");
    assert_eq!(
        (measured.as_str(), holds),
        ("not before the run ended, after heal", false)
    );
    run.convergences[1].elapsed_ms = Some(20);
    assert!(judge(&Expectations::default(), &mut run));
}

#[test]
fn a_drain_must_be_proven_in_time_and_before_traffic_leaves() {
    let drain = |proven_ms, left_ms| DrainTimes {
        region: REGIONS[0].to_owned(),
        from_ms: 1_000,
        proven_ms,
        left_ms,
        peers: Vec::new(),
    };
    let within = Expectations {
        drained_within: Some(seconds(1)),
        ..Expectations::default()
    };
    let mut run = empty_run();
    assert_eq!(
        verdict(&within, &mut run, "drained within"),
        ("nothing was drained".to_owned(), false)
    );
    for (proven_ms, left_ms, in_time, measured, holds) in [
        (
            Some(1_200),
            2_500,
            true,
            "proven 200 ms after it was closed, left 1.5 s after",
            true,
        ),
        (
            Some(3_000),
            2_500,
            false,
            "left too early, 1.5 s after it was closed; proven 2 s after it was closed",
            false,
        ),
        (
            None,
            2_500,
            false,
            "left too early, 1.5 s after it was closed; never proven",
            false,
        ),
    ] {
        run.drains = vec![drain(proven_ms, Some(left_ms))];
        assert_eq!(verdict(&within, &mut run, "drained within").1, in_time);
        assert_eq!(verdict(&within, &mut run, "left only"), (measured.to_owned(), holds));
    }
}

/// The allowance is part of every bound in time, and the report says so.
#[test]
fn an_allowance_is_part_of_every_bound_in_time() {
    let strict = Expectations {
        converged_within: Some(seconds(2)),
        converged_ratio_max: Some(2.0),
        available_when_healthy: Some(100.0),
        rpo_writes_max: Some(0),
        ..Expectations::default()
    };
    let allowing = strict.clone().allowing(seconds(10));
    let mut run = used_run();
    run.seconds[0].within = 0;
    run.convergences = vec![convergence(Some(12_000), 1_000.0)];
    for (words, measured) in [
        ("converged within 2 s", "12 s"),
        ("times the lower bound", "12.00 times"),
        ("regions without faults", "0 %"),
    ] {
        let (found, holds) = verdict(&strict, &mut run, words);
        assert!(found.contains(measured) && !holds, "{found}");
    }
    // Of a load of one minute, ten seconds may be missing.
    run.seconds[0].due = 60;
    run.seconds[0].within = 51;
    assert!(judge(&allowing, &mut run), "{:?}", run.verdicts);
    let expected: Vec<&str> = run.verdicts.iter().map(|verdict| verdict.expected.as_str()).collect();
    assert!(
        expected.contains(&"converged within 2 s with 10 s allowed"),
        "{expected:?}"
    );
    assert!(expected.contains(&"converged within 2 times the lower bound with 10 s allowed"));
    assert!(expected.contains(&"regions without faults available at least 100 % within 1 s with 10 s allowed"));
    assert!(
        expected.contains(&"RPO at most 0 writes"),
        "it is no time: {expected:?}"
    );
    assert!(beringia_report::summary(&run).contains("; with 10 s allowed for this machine)"));
    assert_eq!(serde_json::to_value(&run).unwrap()["allowance_ms"], 10_000);
    run.convergences[0].elapsed_ms = Some(12_001);
    assert!(!judge(&allowing, &mut run));
    run.convergences[0].elapsed_ms = Some(12_000);
    run.seconds[0].within = 49;
    assert!(!judge(&allowing, &mut run));
}
