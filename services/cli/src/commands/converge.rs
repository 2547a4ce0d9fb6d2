//! `converge`: waits until all regions hold the same data.

use std::time::Duration;

use beringia_host::{
    convergence::{self, CATALOG_NAME, DigestComparison, TableComparison},
    fleet::Fleet,
};
use beringia_proto::v1::ControlDigestsRequest;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::time::Instant;

use super::{control::ControlArguments, quantity::parse_seconds};

use crate::{
    error::CommandError,
    output::{self, Format},
    presentation::spans,
};

/// Wait until all regions hold the same data.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Wait until all regions hold the same data: until, for every table and for the \
        catalog of tables, all replicas are ACTIVE, have applied the same writes, and their digests \
        over the keys, versions and metadata of all items are equal. Prints \
        {\"converged\":true,\"elapsed_ms\":…,\"digest\":\"…\"}. When time runs out, the exit code \
        is 1 and the message names the tables and ranges that differ.",
    after_help = "Examples:\n  beringia converge\n  beringia converge --timeout 30 && echo safe to fail over\n  \
        beringia converge --verify --timeout 60      recompute the digests from the rows first"
)]
pub(crate) struct ConvergeArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// Give up after this many seconds; without it, never. Fractions are allowed; 0 checks once.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) timeout: Option<Duration>,
    /// First recompute every digest from the rows, which also finds damage done to the database
    /// files from outside.
    #[arg(long)]
    pub(crate) verify: bool,
}

/// The pause between two checks. Each check costs every region a read of its stored digests.
const PAUSE: Duration = Duration::from_millis(25);

#[derive(Serialize)]
struct ConvergedJson<'a> {
    converged: bool,
    elapsed_ms: u64,
    digest: &'a str,
    /// Ranges in which recomputing the digests found damage; only with `--verify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<&'a [RepairedJson]>,
}

#[derive(Serialize)]
struct DivergentJson<'a> {
    converged: bool,
    elapsed_ms: u64,
    divergent: Vec<&'a TableComparison>,
    /// Control services that did not answer the last check.
    silent: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<&'a [RepairedJson]>,
}

/// Ranges of a table in one region whose stored digest did not match the rows, and which were
/// repaired.
#[derive(Debug, Serialize)]
struct RepairedJson {
    region: String,
    table: String,
    ranges: Vec<u32>,
}

/// Prints one JSON object in either format, because scripts read it; with `--format text`, standard
/// error names the differences.
pub(crate) async fn run(arguments: &ConvergeArguments, format: Format) -> Result<(), CommandError> {
    let begun = Instant::now();
    let fleet = arguments.control.connect().await?;
    let unwatched = fleet.not_hosted();
    if !unwatched.is_empty() {
        return Err(CommandError::usage(format!(
            "no address given with --control hosts {}: comparing needs an answer from every region; add the missing control services",
            unwatched.join(", ")
        )));
    }
    let progress = output::progress_bar();
    let repaired = if arguments.verify {
        Some(verify_within(&fleet, arguments.timeout, &progress).await?)
    } else {
        None
    };
    loop {
        let look = look(&fleet).await;
        let elapsed = begun.elapsed();
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let out_of_time = arguments.timeout.is_some_and(|timeout| elapsed >= timeout);
        match look {
            Ok((comparison, silent)) if silent.is_empty() && comparison.converged() => {
                progress.finish_and_clear();
                let repaired = repaired.as_deref();
                return output::json(&ConvergedJson {
                    converged: true,
                    elapsed_ms,
                    digest: &comparison.digest,
                    repaired,
                });
            }
            Ok((comparison, silent)) if out_of_time => {
                progress.finish_and_clear();
                let divergent: Vec<_> = comparison.divergent().collect();
                output::json(&DivergentJson {
                    converged: false,
                    elapsed_ms,
                    divergent,
                    silent: &silent,
                    repaired: repaired.as_deref(),
                })?;
                return Err(CommandError::CheckFailed(explanation(
                    &comparison,
                    &silent,
                    elapsed,
                    format,
                )));
            }
            // Without a timeout the command would never report that the process is gone for good.
            Err(failure) if out_of_time || arguments.timeout.is_none() => return Err(failure),
            Ok((comparison, silent)) => progress.set_message(summary(&comparison, &silent)),
            Err(failure) => progress.set_message(failure.to_string()),
        }
        progress.tick();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Compares all regions as they are now; also gives the control services that did not answer.
async fn look(fleet: &Fleet) -> Result<(DigestComparison, Vec<String>), CommandError> {
    let request = ControlDigestsRequest {
        verify: false,
        ranges: true,
    };
    let answers = fleet.digests(request).await?;
    Ok((
        convergence::compare(&fleet.topology(), &answers.replies),
        answers.silent,
    ))
}

/// As [`verify`], with a time limit; 0 is no limit.
async fn verify_within(
    fleet: &Fleet,
    timeout: Option<Duration>,
    progress: &ProgressBar,
) -> Result<Vec<RepairedJson>, CommandError> {
    let verification = verify(fleet, progress);
    match timeout.filter(|timeout| !timeout.is_zero()) {
        None => verification.await,
        Some(timeout) => tokio::time::timeout(timeout, verification).await.map_err(|_| {
            CommandError::CheckFailed(format!(
                "the digests were not recomputed within {:.1} s; give more time with --timeout",
                timeout.as_secs_f64()
            ))
        })?,
    }
}

/// Has every region recompute its digests.
async fn verify(fleet: &Fleet, progress: &ProgressBar) -> Result<Vec<RepairedJson>, CommandError> {
    progress.set_message("recomputing digests");
    progress.tick();
    let request = ControlDigestsRequest {
        verify: true,
        ranges: false,
    };
    let mut repaired = Vec::new();
    for region in fleet.digests(request).await?.replies {
        for table in region.tables.into_iter().filter(|table| !table.repaired.is_empty()) {
            let name = if table.table.is_empty() {
                CATALOG_NAME.to_owned()
            } else {
                table.table
            };
            repaired.push(RepairedJson {
                region: region.region.clone(),
                table: name,
                ranges: table.repaired,
            });
        }
    }
    Ok(repaired)
}

/// The progress line while the command waits.
fn summary(comparison: &DigestComparison, silent: &[String]) -> String {
    let mut parts: Vec<String> = comparison
        .divergent()
        .map(|table| match table.divergent_ranges.len() {
            0 => format!("{}: {}", table.table, table.reasons.first().map_or("", String::as_str)),
            1 => format!("{}: 1 range differs", table.table),
            ranges => format!("{}: {ranges} ranges differ", table.table),
        })
        .collect();
    parts.extend(silent.iter().map(|address| format!("{address} does not answer")));
    parts.join("; ")
}

/// Why the regions have not converged, for standard error. With JSON, standard output already has
/// the details.
fn explanation(comparison: &DigestComparison, silent: &[String], elapsed: Duration, format: Format) -> String {
    let mut text = format!("not converged after {:.1} s", elapsed.as_secs_f64());
    if format == Format::Json {
        return text;
    }
    for table in comparison.divergent() {
        text.push_str(&format!("\n  {}: {}", table.table, table.reasons.join("; ")));
        if !table.divergent_ranges.is_empty() {
            text.push_str(&format!("\n    divergent ranges: {}", spans(&table.divergent_ranges)));
        }
    }
    for address in silent {
        text.push_str(&format!("\n  {address} does not answer"));
    }
    text
}
