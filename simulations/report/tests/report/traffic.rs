//! Samples of the requests of applications: to which second each belongs.

use beringia_report::{RequestCounts, TrafficSamples, summary};

use crate::{
    application::{LOST, run, sample},
    support::{millis, seconds},
};

/// The control service does not answer for three seconds, and then reports all requests since.
#[test]
fn a_late_sample_is_spread_over_its_seconds() {
    let usual = RequestCounts {
        answered: 10,
        ..RequestCounts::default()
    };
    let mut samples = TrafficSamples::default();
    for second in (0..30).chain(33..60) {
        samples.add(sample(second, usual, 5));
    }
    let three = RequestCounts {
        answered: 20,
        condition_failed: 11,
        failed: 2,
        ..RequestCounts::default()
    };
    let mut late = sample(30, three, 5);
    (late.since, late.until) = (millis(30_003), millis(33_003));
    // Seven of the answers took more than a second.
    late.latencies = vec![(5_000, 24), (2_000_000, 4), (4_000_000, 3)];
    samples.add(late);
    let mut run = run();
    run.used_by_applications(&samples);
    let traffic = &run.applications[0];
    assert_eq!((traffic.requests().all(), traffic.missing), (570 + 33, Some(0)));
    let spread: Vec<_> = traffic.seconds[30..33]
        .iter()
        .map(|one| (one.second, one.requests.served(), one.requests.all(), one.within))
        .collect();
    assert_eq!(spread, [(30, 11, 11, 8), (31, 10, 11, 8), (32, 10, 11, 8)]);
}

/// Samples are asked for on whole seconds, and some between them.
#[test]
fn a_short_sample_belongs_to_the_second_of_its_middle() {
    for (since, until, second) in [
        (10_003, 11_003, 10),
        (10_900, 12_003, 11),
        (10_300, 10_700, 10),
        (10_700, 11_003, 10),
        (10_990, 11_004, 10),
    ] {
        let one = RequestCounts {
            failed: 1,
            ..RequestCounts::default()
        };
        let mut sample = sample(0, one, 5);
        (sample.since, sample.until) = (millis(since), millis(until));
        let mut samples = TrafficSamples::default();
        samples.add(sample);
        let mut run = run();
        run.used_by_applications(&samples);
        let seconds: Vec<_> = run.applications[0].seconds.iter().map(|one| one.second).collect();
        assert_eq!(seconds, [second], "{since} to {until}");
    }
}

/// They are added up by the region called and the one that answered, and shown.
#[test]
fn rerouted_requests_are_in_the_summary() {
    let mut run = run();
    assert!(!summary(&run).contains("rerouted"));
    let mut samples = TrafficSamples::default();
    for (to, requests) in [("us-east-1", 3), ("ap-northeast-1", 0), ("us-east-1", 4)] {
        samples.rerouted(&(seconds(1)..seconds(2)), LOST.to_owned(), to.to_owned(), requests);
    }
    let after = seconds(60)..seconds(61);
    samples.rerouted(&after, LOST.to_owned(), "us-east-1".to_owned(), 5);
    run.used_by_applications(&samples);
    let summary = summary(&run);
    let table: Vec<&str> = summary.lines().skip_while(|line| !line.contains("rerouted")).collect();
    let cells: Vec<&str> = table[1].split_whitespace().collect();
    assert_eq!(
        (cells, run.rerouted.len()),
        (vec![LOST, "us-east-1", "7"], 1),
        "{summary}"
    );
}
