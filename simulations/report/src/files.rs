//! Writes the report into files of a directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use thiserror::Error;

use crate::{ApplicationOutage, RequestCounts, Run, Users, page::page};

// The columns of the CSV files, in the order of the fields of their rows.
const SECONDS: [&str; 18] = [
    "region",
    "called",
    "second",
    "due",
    "answered",
    "within",
    "rejected",
    "failed",
    "throttled",
    "unavailable",
    "timeout",
    "refused",
    "reset",
    "unresolved",
    "not_sent",
    "error",
    "latency_ms_p50",
    "latency_ms_p99",
];
const FAULTS: [&str; 5] = ["from_ms", "until_ms", "kind", "label", "regions"];
const DIVERGENCE: [&str; 2] = ["at_ms", "keys"];
const CONFLICTS: [&str; 4] = ["winner", "loser", "second", "count"];
const PAIRS: [&str; 21] = [
    "from",
    "to",
    "mutations",
    "due",
    "missing",
    "missing_ms",
    "wire_bytes",
    "lag_min_ms",
    "lag_p50_ms",
    "lag_p90_ms",
    "lag_p95_ms",
    "lag_p99_ms",
    "lag_p999_ms",
    "lag_max_ms",
    "excess_min_ms",
    "excess_p50_ms",
    "excess_p90_ms",
    "excess_p95_ms",
    "excess_p99_ms",
    "excess_p999_ms",
    "excess_max_ms",
];
const LATENCIES: [&str; 9] = [
    "region", "answered", "min_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms",
];
const OUTAGES: [&str; 6] = ["of", "application", "region", "from_ms", "until_ms", "cause"];
const MOVES: [&str; 14] = [
    "from",
    "to",
    "fault_ms",
    "shifted_ms",
    "first_success_ms",
    "objective_ms",
    "effective_loss",
    "visible_later",
    "lost_to_conflicts",
    "lost_with_disk",
    "unshipped",
    "missing",
    "unheard",
    "mutations_max",
];
const LAG: [&str; 6] = ["from", "to", "second", "p50_ms", "p99_ms", "max_ms"];
const BACKLOG: [&str; 5] = ["from", "to", "at_ms", "mutations", "bytes"];

/// Why a report could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The directory or a file in it cannot be written.
    #[error("cannot write {path}: {source}; choose another directory with --report")]
    File {
        /// The path of the directory or file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Writes `report.html`, `report.json` and the CSV files into a directory, which is created if
/// needed. Returns the path of the page.
///
/// # Errors
/// [`WriteError`] if a file cannot be written; others may have been written then.
pub fn write(directory: &Path, run: &Run) -> Result<PathBuf, WriteError> {
    make(directory)?;
    let json = serde_json::to_vec_pretty(run).map_err(io::Error::from);
    put(directory, "report.json", json)?;
    put(directory, "seconds.csv", csv(&SECONDS, &run.seconds))?;
    put(directory, "outages.csv", csv(&OUTAGES, outage_rows(run)))?;
    put(
        directory,
        "applications.csv",
        csv_of(
            &application_head(&["application", "region", "table"], &["latency_ms_p99"]),
            application_rows(run),
        ),
    )?;
    put(
        directory,
        "application_seconds.csv",
        csv_of(
            &application_head(&["application", "region", "second"], &["within", "missing"]),
            application_second_rows(run),
        ),
    )?;
    put(directory, "moves.csv", csv(&MOVES, run.failovers.iter().map(move_row)))?;
    put(directory, "latencies.csv", csv(&LATENCIES, latency_rows(run)))?;
    put(
        directory,
        "faults.csv",
        csv(&FAULTS, run.faults.iter().map(FaultRow::of)),
    )?;
    put(directory, "divergence.csv", csv(&DIVERGENCE, &run.divergence))?;
    put(directory, "conflicts.csv", csv(&CONFLICTS, &run.conflicts))?;
    put(directory, "pairs.csv", csv(&PAIRS, run.pairs.iter().map(PairRow::of)))?;
    put(directory, "lag.csv", csv(&LAG, lag_rows(run)))?;
    put(directory, "backlog.csv", csv(&BACKLOG, backlog_rows(run)))?;
    put(directory, "report.html", Ok(page(run).into_bytes()))
}

/// Creates the directory of a report, if needed. Callers do so before a run, so that a missing
/// permission shows at once.
///
/// # Errors
/// [`WriteError`] if the directory does not exist and cannot be created.
pub fn make(directory: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(directory).map_err(|source| WriteError::File {
        path: directory.to_path_buf(),
        source,
    })
}

/// Writes a file, unless making its content failed.
pub(crate) fn put(directory: &Path, name: &str, content: io::Result<Vec<u8>>) -> Result<PathBuf, WriteError> {
    let path = directory.join(name);
    match content.and_then(|content| fs::write(&path, content)) {
        Ok(()) => Ok(path),
        Err(source) => Err(WriteError::File { path, source }),
    }
}

/// CSV with a header line, which is there without rows, too.
fn csv(head: &[&str], rows: impl IntoIterator<Item = impl Serialize>) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(head).map_err(io::Error::from)?;
    for row in rows {
        writer.serialize(row).map_err(io::Error::from)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// CSV of rows whose columns are not known at compile time.
pub(crate) fn csv_of(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head).map_err(io::Error::from)?;
    for row in rows {
        writer.write_record(row).map_err(io::Error::from)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

#[derive(Serialize)]
struct FaultRow<'a> {
    from_ms: u64,
    until_ms: Option<u64>,
    kind: crate::FaultKind,
    label: &'a str,
    regions: String,
}

impl<'a> FaultRow<'a> {
    fn of(fault: &'a crate::FaultSpan) -> Self {
        Self {
            from_ms: fault.from_ms,
            until_ms: fault.until_ms,
            kind: fault.kind,
            label: &fault.label,
            regions: fault.regions.join(" "),
        }
    }
}

/// The outages of users, then those of applications.
fn outage_rows(run: &Run) -> impl Iterator<Item = impl Serialize> {
    let of_users = run.recoveries.iter().flat_map(move |recovery| {
        let (of, region) = match &recovery.users {
            Users::Home(region) => ("home", region.as_str()),
            Users::Caller(region) => ("caller", region.as_str()),
            Users::All => ("all", ""),
        };
        let outages = recovery.outages.iter();
        outages.map(move |outage| {
            let cause = run.cause(&recovery.users, outage);
            (of, "", region, outage.from_ms, outage.until_ms, cause)
        })
    });
    let of_applications = run.application_recoveries.iter().flat_map(|recovery| {
        let (identity, region) = (
            recovery.identity.as_str(),
            recovery.region.as_deref().unwrap_or_default(),
        );
        let outages = recovery.outages.iter();
        outages.map(move |ApplicationOutage { times, cause }| {
            (
                "application",
                identity,
                region,
                times.from_ms,
                times.until_ms,
                cause.as_str(),
            )
        })
    });
    of_users.chain(of_applications)
}

/// The columns of a file about applications: these, the outcomes of requests, and more.
fn application_head(columns: &[&str], more: &[&str]) -> Vec<String> {
    let outcomes = RequestCounts::default().outcomes().map(|(name, _)| name);
    let columns = columns.iter().chain(&outcomes).chain(more);
    columns.map(|column| (*column).to_owned()).collect()
}

fn application_rows(run: &Run) -> impl Iterator<Item = Vec<String>> {
    run.applications.iter().flat_map(|application| {
        application.tables.iter().map(|table| {
            let place = [&application.identity, &application.region, &table.table];
            let p99 = table.latency_ms_p99.map(|ms| ms.to_string()).unwrap_or_default();
            application_row(place.map(String::clone), &table.requests, [p99])
        })
    })
}

fn application_second_rows(run: &Run) -> impl Iterator<Item = Vec<String>> {
    run.applications.iter().flat_map(|application| {
        application.seconds.iter().map(|second| {
            let place = [
                application.identity.clone(),
                application.region.clone(),
                second.second.to_string(),
            ];
            let more = [second.within.to_string(), second.missing.to_string()];
            application_row(place, &second.requests, more)
        })
    })
}

fn application_row<const N: usize>(place: [String; 3], requests: &RequestCounts, more: [String; N]) -> Vec<String> {
    let outcomes = requests.outcomes().map(|(_, number)| number.to_string());
    place.into_iter().chain(outcomes).chain(more).collect()
}

fn move_row(failover: &crate::Failover) -> impl Serialize {
    let loss = &failover.effective_loss;
    let times = (
        failover.fault_ms,
        failover.shifted_ms,
        failover.first_success_ms,
        failover.objective_ms,
    );
    let became = [
        loss.writes(),
        loss.visible_later,
        loss.lost_to_conflicts,
        loss.lost_with_disk,
        loss.unshipped,
        loss.missing,
        loss.unheard,
    ];
    (
        failover.from.clone(),
        failover.to.clone(),
        times,
        became,
        loss.mutations_max,
    )
}

fn latency_rows(run: &Run) -> impl Iterator<Item = impl Serialize> {
    run.latencies.iter().map(|latency| {
        let ms = &latency.latency_ms;
        (&latency.region, ms.count, ms.all())
    })
}

#[derive(Serialize)]
struct PairRow<'a> {
    from: &'a str,
    to: &'a str,
    mutations: u64,
    due: u64,
    missing: u64,
    missing_ms: u64,
    wire_bytes: u64,
    lag_min_ms: f64,
    lag_p50_ms: f64,
    lag_p90_ms: f64,
    lag_p95_ms: f64,
    lag_p99_ms: f64,
    lag_p999_ms: f64,
    lag_max_ms: f64,
    excess_min_ms: f64,
    excess_p50_ms: f64,
    excess_p90_ms: f64,
    excess_p95_ms: f64,
    excess_p99_ms: f64,
    excess_p999_ms: f64,
    excess_max_ms: f64,
}

impl<'a> PairRow<'a> {
    fn of(pair: &'a crate::Pair) -> Self {
        let (lag, excess) = (&pair.lag_ms, &pair.excess_ms);
        Self {
            from: &pair.from,
            to: &pair.to,
            mutations: pair.mutations,
            due: pair.due,
            missing: pair.missing,
            missing_ms: pair.missing_ms,
            wire_bytes: pair.wire_bytes,
            lag_min_ms: lag.min,
            lag_p50_ms: lag.p50,
            lag_p90_ms: lag.p90,
            lag_p95_ms: lag.p95,
            lag_p99_ms: lag.p99,
            lag_p999_ms: lag.p999,
            lag_max_ms: lag.max,
            excess_min_ms: excess.min,
            excess_p50_ms: excess.p50,
            excess_p90_ms: excess.p90,
            excess_p95_ms: excess.p95,
            excess_p99_ms: excess.p99,
            excess_p999_ms: excess.p999,
            excess_max_ms: excess.max,
        }
    }
}

#[derive(Serialize)]
struct LagRow<'a> {
    from: &'a str,
    to: &'a str,
    second: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

fn lag_rows(run: &Run) -> impl Iterator<Item = LagRow<'_>> {
    run.pairs.iter().flat_map(|pair| {
        pair.lag.iter().map(|point| LagRow {
            from: &pair.from,
            to: &pair.to,
            second: point.second,
            p50_ms: point.p50_ms,
            p99_ms: point.p99_ms,
            max_ms: point.max_ms,
        })
    })
}

#[derive(Serialize)]
struct BacklogRow<'a> {
    from: &'a str,
    to: &'a str,
    at_ms: u64,
    mutations: u64,
    bytes: u64,
}

fn backlog_rows(run: &Run) -> impl Iterator<Item = BacklogRow<'_>> {
    run.pairs.iter().flat_map(|pair| {
        pair.backlog.iter().map(|point| BacklogRow {
            from: &pair.from,
            to: &pair.to,
            at_ms: point.at_ms,
            mutations: point.mutations,
            bytes: point.bytes,
        })
    })
}
