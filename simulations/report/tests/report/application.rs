//! Verdicts about the requests of applications.

use std::fs;

use beringia_report::{
    ApplicationOutage, ApplicationRecovery, LoadSource, Outage, Player, Recorder, RequestCounts, Run, TrafficSample,
    TrafficSamples, judge, summary, write,
};
use beringia_scenario::{Action, Availability, Expectations};

use crate::support::{plan, seconds};

pub(crate) const LOST: &str = "eu-west-1";

/// A region is down from 20 to 40 s of a minute.
pub(crate) fn run() -> Run {
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
fn use_by_shop(run: &mut Run, choose: impl Fn(u64) -> Option<&'static str>) {
    let mut samples = TrafficSamples::default();
    for second in 0..60 {
        let Some(region) = choose(second) else { continue };
        samples.add(TrafficSample {
            since: seconds(second),
            until: seconds(second + 1),
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
    run.used_by_applications(&samples);
}

/// Requests of the shop to the lost region in one second, which were answered after this time.
pub(crate) fn sample(second: u64, requests: RequestCounts, ms: u64) -> TrafficSample {
    TrafficSample {
        since: seconds(second),
        until: seconds(second + 1),
        region: LOST.to_owned(),
        identity: "shop".to_owned(),
        table: "carts".to_owned(),
        requests,
        latencies: vec![(ms * 1000, requests.served())],
    }
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

const AVAILABLE: &str = "applications in eu-west-1 answered at least 80 % within 1 s";
const SERVED: &str = "application shop served again within 5 s (plus 1 s: counted in whole seconds)";

/// The region answers none of its requests, and counts none.
#[test]
fn requests_that_a_killed_region_refused_are_missing() {
    let mut run = run();
    use_by_shop(&mut run, |second| Some(LOST).filter(|_| !(20..40).contains(&second)));
    assert_eq!(run.applications[0].missing, Some(200));
    assert_eq!(
        verdicts(&mut run),
        [
            verdict(AVAILABLE, "66.66 %: 0 failed, 200 missing (estimated) of 600", false),
            verdict(SERVED, "not served for 20 s", false),
        ]
    );
}

/// They are known while the region is down.
#[test]
fn missing_requests_are_estimated_during_the_drill() {
    let crash = Action::Crash {
        region: LOST.to_owned(),
        lose_disk: false,
    };
    let recorder = Recorder::new(&plan(vec![(20, crash)]), Player::Drill);
    let mut samples = TrafficSamples::default();
    let ten = RequestCounts {
        answered: 10,
        ..RequestCounts::default()
    };
    for second in 0..20 {
        samples.add(sample(second, ten, 5));
    }
    let missing = |seconds| recorder.missing_requests(&samples, &seconds);
    assert_eq!([missing(10..20), missing(15..23), missing(20..30)], [0, 30, 100]);
}

/// It makes a request fewer than usual in every other second, and none is missing for that.
#[test]
fn a_rate_that_varies_after_a_move_misses_nothing() {
    let mut run = run();
    let mut samples = TrafficSamples::default();
    for second in 0..60 {
        let counts = RequestCounts {
            answered: 10 - second % 2,
            ..RequestCounts::default()
        };
        let region = if second < 20 { LOST } else { "us-east-1" };
        samples.add(TrafficSample {
            region: region.to_owned(),
            ..sample(second, counts, 5)
        });
    }
    run.used_by_applications(&samples);
    let missing: Vec<_> = run.applications.iter().map(|one| one.missing).collect();
    assert_eq!(missing, [Some(0), Some(0)]);
}

#[test]
fn an_application_that_moved_is_not_missing() {
    let mut run = run();
    let elsewhere = |second| if second < 23 { None } else { Some("us-east-1") };
    use_by_shop(
        &mut run,
        |second| if second < 20 { Some(LOST) } else { elsewhere(second) },
    );
    let missing: Vec<_> = run
        .applications
        .iter()
        .map(|one| (one.region.as_str(), one.missing))
        .collect();
    assert_eq!(missing, [(LOST, Some(30)), ("us-east-1", Some(0))]);
    assert_eq!(
        verdicts(&mut run),
        [
            verdict(AVAILABLE, "86.95 %: 0 failed, 30 missing (estimated) of 230", true),
            verdict(SERVED, "not served for 3 s", true),
        ]
    );
}

/// A drain is an intended change, and no fault; but users wait all the same.
#[test]
fn an_application_is_not_served_while_its_region_is_drained() {
    let region = LOST.to_owned();
    let (drain, undrain) = (Action::Drain { region: region.clone() }, Action::Undrain { region });
    let plan = plan(vec![(20, drain), (40, undrain)]);
    let mut run = Recorder::new(&plan, Player::Drill).finish(seconds(60), "");
    let mut samples = TrafficSamples::default();
    for second in 0..60 {
        let is_closed = (20..40).contains(&second);
        let requests = RequestCounts {
            answered: if is_closed { 0 } else { 10 },
            failed: if is_closed { 10 } else { 0 },
            ..RequestCounts::default()
        };
        samples.add(sample(second, requests, 5));
    }
    run.used_by_applications(&samples);
    assert_eq!(
        verdicts(&mut run),
        [
            verdict(AVAILABLE, "66.66 %: 200 failed of 600", false),
            verdict(SERVED, "not served for 20 s", false),
        ]
    );
    assert_eq!(run.application_recoveries[0].outages[0].cause, "failed");
}

/// Without a usual rate nothing is estimated, and the verdict says so.
#[test]
fn an_application_without_a_usual_rate_is_not_estimated() {
    let mut run = run();
    use_by_shop(&mut run, |second| Some(LOST).filter(|_| second >= 41));
    assert_eq!(run.applications[0].missing, None);
    assert_eq!(run.applications[0].tables[0].latency_ms_p99, Some(5.0));
    let unknown = "; not measured: requests that no region counted (the usual rate is not known)";
    assert_eq!(
        verdicts(&mut run),
        [
            verdict(AVAILABLE, &format!("100 %: 0 failed of 190{unknown}"), true),
            verdict(SERVED, &format!("always served{unknown}"), true)
        ]
    );
}

/// The shop moves when its region is lost: three seconds later, to a region that throttles it for
/// five seconds. Meanwhile the endpoint for all regions could not deliver its requests.
fn run_of_a_shop_that_moves() -> Run {
    let mut run = run();
    let mut samples = TrafficSamples::default();
    let mut add = |second: u64, region: &str, identity: &str, requests: RequestCounts| {
        samples.add(TrafficSample {
            since: seconds(second),
            until: seconds(second + 1),
            region: region.to_owned(),
            identity: identity.to_owned(),
            table: if requests.undelivered > 0 { "" } else { "carts" }.to_owned(),
            requests,
            latencies: vec![(5_000, requests.answered)],
        });
    };
    let answered = RequestCounts {
        answered: 9,
        condition_failed: 1,
        ..RequestCounts::default()
    };
    let throttled = RequestCounts {
        throttled: 10,
        ..RequestCounts::default()
    };
    let undelivered = RequestCounts {
        undelivered: 10,
        ..RequestCounts::default()
    };
    for second in 0..60 {
        match second {
            0..20 => add(second, LOST, "shop", answered),
            20..23 => add(second, LOST, "shop", undelivered),
            23..40 => add(second, "us-east-1", "shop", answered),
            40..45 => add(second, "us-east-1", "shop", throttled),
            45..58 => add(second, "us-east-1", "shop", answered),
            _ => {}
        }
    }
    run.used_by_applications(&samples);
    run
}

#[test]
fn outages_of_applications_have_place_time_and_cause() {
    let run = run_of_a_shop_that_moves();
    let outage = |from_ms, until_ms, cause: &str| ApplicationOutage {
        times: Outage { from_ms, until_ms },
        cause: cause.to_owned(),
    };
    let undelivered = outage(20_000, Some(23_000), "undelivered");
    let throttled = outage(40_000, Some(45_000), "throttled");
    let missing = outage(58_000, None, "missing");
    let recovery = |region: Option<&str>, requests, within, outages: &[&ApplicationOutage]| ApplicationRecovery {
        identity: "shop".to_owned(),
        region: region.map(str::to_owned),
        requests,
        within,
        outages: outages.iter().copied().cloned().collect(),
    };
    assert_eq!(
        run.application_recoveries,
        [
            recovery(Some(LOST), 230, 200, &[&undelivered]),
            recovery(Some("us-east-1"), 370, 300, &[&throttled, &missing]),
            recovery(None, 600, 500, &[&undelivered, &throttled, &missing]),
        ],
        "it leaves the lost region, so its outage there ends"
    );
    let text = summary(&run);
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("application shop  "));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    assert_eq!(
        words,
        ["application", "shop", "3", "to", "the", "end", "missing", "20", "s"],
        "{text}"
    );
}

#[test]
fn the_page_and_the_files_show_applications() {
    let run = run_of_a_shop_that_moves();
    let directory = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(write(directory.path(), &run).unwrap()).unwrap();
    for panel in ["requests", "requests answered", "requests throttled"] {
        assert!(page.contains(&format!("Application shop: {panel}<")), "{panel}");
    }
    assert!(page.contains("Application shop: requests to a region that was down<"));
    assert!(
        !page.contains("Application shop: requests without an answer"),
        "there were none"
    );
    assert!(page.contains("<td>shop</td><td>us-east-1</td><td>40 s</td><td>45 s</td><td>throttled</td>"));
    let row = "<td>shop</td><td>us-east-1</td><td>270</td><td>30</td><td>0</td><td>50</td>";
    assert!(page.contains(row), "{page}");
    let file = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let tables = file("applications.csv");
    let tables: Vec<&str> = tables.lines().skip(1).collect();
    assert_eq!(
        tables,
        [
            "shop,eu-west-1,,0,0,0,0,0,0,30,",
            "shop,eu-west-1,carts,180,20,0,0,0,0,0,5",
            "shop,us-east-1,carts,270,30,0,50,0,0,0,5",
        ]
    );
    let of_seconds = file("application_seconds.csv");
    assert_eq!(of_seconds.lines().count(), 1 + 3 + 20 + 35 + 2);
    assert!(
        of_seconds.contains("\nshop,us-east-1,41,0,0,0,10,0,0,0,0,0\n")
            && of_seconds.ends_with("\nshop,us-east-1,59,0,0,0,0,0,0,0,0,10\n"),
        "{of_seconds}"
    );
    let outages = file("outages.csv");
    assert!(outages.ends_with("application,shop,,58000,,missing\n"), "{outages}");
}

/// An application that makes ten requests per second to the lost region. After the event, `of` says
/// how they end, and after how many milliseconds those that are answered are.
fn run_after(event: u64, of: impl Fn(u64) -> (RequestCounts, u64)) -> Run {
    let mut run = run();
    let mut samples = TrafficSamples::default();
    for second in 0..60 {
        let well = RequestCounts {
            answered: 10,
            ..RequestCounts::default()
        };
        let (requests, ms) = if second < event { (well, 5) } else { of(second) };
        samples.add(sample(second, requests, ms));
    }
    run.used_by_applications(&samples);
    run
}

/// Two of ten fail after the failover: most requests are answered, and users are not served.
#[test]
fn an_application_of_which_a_fifth_fails_is_not_served() {
    let fifth = RequestCounts {
        answered: 8,
        failed: 2,
        ..RequestCounts::default()
    };
    let mut run = run_after(40, |_| (fifth, 5));
    assert_eq!(
        verdicts(&mut run),
        [
            verdict(AVAILABLE, "93.33 %: 40 failed of 600", true),
            verdict(SERVED, "not served until the load ended", false),
        ]
    );
    let outages = &run.application_recoveries[0].outages;
    assert_eq!((outages.len(), outages[0].cause.as_str()), (1, "failed"));
    assert!((40_000..41_000).contains(&outages[0].times.from_ms), "{outages:?}");
}

/// The region is back after the load, while the drill waits for convergence.
#[test]
fn requests_after_the_load_do_not_count() {
    let failed = RequestCounts {
        failed: 10,
        ..RequestCounts::default()
    };
    let answered = RequestCounts {
        answered: 10,
        ..RequestCounts::default()
    };
    let mut samples = TrafficSamples::default();
    for second in 0..90 {
        samples.add(sample(second, if second < 60 { failed } else { answered }, 5));
    }
    let mut run = run();
    run.used_by_applications(&samples);
    let never = verdict("application shop answered", "none of 600 requests", false);
    assert_eq!(
        verdicts(&mut run),
        [
            never,
            verdict(AVAILABLE, "0 %: 600 failed of 600", false),
            verdict(SERVED, "not served until the load ended", false),
        ]
    );
    assert_eq!(run.applications[0].seconds.len(), 60);
    let table = &run.applications[0].tables[0];
    assert_eq!((table.requests.all(), table.latency_ms_p99), (600, None));
}

/// All are answered, but too late.
#[test]
fn an_application_that_is_answered_late_is_not_served() {
    // A rejection is an answer, and late like any other.
    let answered = RequestCounts {
        answered: 7,
        condition_failed: 2,
        invalid: 1,
        ..RequestCounts::default()
    };
    let mut run = run_after(20, |second| (answered, if second < 50 { 4_000 } else { 5 }));
    assert_eq!(
        verdicts(&mut run),
        [
            verdict(AVAILABLE, "50 %: 0 failed, 300 late of 600", false),
            verdict(SERVED, "not served for 30 s", false),
        ]
    );
    assert_eq!(run.application_recoveries[0].outages[0].cause, "late");
}

/// Whatever the scenario expects.
#[test]
fn an_application_that_is_never_answered_breaks_a_promise() {
    let refused = RequestCounts {
        failed: 10,
        ..RequestCounts::default()
    };
    let mut run = run_after(0, |_| (refused, 5));
    judge(&Expectations::default(), &mut run);
    let verdicts = run.verdicts.iter().filter(|one| one.expected.contains("application"));
    let verdicts: Vec<_> = verdicts.map(|one| (one.measured.as_str(), one.holds)).collect();
    assert_eq!(verdicts, [("none of 600 requests", false)]);
}

#[test]
fn without_an_application_the_verdict_says_so() {
    let mut run = run();
    run.clients = LoadSource::ApplicationsAndProbes;
    let nothing = "not measured: no application made a request";
    assert_eq!(
        verdicts(&mut run),
        [verdict(
            "applications served again within 5 s (plus 1 s: counted in whole seconds)",
            nothing,
            true
        )]
    );
}
