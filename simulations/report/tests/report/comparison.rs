//! Comparisons of several runs.

use std::fs;

use beringia_regions::Topology;
use beringia_report::{Comparison, Elapsed, Run};

use crate::{sample::sample, support::empty_run};

/// A run with a given number of conflicts and duration of convergence.
fn run(sample: &Run, conflicts: u64, converged_ms: Option<u64>, seed: u64) -> Run {
    let mut run = sample.clone();
    run.seed = seed;
    run.writes.acknowledged = 1_000;
    run.conflicts.truncate(1);
    run.conflicts[0].count = conflicts;
    run.convergences[0].elapsed_ms = converged_ms;
    for verdict in &mut run.verdicts {
        verdict.holds = converged_ms.is_some();
    }
    run
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn compared() -> Comparison {
    let sample = sample(Topology::three());
    let mut comparison = Comparison::new("partition", strings(&["policy", "link.delay_ms"]));
    for (index, delay) in ["5", "20", "80", "320"].into_iter().enumerate() {
        for (policy, factor) in [("item", 20), ("attribute", 9), ("merge", 2)] {
            let conflicts = (index as u64 + 1) * factor;
            for seed in [1, 2] {
                let run = run(&sample, conflicts + seed, Some(1_000 * (index as u64 + 1)), seed);
                comparison.add(strings(&[policy, delay]), &run);
            }
        }
    }
    comparison
}

#[test]
fn a_point_shows_mean_least_and_greatest_of_its_runs() {
    let sample = sample(Topology::three());
    let mut comparison = Comparison::new("partition", strings(&["policy"]));
    comparison.add(strings(&["item"]), &run(&sample, 10, Some(2_500), 1));
    comparison.add(strings(&["item"]), &run(&sample, 30, Some(4_500), 2));
    comparison.add(strings(&["merge"]), &run(&sample, 0, Some(900), 1));
    let table = comparison.table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(
        lines[1].contains("2 (1–3)") && lines[1].contains("3.5 s (2.5 s–4.5 s)"),
        "{table}"
    );
    assert!(
        lines[2].trim_start().starts_with("merge") && lines[2].contains("900 ms"),
        "{table}"
    );
    assert!(comparison.holds());
}

#[test]
fn a_run_without_convergence_failed_and_has_no_time() {
    let sample = sample(Topology::three());
    let mut comparison = Comparison::new("partition", strings(&["policy"]));
    comparison.add(strings(&["item"]), &run(&sample, 10, None, 1));
    assert!(!comparison.holds());
    assert_eq!(comparison.runs[0].measured.converged_ms, Some(Elapsed::Never));
    assert_eq!(comparison.runs[0].measured.conflicts_percent, Some(1.0));
    comparison.add(strings(&["item"]), &empty_run());
    assert_eq!(
        comparison.runs[1].measured.conflicts_percent, None,
        "no writes, no share"
    );
}

/// The mean is that of the runs that ended.
#[test]
fn a_point_shows_that_a_run_did_not_end() {
    let sample = sample(Topology::three());
    let mut comparison = Comparison::new("partition", strings(&["policy"]));
    comparison.add(strings(&["item"]), &run(&sample, 10, Some(2_500), 1));
    comparison.add(strings(&["item"]), &run(&sample, 10, None, 2));
    comparison.add(strings(&["merge"]), &run(&sample, 10, None, 1));
    let table = comparison.table();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].contains("2.5 s (2.5 s–never)"), "{table}");
    let words: Vec<&str> = lines[2].split_whitespace().collect();
    assert!(words.contains(&"never"), "{table}");
    let directory = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(comparison.write(directory.path()).unwrap()).unwrap();
    assert!(page.contains("<title>2.5 s (2.5 s–never)</title>"), "{page}");
    assert!(
        page.contains(">never</text>"),
        "where no run ended, there is no mean to draw"
    );
    assert!(!page.contains("inf") && !page.contains("NaN"), "{page}");
}

#[test]
fn writes_that_never_arrived_and_unshipped_ones_compare() {
    let sample = sample(Topology::three());
    let mut comparison = Comparison::new("partition", Vec::new());
    for (seed, missing, unshipped) in [(1, 0, 0), (2, 0, 4), (3, 1, 2)] {
        let mut run = run(&sample, 10, Some(2_500), seed);
        (run.pairs[0].missing, run.writes.unshipped) = (missing, unshipped);
        comparison.add(Vec::new(), &run);
    }
    let distributions = comparison.distributions();
    let of = |title: &str| {
        let found = distributions.iter().find(|one| one.title == title);
        found.map(|one| (one.runs, one.p50, one.worst, one.worst_seed))
    };
    let worst = of("lag p99").map(|(runs, p50, worst, seed)| (runs, p50.is_finite(), worst, seed));
    assert_eq!(worst, Some((3, true, f64::INFINITY, 3)));
    assert_eq!(of("unshipped"), Some((3, 2.0, 4.0, 2)));
    let directory = tempfile::tempdir().unwrap();
    comparison.write(directory.path()).unwrap();
    let csv = fs::read_to_string(directory.path().join("sweep.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",lost_with_disk,unshipped"), "{csv}");
    assert!(lines[3].contains(",never,") && lines[3].ends_with(",2"), "{csv}");
}

#[test]
fn the_files_have_every_run_and_the_page_every_measure() {
    let comparison = compared();
    let directory = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(comparison.write(directory.path()).unwrap()).unwrap();
    let csv = fs::read_to_string(directory.path().join("sweep.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 24, "a line for each run");
    assert!(
        lines[0].starts_with("policy,link.delay_ms,seed,holds,acknowledged,conflicts_percent,"),
        "{csv}"
    );
    assert!(lines[1].starts_with("item,5,1,true,1000,2.1,"), "{csv}");
    let json: Comparison = serde_json::from_slice(&fs::read(directory.path().join("sweep.json")).unwrap()).unwrap();
    assert_eq!(json, comparison);
    // Thirteen measures, three policies, four delays.
    assert_eq!(page.matches("<circle ").count(), 13 * 3 * 4);
    let distributions = fs::read_to_string(directory.path().join("distributions.csv")).unwrap();
    assert_eq!(distributions.lines().count(), 1 + 13, "{distributions}");
    assert!(
        page.contains("policy merge") && page.contains(">320</text>"),
        "the numbers stand across"
    );
}

/// Ten seeds, of which the ninth did not converge.
#[test]
fn a_distribution_names_the_worst_seed() {
    let sample = sample(Topology::three());
    let mut comparison = Comparison::new("partition", Vec::new());
    for seed in 1..=10 {
        let converged_ms = (seed != 9).then_some(1_000 * seed);
        comparison.add(Vec::new(), &run(&sample, 50 - seed, converged_ms, seed));
    }
    let distributions = comparison.distributions();
    let of = |title: &str, unit: &str| {
        let found = distributions.iter().find(|one| one.title == title && one.unit == unit);
        found.map(|one| (one.runs, one.p50, one.p90, one.worst, one.worst_seed))
    };
    assert_eq!(of("converged", "ms"), Some((10, 5_000.0, 10_000.0, f64::INFINITY, 9)));
    assert_eq!(of("conflicts", "per 100 writes"), Some((10, 4.4, 4.8, 4.9, 1)));
    let table = comparison.distribution_table();
    let converged = table.lines().find(|line| line.contains("never")).unwrap();
    let cells: Vec<&str> = converged.split_whitespace().collect();
    assert_eq!(cells, ["converged", "ms", "5", "s", "10", "s", "never", "9"], "{table}");
    // The users of the region that crashed were away for 4.3 seconds with every seed.
    assert_eq!(of("recovery", "ms"), Some((10, 4_300.0, 4_300.0, 4_300.0, 1)));
}
