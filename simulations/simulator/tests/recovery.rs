//! What users see in virtual time: recovery times, availability within the objective, and causes.

use std::{io::Write, path::Path, process::abort, time::Duration};

use beringia_report::{Run, Users};
use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{in_virtual_time, run};

fn played(text: &str) -> Run {
    let scenario = Scenario::parse(text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::draw(&scenario, 1);
    let on_stuck = |stuck| {
        // The stuck thread can be neither interrupted nor made to fail its test.
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let played = in_virtual_time("test", Duration::from_secs(300), on_stuck, run(&plan));
    played.unwrap_or_else(|error| panic!("{error}")).run
}

/// The one verdict whose expectation begins with `expected`: the measured value, and whether it
/// holds.
fn verdict<'a>(run: &'a Run, expected: &str) -> (&'a str, bool) {
    let found = run
        .verdicts
        .iter()
        .find(|verdict| verdict.expected.starts_with(expected));
    let verdict = found.unwrap_or_else(|| panic!("no verdict {expected:?}: {:?}", run.verdicts));
    (&verdict.measured, verdict.holds)
}

fn longest_ms(run: &Run, users: &Users) -> Option<u64> {
    let found = run.recoveries.iter().find(|recovery| recovery.users == *users);
    let recovery = found.unwrap_or_else(|| panic!("no operations of {users:?}"));
    recovery.longest_ms()
}

/// The clients of another region move meanwhile, and succeed within milliseconds.
#[test]
fn a_region_that_refuses_all_writes_is_not_recovered() {
    let run = played(
        r#"
        duration = "140s"
        [[workload]]
        kind = "ycsb-a"
        rate = 6
        keys = 100
        [[event]]
        at = "5s"
        lasts = "2m"
        drain = "us-east-1"
        [[event]]
        at = "10s"
        lasts = "20s"
        shift = "ap-northeast-1"
        to = "eu-west-1"
        [expect]
        rto_max = "1s"
        "#,
    );
    let first_success = run.failovers[0].first_success_after_ms();
    assert!(first_success.is_some_and(|ms| ms < 1_000), "{:?}", run.failovers);
    let (measured, holds) = verdict(&run, "RTO at most");
    assert!(!holds && measured.ends_with("(users in us-east-1)"), "{measured}");
    let longest = longest_ms(&run, &Users::Home("us-east-1".to_owned())).unwrap();
    assert!((115_000..=121_000).contains(&longest), "{longest} ms");
    assert_eq!(longest_ms(&run, &Users::Home("eu-west-1".to_owned())), Some(0));
    let of_region = run.seconds.iter().filter(|second| second.region == "us-east-1");
    let (failed, unavailable) = of_region.fold((0, 0), |(failed, unavailable), second| {
        (failed + second.failed, unavailable + second.causes.unavailable)
    });
    assert!(
        failed > 200 && unavailable == failed,
        "{unavailable} of {failed} are 503"
    );
}

/// After a failover in the third region, about a fifth and a quarter of the operations fail.
#[test]
fn failures_after_a_failover_are_no_recovery() {
    let run = played(
        r#"
        duration = "40s"
        [[workload]]
        name = "first"
        kind = "mixed"
        put_percent = 21
        update_percent = 0
        delete_percent = 0
        regions = ["us-east-1"]
        rate = 20
        [[workload]]
        name = "second"
        kind = "mixed"
        put_percent = 28
        update_percent = 0
        delete_percent = 0
        regions = ["eu-west-1"]
        rate = 20
        [[workload]]
        name = "third"
        kind = "ycsb-c"
        regions = ["ap-northeast-1"]
        rate = 20
        [[event]]
        at = "5s"
        crash = "ap-northeast-1"
        [[event]]
        at = "6s"
        shift = "ap-northeast-1"
        to = "us-east-1"
        [[event]]
        at = "6s"
        disk_full = "us-east-1"
        [[event]]
        at = "6s"
        disk_full = "eu-west-1"
        [expect]
        rto_max = "30s"
        "#,
    );
    let (measured, holds) = verdict(&run, "RTO at most");
    assert!(!holds && measured.starts_with("not recovered"), "{measured}");
    for (region, least, most) in [("us-east-1", 77.0, 90.0), ("eu-west-1", 67.0, 85.0)] {
        assert_eq!(longest_ms(&run, &Users::Home(region.to_owned())), None, "{region}");
        let share = run.availability(region).unwrap();
        assert!((least..most).contains(&share), "{region}: {share} %");
    }
    // The region that crashed is served: its users read in another one.
    let moved = longest_ms(&run, &Users::Home("ap-northeast-1".to_owned())).unwrap();
    assert!((900..1_200).contains(&moved), "{moved} ms");
    let refused: u64 = run.seconds.iter().map(|second| second.causes.refused).sum();
    assert!(refused > 10, "{refused} connections to the region that crashed");
}

#[test]
fn a_slow_disk_answers_but_is_not_available() {
    let run = played(
        r#"
        duration = "40s"
        [[workload]]
        kind = "ycsb-a"
        rate = 40
        clients = 4
        regions = ["us-east-1"]
        [[event]]
        at = "5s"
        lasts = "15s"
        slow_disk = "us-east-1"
        by = "400ms"
        [expect]
        rto_max = "5s"
        availability = { "*" = 100 }
        slo = { success = 99.9, p99_ms = 300 }
        "#,
    );
    let answered = run.answered_percent("us-east-1").unwrap();
    let within = run.availability("us-east-1").unwrap();
    assert!(within < 90.0 && within < answered, "{within} % of {answered} %");
    let (measured, holds) = verdict(&run, "us-east-1 available at least 100 % within 300 ms");
    assert!(!holds && measured.ends_with("% answered"), "{measured}");
    let (measured, holds) = verdict(&run, "RTO at most 5 s");
    assert!(!holds && measured.ends_with("(users in us-east-1)"), "{measured}");
    let longest = longest_ms(&run, &Users::Home("us-east-1".to_owned())).unwrap();
    assert!((14_000..20_000).contains(&longest), "{longest} ms");
}

/// Five seconds of writes are only in the region that was cut off when its clients move: with its
/// disk they are lost, without the loss they arrive later.
#[test]
fn effective_loss_is_what_moved_clients_cannot_see() {
    for lose_disk in [true, false] {
        let run = played(&format!(
            r#"
            duration = "30s"
            [[workload]]
            kind = "ycsb-a"
            rate = 20
            [[event]]
            at = "4s"
            lasts = "8s"
            isolate = "ap-northeast-1"
            [[event]]
            at = "9s"
            lasts = "4s"
            crash = "ap-northeast-1"
            lose_disk = {lose_disk}
            [[event]]
            at = "10s"
            shift = "ap-northeast-1"
            to = "us-east-1"
            [expect]
            rto_max = "2s"
            "#
        ));
        assert!(run.holds(), "{:?}", run.verdicts);
        let [failover] = run.failovers.as_slice() else {
            panic!("{:?}", run.failovers)
        };
        let loss = failover.effective_loss;
        assert!((30..80).contains(&loss.writes()), "{failover:?}");
        assert_eq!(loss.mutations_max, Some(loss.writes()), "there are no other clients");
        let with_disk: u64 = run.disk_losses.iter().map(|loss| loss.writes).sum();
        assert_eq!(with_disk > 0, lose_disk);
        assert_eq!(loss.lost_with_disk, with_disk, "{failover:?}");
        assert_eq!(loss.visible_later + loss.lost_to_conflicts, loss.writes() - with_disk);
        assert_eq!(loss.visible_later > 0, !lose_disk, "{failover:?}");
        assert_eq!(
            loss.lost_to_conflicts > 0,
            !lose_disk,
            "clients wrote the same keys elsewhere"
        );
        assert_eq!(failover.until_move_ms(), 6_000, "from the cut");
        assert!(
            failover
                .until_objective_ms()
                .is_some_and(|ms| (6_000..6_500).contains(&ms)),
            "{failover:?}"
        );
    }
}

/// The bound does not contain the apply rate of the run that it judges, but that of a run without
/// faults.
#[test]
fn a_bound_has_the_apply_rate_of_a_run_without_faults() {
    let text = r#"
        duration = "20s"
        [[workload]]
        kind = "ycsb-a"
        rate = 40
        [[event]]
        at = "5s"
        lasts = "10s"
        isolate = "eu-west-1"
        [expect]
        converged_ratio_max = 50
        STATED
        "#;
    let bound = |stated: &str| {
        let run = played(&text.replace("STATED", stated));
        assert!(run.holds(), "{:?}", run.verdicts);
        (run.convergences[0].bound_ms, run.convergences[0].elapsed_ms.unwrap())
    };
    let (measured, elapsed) = bound("");
    let (fast, same) = bound("applied_per_second = 1e9");
    let (slow, _) = bound("applied_per_second = 100");
    assert_eq!(elapsed, same, "the run does not depend on how it is judged");
    // Ireland misses ten seconds of writes from two regions with twenty writes a second each.
    assert!((3_500.0..4_600.0).contains(&slow), "{slow} ms");
    assert!(fast < measured && measured < slow, "{fast} < {measured} < {slow} ms");
}
