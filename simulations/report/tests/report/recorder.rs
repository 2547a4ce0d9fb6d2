//! How a recorder turns events into the series of a run.

use std::time::Duration;

use beringia_history::{Basis, Effect, FailureCause, History, Operation, OperationOutcome, UNPROCESSED, Write};
use beringia_report::{
    ArrivalSample, BacklogSample, DrainSample, DrainTimes, Player, Recorder, RegionSecond, Run, Samples, Shipment,
};
use beringia_scenario::Action;
use proptest::prelude::*;

use crate::support::{REGIONS, ends, millis, operation, plan, recorded, seconds};

#[test]
fn counts_operations_by_home_region_and_due_time() {
    let [home, other, _] = REGIONS;
    let run = recorded(Vec::new(), |recorder| {
        recorder.operation(&operation(home, home, millis(1_900), millis(300), true));
        recorder.operation(&operation(home, other, millis(1_100), millis(100), true));
        recorder.operation(&operation(home, other, millis(1_500), seconds(5), false));
        recorder.operation(&operation("nowhere", home, millis(1_500), seconds(5), false));
    });
    let [at_home, away] = run.seconds.as_slice() else {
        panic!("one second of one region, which called two: {:?}", run.seconds)
    };
    let of = |second: &RegionSecond| (second.region.clone(), second.called.clone(), second.second);
    assert_eq!(of(at_home), (home.to_owned(), home.to_owned(), 1));
    assert_eq!(of(away), (home.to_owned(), other.to_owned(), 1));
    assert_eq!((at_home.due, at_home.answered, at_home.failed), (1, 1, 0));
    assert_eq!((away.due, away.answered, away.failed), (2, 1, 1));
    assert_eq!((away.causes.timeout, away.causes.total()), (1, 1));
    assert_eq!(
        (away.latency_ms_p50, at_home.latency_ms_p99),
        (Some(100.0), Some(300.0))
    );
    assert_eq!(run.availability(home), Some(200.0 / 3.0));
    assert_eq!(run.availability(other), None);
}

/// A batch of 25 writes, of which the region left two unprocessed, and one that it did whole.
#[test]
fn a_request_is_one_operation_with_all_its_parts() {
    let [home, ..] = REGIONS;
    let part = |client, part: u32, sent_us, is_done: bool| Operation {
        workload: "carts".to_owned(),
        client,
        part,
        home: home.to_owned(),
        region: home.to_owned(),
        name: "BatchWriteItem".to_owned(),
        due_us: sent_us,
        sent_us,
        done_us: sent_us + 5_000,
        outcome: match is_done {
            true => OperationOutcome::Ok,
            false => OperationOutcome::Refused(UNPROCESSED.to_owned()),
        },
        cancellations: Vec::new(),
        failure: (!is_done).then_some(FailureCause::Throttled),
        reads: Vec::new(),
        writes: vec![Write {
            key: format!("k{part}"),
            marker: format!("{client}/{part}"),
            effect: Effect::Delete,
            based_on: Basis::Anything,
            expires_s: None,
            bytes: 100,
        }],
        checked: Vec::new(),
    };
    let short = (0..25).map(|number| part(1, number, 1_000, number < 23));
    let whole = (0..25).map(|number| part(2, number, 1_000, true));
    let alone = part(1, 0, 7_000, true);
    let history = History {
        operations: short.chain(whole).chain([alone]).collect(),
        ..History::default()
    };
    let run = recorded(Vec::new(), |recorder| recorder.history(&history));
    let [second] = run.seconds.as_slice() else {
        panic!("one second: {:?}", run.seconds)
    };
    assert_eq!((second.due, second.answered, second.failed), (3, 2, 1));
    assert_eq!(second.causes.throttled, 1);
    assert_eq!(run.latencies[0].latency_ms.count, 2);
    assert_eq!(run.pairs[0].due, 23 + 25 + 1, "each write is due in the other regions");
}

/// A second without answers has no latency.
#[test]
fn a_stall_shows_in_the_latencies_of_the_whole_run() {
    let [home, ..] = REGIONS;
    let run = recorded(Vec::new(), |recorder| {
        for number in 0..100 {
            // Five of them wait for a stalled disk.
            let took = if number < 5 { seconds(9) } else { millis(4) };
            recorder.operation(&operation(home, home, millis(1_000 + number), took, true));
        }
        recorder.operation(&operation(home, home, millis(2_000), seconds(5), false));
    });
    let [latency] = run.latencies.as_slice() else {
        panic!("one region: {:?}", run.latencies)
    };
    let ms = &latency.latency_ms;
    assert_eq!((latency.region.as_str(), ms.count), (home, 100));
    assert_eq!((ms.min, ms.max), (4.0, 9_000.0));
    assert!(ms.p50 < 4.01 && ms.p99 > 8_990.0, "{ms:?}");
    assert_eq!(run.seconds[1].latency_ms_p99, None);
}

/// Lag counts in the second of the commit; its excess is the lag without the link's delay.
#[test]
fn records_lag_and_its_excess_per_pair_and_second() {
    let [from, to, _] = REGIONS;
    let arrival = |committed: u64, lag: u64| ArrivalSample {
        sequence: committed,
        committed: millis(committed),
        lag: millis(lag),
        one_way: millis(40),
    };
    let run = recorded(Vec::new(), |recorder| {
        recorder.arrivals(from, to, [arrival(100, 45), arrival(200, 1_040)]);
        recorder.arrivals(from, to, [arrival(5_000, 30)]);
        recorder.arrivals(from, "nowhere", [arrival(5_000, 30)]);
    });
    assert_eq!(run.pairs.len(), 6, "every ordered pair is there");
    let pair = &run.pairs[0];
    assert_eq!((pair.from.as_str(), pair.to.as_str(), pair.mutations), (from, to, 3));
    assert_eq!((pair.lag_ms.min, pair.lag_ms.max), (30.0, 1_040.0));
    assert_eq!((pair.excess_ms.min, pair.excess_ms.max), (0.0, 1_000.0));
    let seconds: Vec<_> = pair
        .lag
        .iter()
        .map(|point| (point.second, point.p50_ms, point.max_ms))
        .collect();
    assert_eq!(seconds, [(0, 45.0, 1_040.0), (5, 30.0, 30.0)]);
}

#[test]
fn a_constant_series_keeps_only_its_corners() {
    let [from, to, _] = REGIONS;
    let run = recorded(Vec::new(), |recorder| {
        for (at, mutations) in [(0, 0), (100, 0), (200, 0), (300, 7), (400, 0), (500, 0), (600, 0)] {
            let bytes = mutations * 100;
            recorder.backlog(
                from,
                to,
                BacklogSample {
                    at_ms: at,
                    mutations,
                    bytes,
                },
            );
            recorder.divergence(millis(at), mutations);
        }
    });
    let corners = [(0, 0), (200, 0), (300, 7), (400, 0), (600, 0)];
    let backlog: Vec<_> = run.pairs[0]
        .backlog
        .iter()
        .map(|point| (point.at_ms, point.mutations))
        .collect();
    let divergence: Vec<_> = run.divergence.iter().map(|point| (point.at_ms, point.keys)).collect();
    assert_eq!(backlog, corners);
    assert_eq!(divergence, corners);
}

#[test]
fn the_bound_uses_the_apply_rate_of_another_run() {
    let [from, to, _] = REGIONS;
    let converge = |recorder: &mut Recorder| {
        let awaited = recorder.must_converge("heal", seconds(30), links(&[(from, to, 40)]));
        // 1,000 within one window of a second, all in one commit.
        arrive(recorder, from, to, 1_000, seconds(1), seconds(2));
        // 6,000 missing mutations, the last of them after four and a half seconds.
        arrive(recorder, from, to, 5_000, millis(29_000), millis(31_000));
        arrive(recorder, from, to, 1_000, seconds(10), millis(34_540));
        recorder.converged(awaited, millis(34_560));
        recorder.converged(awaited, seconds(50));
    };
    let of = |run: &Run| (run.convergences[0].elapsed_ms, run.convergences[0].bound_ms);
    let run = recorded(Vec::new(), converge);
    // However fast or slowly it applied, only the link bounds it: the last write had arrived.
    assert_eq!(of(&run), (Some(4_560), 0.0));
    assert_eq!(run.applied_per_second[to], 5_000.0);
    let calibrated = recorded(Vec::new(), |recorder| {
        recorder.can_apply([(to.to_owned(), 4_000.0)].into());
        converge(recorder);
    });
    assert_eq!(of(&calibrated), (Some(4_560), 1_500.0));
    assert_eq!(calibrated.convergences[0].ratio(), Some(3.04));
}

#[test]
fn the_bound_without_an_apply_rate_is_the_delay() {
    let [from, to, third] = REGIONS;
    let run = recorded(Vec::new(), |recorder| {
        let all = links(&[(from, to, 300), (from, third, 30), (third, to, 40)]);
        let awaited = recorder.must_converge("end", seconds(10), all);
        // Three of ten per second are in transit, through the third region, which is nearer.
        for (at_ms, came_ms) in [(9_000, 9_070), (9_950, 10_035), (9_980, 10_052), (9_990, 10_062)] {
            arrive(recorder, from, to, 1, millis(at_ms), millis(came_ms));
        }
        recorder.converged(awaited, Duration::from_micros(10_064_200));
    });
    let convergence = &run.convergences[0];
    assert_eq!((convergence.elapsed_ms, convergence.bound_ms), (Some(65), 60.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_convergence_is_faster_than_its_bound(
        since_ms in 0u64..5_000,
        // The time of the commit, and how much later than possible it is visible; in microseconds.
        arrivals in prop::collection::vec((0u64..6_000_000, 0u64..2_000_000, 0usize..6), 1..60),
    ) {
        let pairs: Vec<(&str, &str, u64)> = REGIONS
            .iter()
            .flat_map(|from| REGIONS.iter().filter(move |to| *to != from).map(move |to| (*from, *to, 40)))
            .collect();
        let since = millis(since_ms);
        let mut converged = since;
        let run = recorded(Vec::new(), |recorder| {
            let awaited = recorder.must_converge("heal", since, links(&pairs));
            for (committed_us, late_us, pair) in &arrivals {
                let (from, to, _) = pairs[*pair];
                let committed = Duration::from_micros(*committed_us);
                let visible = committed + millis(40) + Duration::from_micros(*late_us);
                arrive(recorder, from, to, 1, committed, visible);
                if committed <= since {
                    converged = converged.max(visible);
                }
            }
            recorder.converged(awaited, converged);
        });
        let convergence = &run.convergences[0];
        prop_assert!(convergence.ratio().is_none_or(|ratio| ratio >= 1.0), "{convergence:?}");
    }
}

/// Links without a backlog.
fn links(delays_ms: &[(&str, &str, u64)]) -> Vec<Shipment> {
    let link = |(from, to, delay_ms): &(&str, &str, u64)| Shipment {
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        mutations: 0,
        bytes: 0,
        one_way: millis(*delay_ms),
        bandwidth_mbit: None,
    };
    delays_ms.iter().map(link).collect()
}

/// Mutations of one commit that became visible at once.
fn arrive(recorder: &mut Recorder, from: &str, to: &str, mutations: u64, committed: Duration, visible: Duration) {
    let arrival = ArrivalSample {
        sequence: 1,
        committed,
        lag: visible - committed,
        one_way: millis(10),
    };
    recorder.arrivals(from, to, (0..mutations).map(|_| arrival));
}

/// A fault that ends later disturbs a convergence if their times overlap.
#[test]
fn overlapping_faults_disturb_a_convergence() {
    let [one, other, third] = REGIONS;
    let cut = |to: &str| Action::Cut {
        ends: ends(one, to, false),
        reset: false,
    };
    let heal = |to: &str| Action::Heal(Some(ends(one, to, false)));
    let plan = plan(vec![
        (1, cut(other)),
        (2, cut(third)),
        (4, heal(other)),
        (10, heal(third)),
        (20, cut(other)),
        (30, heal(other)),
    ]);
    let mut recorder = Recorder::new(&plan, Player::Sim);
    for (from, until) in [(4, 5), (10, 11), (19, 21), (30, 40)] {
        let awaited = recorder.must_converge("test", seconds(from), Vec::new());
        recorder.converged(awaited, seconds(until));
    }
    let run = recorder.finish(seconds(60), "");
    let disturbed: Vec<Option<u64>> = run.convergences.iter().map(|one| one.disturbed_after_ms).collect();
    assert_eq!(disturbed, [Some(0), None, Some(1_000), None]);
}

/// It is proven when all peers have all writes; traffic leaves when clients move or the region is
/// taken down.
#[test]
fn records_when_a_drain_is_proven_and_when_traffic_leaves() {
    let [one, other, third] = REGIONS;
    let (region, to) = (|| one.to_owned(), other.to_owned());
    let plan = plan(vec![
        (5, Action::Drain { region: region() }),
        (7, Action::Shift { from: region(), to }),
        (9, Action::Undrain { region: region() }),
        (11, Action::Drain { region: region() }),
        (
            12,
            Action::Crash {
                region: region(),
                lose_disk: false,
            },
        ),
    ]);
    let mut recorder = Recorder::new(&plan, Player::Sim);
    let mut seen = |at_ms, is_proven, peers: &[&str]| {
        recorder.drain(DrainSample {
            region: region(),
            at: millis(at_ms),
            is_proven,
            peers: peers.iter().map(|peer| (*peer).to_owned()).collect(),
        });
    };
    seen(5_100, false, &[other]);
    seen(5_300, true, &[other, third]);
    seen(5_400, true, &[other, third]);
    seen(11_500, false, &[third]);
    seen(12_500, true, &[other, third]);
    let run = recorder.finish(seconds(60), "");
    let [first, second] = run.drains.as_slice() else {
        panic!("{:?}", run.drains)
    };
    assert_eq!(
        (first.elapsed_ms(), first.left_ms, first.was_left_early()),
        (Some(300), Some(7_000), false)
    );
    let proven = |drain: &DrainTimes| {
        drain
            .peers
            .iter()
            .map(|peer| (peer.peer.clone(), peer.proven_ms))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        proven(first),
        [(other.to_owned(), Some(5_100)), (third.to_owned(), Some(5_300))]
    );
    assert_eq!(
        (second.elapsed_ms(), second.left_ms, second.was_left_early()),
        (None, Some(12_000), true)
    );
    assert_eq!(
        proven(second),
        [(other.to_owned(), None), (third.to_owned(), Some(11_500))]
    );
}

#[test]
fn a_late_proof_counts_if_the_end_of_the_drain_waits_for_it() {
    let [region, peer, _] = REGIONS;
    let action = |undrained| {
        let region = region.to_owned();
        if undrained {
            Action::Undrain { region }
        } else {
            Action::Drain { region }
        }
    };
    // It ends five seconds after its proof, for which the plan takes no time at first.
    let as_known = |ended| plan(vec![(5, action(false)), (ended, action(true))]);
    let mut recorder = Recorder::new(&as_known(10), Player::Drill);
    let mut seen = |at_ms, is_proven, peers: &[&str]| {
        recorder.drain(DrainSample {
            region: region.to_owned(),
            at: millis(at_ms),
            is_proven,
            peers: peers.iter().map(|peer| (*peer).to_owned()).collect(),
        });
    };
    seen(10_500, false, &[peer]);
    seen(12_000, true, &[peer]);
    recorder.rescheduled(&as_known(17));
    let run = recorder.finish(seconds(60), "");
    let drain = &run.drains[0];
    assert_eq!((drain.from_ms, drain.proven_ms), (5_000, Some(12_000)));
    assert_eq!(drain.peers[0].proven_ms, Some(10_500));
}

proptest! {
    #[test]
    fn quantiles_are_exact_within_a_thousandth(mut lengths in prop::collection::vec(0u64..10_000_000, 1..500)) {
        let mut samples = Samples::default();
        for us in &lengths {
            samples.add(Duration::from_micros(*us));
        }
        lengths.sort_unstable();
        let quantiles = samples.quantiles_ms();
        prop_assert_eq!(quantiles.count, lengths.len() as u64);
        prop_assert_eq!(quantiles.min, lengths[0] as f64 / 1000.0);
        prop_assert_eq!(quantiles.max, lengths[lengths.len() - 1] as f64 / 1000.0);
        for (quantile, measured) in [(50, quantiles.p50), (90, quantiles.p90), (95, quantiles.p95), (99, quantiles.p99)] {
            let rank = (lengths.len() * quantile).div_ceil(100).max(1);
            let exact = lengths[rank - 1] as f64 / 1000.0;
            prop_assert!((measured - exact).abs() <= exact * 0.001 + 0.001, "p{} {} for {}", quantile, measured, exact);
        }
    }
}
