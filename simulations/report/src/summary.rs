//! The text summary of a run, short enough to read in ten seconds.

use beringia_history::FailureCause;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::{
    ApplicationRecovery, LoadSource, Quantiles, RegionSecond, Run,
    application::name_of,
    figures::{figures, fingerprint, headline},
    format::{count, duration_ms, percent},
    judge::absent_in_words,
    served::users_in_words,
};

/// The most pairs whose lag is shown: those with the greatest lag.
const PAIRS_MAX: usize = 6;

/// The verdict with the failed expectations first, then the measurements.
#[must_use]
pub fn summary(run: &Run) -> String {
    let verdict = if run.holds() { "passed" } else { "FAILED" };
    let mut out = format!("{}  {verdict}  ({})\n", run.scenario, headline(run));
    let (failed, held): (Vec<_>, Vec<_>) = run.verdicts.iter().partition(|verdict| !verdict.holds);
    for verdict in failed {
        out.push_str(&format!("  ✗ {}: {}\n", verdict.expected, verdict.measured));
    }
    for verdict in held {
        out.push_str(&format!("  ✓ {}: {}\n", verdict.expected, verdict.measured));
    }
    out.push('\n');
    let figures = figures(run);
    let widest = figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0);
    for figure in &figures {
        out.push_str(&format!(
            "  {:widest$}  {:<12} {}\n",
            figure.name, figure.value, figure.more
        ));
    }
    let seen: Vec<String> = run
        .anomalies
        .iter()
        .filter(|anomaly| anomaly.count > 0)
        .map(|anomaly| format!("{} {}", count(anomaly.count), anomaly.name))
        .collect();
    if !seen.is_empty() {
        out.push_str(&format!("  {:widest$}  {}\n", "Anomalies", seen.join(", ")));
    }
    let (name, fingerprint) = fingerprint(run);
    out.push_str(&format!("  {name:widest$}  {fingerprint}\n"));
    for swarm in &run.identity.swarms {
        let features = swarm.features.join(", ");
        out.push_str(&format!("  {:widest$}  {:<12} {features}\n", "Swarm", swarm.profile));
    }
    for note in &run.notes {
        out.push_str(&format!("  {:widest$}  {note}\n", "Note"));
    }
    out.push_str(&lag(run));
    out.push_str(&regions(run));
    out.push_str(&failures(run));
    out.push_str(&outages(run));
    out.push_str(&applications(run));
    out.push_str(&rerouted(run));
    if !run.holds() && !run.replay.is_empty() {
        out.push_str(&format!("\nagain: {}\n", run.replay));
    }
    out
}

fn lag(run: &Run) -> String {
    let mut pairs: Vec<_> = run.pairs.iter().filter(|pair| pair.lag_ms.count > 0).collect();
    let absent: String = run
        .pairs
        .iter()
        .filter_map(absent_in_words)
        .map(|words| format!("  {words}\n"))
        .collect();
    if pairs.is_empty() {
        return absent;
    }
    let all = pairs.len();
    pairs.sort_by(|one, other| other.lag_ms.p99.total_cmp(&one.lag_ms.p99));
    pairs.truncate(PAIRS_MAX);
    let mut table = table(&["lag", "p50", "p99", "max", "excess p50"]);
    for pair in pairs {
        table.add_row(vec![
            format!("{} → {}", pair.from, pair.to),
            duration_ms(pair.lag_ms.p50),
            duration_ms(pair.lag_ms.p99),
            duration_ms(pair.lag_ms.max),
            duration_ms(pair.excess_ms.p50),
        ]);
    }
    let rest = if all > PAIRS_MAX {
        format!("  the slowest {PAIRS_MAX} of {all} pairs\n")
    } else {
        String::new()
    };
    format!("\n{}\n{rest}{absent}", aligned(table))
}

fn regions(run: &Run) -> String {
    let who = match run.clients {
        LoadSource::Scenario | LoadSource::ScenarioAndApplications => "clients in",
        LoadSource::ApplicationsAndProbes => "probes in",
    };
    let within = format!("within {}", run.objective_in_words());
    let mut table = table(&[who, "due", "failed", &within, "answered", "latency p50", "p99", "max"]);
    for region in &run.regions {
        let (Some(share), Some(answered)) = (run.availability(region), run.answered_percent(region)) else {
            continue;
        };
        let seconds = || run.seconds.iter().filter(|second| second.region == *region);
        let latency = run.latencies.iter().find(|latency| latency.region == *region);
        let shown = |of: fn(&Quantiles) -> f64| {
            latency.map_or_else(|| "–".to_owned(), |latency| duration_ms(of(&latency.latency_ms)))
        };
        table.add_row(vec![
            region.clone(),
            count(seconds().map(|second| second.due).sum()),
            count(seconds().map(|second| second.failed).sum()),
            percent(share),
            percent(answered),
            shown(|latency| latency.p50),
            shown(|latency| latency.p99),
            shown(|latency| latency.max),
        ]);
    }
    if table.row_count() == 0 {
        return String::new();
    }
    format!("\n{}\n", aligned(table))
}

/// The failed and rejected operations by the region where their clients live, and by cause; empty
/// where all succeeded.
fn failures(run: &Run) -> String {
    let of_region = |region: &str, number: &dyn Fn(&RegionSecond) -> u64| -> u64 {
        let seconds = run.seconds.iter().filter(|second| second.region == *region);
        seconds.map(number).sum()
    };
    let seen = causes(run);
    let head: Vec<&str> = ["failed in"]
        .into_iter()
        .chain(seen.iter().map(|cause| cause.name()))
        .chain(["rejected by condition"])
        .collect();
    let mut table = table(&head);
    for region in &run.regions {
        let rejected = of_region(region, &|second| second.rejected);
        if of_region(region, &|second| second.failed) + rejected == 0 {
            continue;
        }
        let of_causes = seen
            .iter()
            .map(|cause| count(of_region(region, &|second| second.causes.of(*cause))));
        let cells = [region.clone()].into_iter().chain(of_causes).chain([count(rejected)]);
        table.add_row(cells.collect::<Vec<_>>());
    }
    if table.row_count() == 0 {
        return String::new();
    }
    format!("\n{}\n", aligned(table))
}

/// The causes for which operations of the run failed.
pub(crate) fn causes(run: &Run) -> Vec<FailureCause> {
    let has_failed = |cause: &FailureCause| run.seconds.iter().any(|second| second.causes.of(*cause) > 0);
    FailureCause::ALL.into_iter().filter(has_failed).collect()
}

/// The outages by the users and applications that saw them; empty where nobody saw one.
fn outages(run: &Run) -> String {
    let mut table = table(&["not served", "outages", "longest", "mostly", "first failure"]);
    let length = |ms: Option<u64>| ms.map_or_else(|| "to the end".to_owned(), |ms| duration_ms(ms as f64));
    let mut add = |who: String, outages: usize, longest: (Option<u64>, &str), first_ms: u64| {
        table.add_row(vec![
            who,
            count(outages as u64),
            length(longest.0),
            longest.1.to_owned(),
            duration_ms(first_ms as f64),
        ]);
    };
    for recovery in &run.recoveries {
        let outages = &recovery.outages;
        let longest = outages.iter().max_by_key(|one| one.length_ms().unwrap_or(u64::MAX));
        if let (Some(first), Some(longest)) = (outages.first(), longest) {
            let cause = run.cause(&recovery.users, longest);
            let who = users_in_words(run, &recovery.users);
            add(who, outages.len(), (longest.length_ms(), cause), first.from_ms);
        }
    }
    for recovery in &run.application_recoveries {
        let outages = &recovery.outages;
        let longest = outages
            .iter()
            .max_by_key(|one| one.times.length_ms().unwrap_or(u64::MAX));
        if let (Some(first), Some(longest)) = (outages.first(), longest) {
            let who = place_in_words(recovery);
            add(
                who,
                outages.len(),
                (longest.times.length_ms(), &longest.cause),
                first.times.from_ms,
            );
        }
    }
    if table.row_count() == 0 {
        return String::new();
    }
    format!("\n{}\n", aligned(table))
}

/// An application and the region that it called, as text.
fn place_in_words(recovery: &ApplicationRecovery) -> String {
    let name = name_of(&recovery.identity);
    match &recovery.region {
        Some(region) => format!("application {name} in {region}"),
        None => format!("application {name}"),
    }
}

/// The requests of applications, which the regions counted.
fn applications(run: &Run) -> String {
    let head = [
        "application",
        "in",
        "answered",
        "rejected",
        "throttled",
        "failed",
        "no answer",
        "missing",
    ];
    let mut table = table(&head);
    for application in &run.applications {
        let requests = application.requests();
        table.add_row(vec![
            application.name().to_owned(),
            application.region.clone(),
            count(requests.answered),
            count(requests.condition_failed + requests.invalid),
            count(requests.throttled),
            count(requests.failed + requests.undelivered),
            count(requests.abandoned),
            application.missing.map_or_else(|| "unknown".to_owned(), count),
        ]);
    }
    if table.row_count() == 0 {
        return String::new();
    }
    format!("\n{}\n", aligned(table))
}

/// The requests of applications that another region answered than the one that they were for.
fn rerouted(run: &Run) -> String {
    let mut table = table(&["rerouted from", "to", "requests"]);
    for one in &run.rerouted {
        table.add_row(vec![one.called.clone(), one.served_by.clone(), count(one.requests)]);
    }
    if table.row_count() == 0 {
        return String::new();
    }
    format!("\n{}\n", aligned(table))
}

/// An empty table without borders, with these column titles.
pub(crate) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.to_vec());
    table
}

pub(crate) fn aligned(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.lines().map(|line| format!(" {}", line.trim_end())).collect();
    lines.join("\n")
}
