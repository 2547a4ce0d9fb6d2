//! The output of a report: page, files and summary.

use std::{fs, path::Path};

use beringia_regions::Topology;
use beringia_report::{FaultKind, FaultSpan, Run, judge, summary, write};
use beringia_scenario::Expectations;

use crate::{
    sample::sample,
    support::{empty_run, seconds},
};

/// A name that would end every element that contains it, if it were not escaped.
const HOSTILE: &str = "</script><script>alert('x')</script>\"&<b>";

fn page(run: &Run) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::read_to_string(write(directory.path(), run).unwrap()).unwrap()
}

/// The fields of the first column of every row except the header.
fn rows(directory: &Path, file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(directory.join(file)).unwrap();
    let fields = |line: &str| line.split(',').map(str::to_owned).collect();
    text.lines().skip(1).map(fields).collect()
}

#[test]
fn the_json_report_is_the_run() {
    let run = sample(Topology::three());
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("made/on/the/way"), &run).unwrap();
    let text = fs::read(directory.path().join("made/on/the/way/report.json")).unwrap();
    let read: Run = serde_json::from_slice(&text).unwrap();
    assert_eq!(read, run);
}

#[test]
fn the_csv_files_have_every_sample() {
    let run = sample(Topology::three());
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &run).unwrap();
    let count = |file| rows(directory.path(), file).len();
    assert_eq!(count("seconds.csv"), run.seconds.len());
    let outages = run.recoveries.iter().map(|recovery| recovery.outages.len());
    assert_eq!(count("outages.csv"), outages.sum::<usize>());
    assert_eq!(
        rows(directory.path(), "outages.csv")[0],
        ["home", "", "us-east-1", "75000", "79300", "refused"]
    );
    let refused = rows(directory.path(), "seconds.csv");
    let refused = refused.iter().map(|row| row[11].parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!(
        refused,
        4 * 100 + 30,
        "refused while the region was down, until its clients had moved"
    );
    let moves = rows(directory.path(), "moves.csv");
    let mut expected = ["us-east-1", "eu-west-1", "75000", "79000", "79378", "79300", "0"].to_vec();
    expected.extend(["0", "0", "0", "0", "0", "0", "1"]);
    assert_eq!(moves, [expected]);
    assert_eq!(count("latencies.csv"), run.latencies.len());
    assert_eq!(rows(directory.path(), "latencies.csv")[0].len(), 9);
    assert_eq!(
        count("lag.csv"),
        run.pairs.iter().map(|pair| pair.lag.len()).sum::<usize>()
    );
    assert_eq!(
        count("backlog.csv"),
        run.pairs.iter().map(|pair| pair.backlog.len()).sum::<usize>()
    );
    assert_eq!(count("divergence.csv"), run.divergence.len());
    assert_eq!(count("conflicts.csv"), run.conflicts.len());
    assert_eq!(count("pairs.csv"), 6);
    let pairs = fs::read_to_string(directory.path().join("pairs.csv")).unwrap();
    for quantile in ["min", "p50", "p90", "p95", "p99", "p999", "max"] {
        for of in ["lag", "excess"] {
            assert!(
                pairs.lines().next().unwrap().contains(&format!(",{of}_{quantile}_ms")),
                "{of} {quantile}"
            );
        }
    }
    let cut = &rows(directory.path(), "faults.csv")[0];
    assert_eq!(
        cut,
        &[
            "20000",
            "60000",
            "partition",
            "cut us-east-1 ↔ eu-west-1",
            "us-east-1 eu-west-1"
        ]
    );
}

#[test]
fn the_csv_files_of_an_empty_run_have_headers() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &empty_run()).unwrap();
    let heads = |file| fs::read_to_string(directory.path().join(file)).unwrap();
    assert_eq!(heads("faults.csv"), "from_ms,until_ms,kind,label,regions\n");
    assert_eq!(heads("divergence.csv"), "at_ms,keys\n");
    assert_eq!(heads("outages.csv"), "of,application,region,from_ms,until_ms,cause\n");
    let outcomes = "answered,condition_failed,invalid,throttled,failed,abandoned,undelivered";
    assert_eq!(
        heads("applications.csv"),
        format!("application,region,table,{outcomes},latency_ms_p99\n")
    );
    assert_eq!(
        heads("application_seconds.csv"),
        format!("application,region,second,{outcomes},within,missing\n")
    );
    assert_eq!(heads("conflicts.csv"), "winner,loser,second,count\n");
    assert_eq!(
        heads("seconds.csv"),
        "region,called,second,due,answered,within,rejected,failed,throttled,unavailable,timeout,refused,reset,unresolved,\
         not_sent,error,latency_ms_p50,latency_ms_p99\n"
    );
    assert_eq!(
        heads("latencies.csv"),
        "region,answered,min_ms,p50_ms,p90_ms,p95_ms,p99_ms,p999_ms,max_ms\n"
    );
    assert_eq!(heads("lag.csv"), "from,to,second,p50_ms,p99_ms,max_ms\n");
    assert_eq!(heads("backlog.csv"), "from,to,at_ms,mutations,bytes\n");
}

#[test]
fn labels_before_bars_do_not_overlap_other_labels() {
    let fault = |from_ms, until_ms, label: &str| FaultSpan {
        from_ms,
        until_ms: Some(until_ms),
        kind: FaultKind::Network,
        label: label.to_owned(),
        regions: Vec::new(),
    };
    let (beside, before) = ("isolate ap-northeast-1", "loss 8.2 % ap-northeast-1 ↔ eu-west-1");
    let mut run = empty_run();
    run.faults = vec![fault(20_000, 25_000, beside), fault(45_000, 59_000, before)];
    let page = page(&run);
    let row = |label: &str| {
        let (head, _) = page.split_once(&format!(">{label}</text>")).unwrap();
        let (_, attributes) = head.rsplit_once("<text ").unwrap();
        let (_, y) = attributes.split_once(" y=\"").unwrap();
        y.split_once('"').unwrap().0.to_owned()
    };
    assert_ne!(row(beside), row(before));
}

#[test]
fn the_page_is_self_contained() {
    let page = page(&sample(Topology::three()));
    for elsewhere in ["http:", "https:", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "the page has {elsewhere}");
    }
}

#[test]
fn the_page_shows_every_region_fault_verdict_and_figure() {
    let run = sample(Topology::three());
    let page = page(&run);
    for id in [
        "timeline",
        "convergence",
        "conflict-matrix",
        "conflict-time",
        "lag-matrix",
    ] {
        assert!(page.contains(&format!("<svg id=\"{id}\"")), "no figure {id}");
    }
    for format in run.faults.iter().map(|fault| &fault.label).chain(&run.regions) {
        assert!(
            page.contains(&format!(">{format}</text>")),
            "{format:?} is in no figure"
        );
    }
    for verdict in &run.verdicts {
        assert!(
            page.contains(&format!("<td>{}</td>", verdict.expected)),
            "{verdict:?} is missing"
        );
    }
    assert!(page.contains("unshipped when the region's replica was dropped</td><td>3</td>"));
    // Lag, backlog, throughput and latency have a line for each region; of the errors, only the
    // first region has some.
    for class in ["r0", "r1", "r2"] {
        let lines = page.matches(&format!("<path class=\"line {class}\"")).count();
        assert!(lines >= 4, "{lines} lines of {class}");
    }
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let mut run = sample(Topology::three());
    run.scenario = HOSTILE.to_owned();
    run.about = HOSTILE.to_owned();
    run.replay = HOSTILE.to_owned();
    run.violations = vec![HOSTILE.to_owned()];
    run.anomalies[0].example = Some(HOSTILE.to_owned());
    run.verdicts[0].measured = HOSTILE.to_owned();
    run.faults.push(FaultSpan {
        from_ms: 1,
        until_ms: None,
        label: HOSTILE.to_owned(),
        regions: Vec::new(),
        kind: FaultKind::Disk,
    });
    run.convergences[0].after = HOSTILE.to_owned();
    let page = page(&run);
    assert!(!page.contains("<b>") && !page.contains("<script>alert"));
    assert_eq!(page.matches("</script>").count(), 2, "the data's and the script's own");
}

#[test]
fn an_empty_run_has_a_page_and_a_summary() {
    let run = empty_run();
    let page = page(&run);
    assert!(page.contains("nothing measured") && page.contains("This run was not judged"));
    assert!(!page.contains("NaN") && !page.contains("inf"));
    assert!(summary(&run).contains("nothing was replicated"));
}

/// Below the lag of those that did.
#[test]
fn the_summary_names_writes_that_never_arrived() {
    let mut run = sample(Topology::three());
    for pair in &mut run.pairs {
        pair.missing = 0;
    }
    assert!(!summary(&run).contains("never arrived"));
    (run.pairs[1].missing, run.pairs[1].missing_ms) = (2, 40_000);
    let (from, to) = (run.pairs[1].from.clone(), run.pairs[1].to.clone());
    let line = format!("\n  2 writes never arrived in 40 s ({from} → {to})\n");
    assert!(summary(&run).contains(&line), "{}", summary(&run));
    for pair in &mut run.pairs {
        pair.lag_ms.count = 0;
    }
    assert!(summary(&run).contains(&line), "without a write that arrived");
}

/// The value and the explanation of a headline figure.
fn headline_figure(run: &Run, name: &str) -> String {
    let text = summary(run);
    let line = text.lines().find(|line| line.trim_start().starts_with(name));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}

/// However good the lag of the others is.
#[test]
fn the_headline_lag_is_never_where_writes_are_missing() {
    let mut run = sample(Topology::three());
    assert!(
        headline_figure(&run, "Lag p99").starts_with("Lag p99 38.86 s"),
        "{}",
        summary(&run)
    );
    let (from, to) = (run.pairs[1].from.clone(), run.pairs[1].to.clone());
    (run.pairs[1].missing, run.pairs[1].missing_ms) = (2, 40_000);
    let missing = format!("Lag p99 never 2 writes never arrived in 40 s ({from} → {to})");
    assert_eq!(headline_figure(&run, "Lag p99"), missing);
    (run.pairs[1].missing, run.pairs[1].due, run.pairs[1].lag_ms.count) = (0, 9, 0);
    let silent = format!("Lag p99 never none of 9 writes arrived ({from} → {to})");
    assert_eq!(headline_figure(&run, "Lag p99"), silent);
}

/// Its time had run out when something else kept the regions apart, and it fails the run.
#[test]
fn the_headline_has_late_convergences_that_were_interrupted() {
    let within = Expectations {
        converged_within: Some(seconds(5)),
        ..Expectations::default()
    };
    let mut run = sample(Topology::three());
    for (disturbed_after_ms, holds, figure) in [
        (4_999, true, "Converged 2.01 s after heal"),
        (5_000, false, "Converged never after restart us-east-1"),
    ] {
        let mut interrupted = run.convergences[0].clone();
        interrupted.after = "restart us-east-1".to_owned();
        (interrupted.elapsed_ms, interrupted.disturbed_after_ms) = (None, Some(disturbed_after_ms));
        run.convergences.truncate(2);
        run.convergences.push(interrupted);
        assert_eq!(judge(&within, &mut run), holds, "{:?}", run.verdicts);
        let found = headline_figure(&run, "Converged");
        assert!(found.starts_with(figure), "{found}");
    }
}

#[test]
fn bounds_the_points_drawn_for_a_long_run() {
    let short = sample(Topology::ten());
    let mut long = short.clone();
    long.load_ms *= 100;
    long.total_ms *= 100;
    for second in &mut long.seconds {
        second.second *= 100;
    }
    let mut between: Vec<_> = long.seconds.clone();
    for second in &mut between {
        second.second += 50;
    }
    long.seconds.extend(between);
    let (short, long) = (page(&short).len(), page(&long).len());
    assert!(
        long < short * 5,
        "{long} bytes of a run 100 times as long as one of {short}"
    );
}

#[test]
fn the_summary_begins_with_the_failures() {
    let mut run = sample(Topology::three());
    run.verdicts[1].holds = false;
    run.verdicts[1].measured = "three were".to_owned();
    let text = summary(&run);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("partition  FAILED  (simulated · seed 7 · policy item"),
        "{text}"
    );
    assert_eq!(lines[1], "  ✗ no promise broken: three were");
    let lost = "  ✓ no durability loss except with a disk: 0 of 23,410 acknowledged writes lost, \
                12 lost with a disk, 3 unshipped; 698 (2.98 %) overwritten by concurrent writes";
    assert!(lines.contains(&lost), "{text}");
    let became = "698 lost to conflicts, 12 lost with a disk, 3 unshipped";
    assert!(text.contains(became), "{text}");
    assert_eq!(lines.last(), Some(&"again: beringia sim run partition --seed 7"));
    assert!(
        text.contains("RPO") && text.contains("12 writes") && text.contains("88 lost-update"),
        "{text}"
    );
    assert!(lines.iter().all(|line| !line.ends_with(' ')));
}
