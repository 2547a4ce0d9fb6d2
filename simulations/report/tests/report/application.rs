//! Verdicts about the requests of applications.

use beringia_report::{
    ApplicationTraffic, Player, Recorder, RequestCounts, Run, TrafficSample, TrafficSamples, judge, summary,
};
use beringia_scenario::{Action, Availability, Expectations};

use crate::support::{plan, seconds};

const LOST: &str = "eu-west-1";

/// A region is down from 20 to 40 s of a minute.
fn run() -> Run {
    let crash = Action::Crash {
        region: LOST.to_owned(),
        lose_disk: false,
    };
    let restart = Action::Restart {
        region: LOST.to_owned(),
    };
    Recorder::new(&plan(vec![(20, crash), (40, restart)]), Player::Drill).finish(seconds(60), "")
}

/// The traffic of an application that makes ten requests per second to the region that `choose`
/// gives, if it gives one.
fn traffic(run: &Run, choose: impl Fn(u64) -> Option<&'static str>) -> Vec<ApplicationTraffic> {
    let mut samples = TrafficSamples::default();
    for second in 0..60 {
        let Some(region) = choose(second) else { continue };
        samples.add(TrafficSample {
            since: seconds(second),
            region: region.to_owned(),
            identity: "shop".to_owned(),
            table: "carts".to_owned(),
            requests: RequestCounts {
                answered: 9,
                condition_failed: 1,
                ..RequestCounts::default()
            },
            latencies: vec![(5_000, 9)],
        });
    }
    samples.finish(run)
}

fn verdicts(run: &mut Run) -> Vec<(String, String, bool)> {
    let expected = Expectations {
        rto_max: Some(seconds(5)),
        availability: [(LOST.to_owned(), Availability { percent_min: 80.0 })].into(),
        ..Expectations::default()
    };
    judge(&expected, run);
    let of_application = run
        .verdicts
        .iter()
        .filter(|verdict| verdict.expected.contains("application"));
    of_application
        .map(|verdict| (verdict.expected.clone(), verdict.measured.clone(), verdict.holds))
        .collect()
}

fn verdict(expected: &str, measured: &str, holds: bool) -> (String, String, bool) {
    (expected.to_owned(), measured.to_owned(), holds)
}

const AVAILABLE: &str = "applications in eu-west-1 answered at least 80 %";
const SERVED: &str = "application shop served again within 5 s";

/// The region answers none of its requests, and counts none.
#[test]
fn requests_that_a_killed_region_refused_are_missing() {
    let mut run = run();
    run.applications = traffic(&run, |second| Some(LOST).filter(|_| !(20..40).contains(&second)));
    assert_eq!(run.applications[0].missing, Some(200));
    assert_eq!(
        verdicts(&mut run),
        [
            verdict(AVAILABLE, "66.66 %: 0 failed, about 200 missing of 600", false),
            verdict(SERVED, "not served for 20 s", false),
        ]
    );
}

#[test]
fn an_application_that_moved_is_not_missing() {
    let mut run = run();
    let elsewhere = |second| if second < 23 { None } else { Some("us-east-1") };
    run.applications = traffic(&run, |second| if second < 20 { Some(LOST) } else { elsewhere(second) });
    let missing: Vec<_> = run
        .applications
        .iter()
        .map(|one| (one.region.as_str(), one.missing))
        .collect();
    assert_eq!(missing, [(LOST, Some(30)), ("us-east-1", Some(0))]);
    assert_eq!(
        verdicts(&mut run),
        [
            verdict(AVAILABLE, "86.95 %: 0 failed, about 30 missing of 230", true),
            verdict(SERVED, "not served for 3 s", true),
        ]
    );
}

/// Without a usual rate nothing is estimated, and nothing is judged by it.
#[test]
fn an_application_without_a_usual_rate_is_not_estimated() {
    let mut run = run();
    run.applications = traffic(&run, |second| Some(LOST).filter(|_| second >= 41));
    assert_eq!(run.applications[0].missing, None);
    assert_eq!(run.applications[0].tables[0].latency_ms_p99, Some(5.0));
    assert_eq!(verdicts(&mut run), [verdict(AVAILABLE, "100 %: 0 failed of 190", true)]);
}

/// They are added up by the region called and the one that answered, and shown.
#[test]
fn rerouted_requests_are_in_the_summary() {
    let mut run = run();
    assert!(!summary(&run).contains("rerouted"));
    let mut samples = TrafficSamples::default();
    for (to, requests) in [("us-east-1", 3), ("ap-northeast-1", 0), ("us-east-1", 4)] {
        samples.rerouted(LOST.to_owned(), to.to_owned(), requests);
    }
    run.rerouted = samples.rerouted_requests();
    let summary = summary(&run);
    let table: Vec<&str> = summary.lines().skip_while(|line| !line.contains("rerouted")).collect();
    let cells: Vec<&str> = table[1].split_whitespace().collect();
    assert_eq!(
        (cells, run.rerouted.len()),
        (vec![LOST, "us-east-1", "7"], 1),
        "{summary}"
    );
}
