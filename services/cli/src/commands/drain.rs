//! `drain` and `undrain`: closes a region for writes and waits for the proof that every other
//! region has its last write.

use std::time::Duration;

use beringia_host::convergence::CATALOG_NAME;
use beringia_proto::v1::{ControlDrainReport, ControlDrainRequest, ControlUndrainRequest, WatermarkReport};
use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use super::{control::ControlArguments, quantity::parse_seconds};

use crate::{
    error::CommandError,
    output::{self, Format},
    presentation::iso,
};

/// Close a region for writes, and wait until every other region has its last write.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Close a region for writes and wait until every other region has acknowledged the \
        last write of every table, so that traffic can leave the region without loss. Clients' \
        writes are refused with ServiceUnavailable (HTTP 503), which SDKs retry; reads continue. \
        The command prints the proof: for each other region and table, the sequence of the last \
        write in this region, the sequence that the other region acknowledged, and when. An \
        unreachable region cannot prove that it has anything, even where a relay has sent it the \
        writes.\n\n\
        When time runs out, the exit code is 1 and the message says which regions are missing \
        which writes. Either way the region stays closed until `beringia undrain` or a restart of \
        the region.",
    after_help = "Examples:\n  beringia drain us-east-1\n  beringia drain us-east-1 --timeout 30 && echo safe to fail over\n  \
        beringia drain us-east-1 --format json | tail -1 | jq .watermarks\n  beringia undrain us-east-1"
)]
pub(crate) struct DrainArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The region to close for writes.
    #[arg(value_name = "REGION")]
    pub(crate) region: String,
    /// Give up after this many seconds; without it, never. Fractions are allowed; 0 checks once.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) timeout: Option<Duration>,
}

/// Open a drained region for writes again.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Open a drained region for writes again. A region that is open stays open.",
    after_help = "Examples:\n  beringia undrain us-east-1"
)]
pub(crate) struct UndrainArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The region to open.
    #[arg(value_name = "REGION")]
    pub(crate) region: String,
}

/// The progress of a drain, as programs read it.
#[derive(Debug, Serialize)]
struct DrainJson<'a> {
    region: &'a str,
    /// Whether every other region has the last write of every table.
    drained: bool,
    /// Time since the command began.
    elapsed_ms: u64,
    writes_under_way: u64,
    watermarks: Vec<WatermarkJson<'a>>,
}

/// How far another region has acknowledged this region's writes to a table.
#[derive(Debug, Serialize)]
struct WatermarkJson<'a> {
    peer: &'a str,
    table: &'a str,
    /// The sequence of the last write in the drained region; null where there is none. A string,
    /// because JavaScript's numbers cannot represent it.
    last: Option<String>,
    /// The sequence up to which the peer has acknowledged; null where it has acknowledged nothing.
    acknowledged: Option<String>,
    /// The time of the acknowledgement by the clock of the drained region, in ISO 8601 and in
    /// milliseconds since the Unix epoch.
    acknowledged_at: Option<String>,
    acknowledged_at_ms: Option<u64>,
    /// Why the peer does not have the last write: `behind`, `unreachable`, `being bootstrapped` or
    /// `paused`; null where it does.
    obstacle: Option<&'a str>,
    /// Writes that the peer has not acknowledged.
    missing_mutations: u64,
    missing_bytes: u64,
}

#[derive(Debug, Serialize)]
struct UndrainedJson<'a> {
    region: &'a str,
    draining: bool,
}

/// With `--format json`, prints one object whenever something changes, the last of which is the
/// outcome; as text, prints only the outcome, with the progress on standard error.
pub(crate) async fn run(arguments: &DrainArguments, format: Format) -> Result<(), CommandError> {
    let begun = Instant::now();
    let region = &arguments.region;
    let mut client = arguments.control.connect().await?.hosting(region)?;
    let request = ControlDrainRequest { region: region.clone() };
    let mut reports = client.drain(request).await?.into_inner();
    let progress = output::progress_bar();
    progress.enable_steady_tick(Duration::from_millis(100));
    let mut last = None;
    let drained = loop {
        let next = match (arguments.timeout, &last) {
            // The first report is awaited even with a timeout of 0.
            (Some(timeout), Some(_)) => tokio::time::timeout_at(begun + timeout, reports.message()).await,
            _ => Ok(reports.message().await),
        };
        match next {
            Err(_) => break false,
            Ok(Err(status)) => {
                return Err(CommandError::CheckFailed(format!(
                    "{region} is not drained: {}",
                    status.message()
                )));
            }
            Ok(Ok(None)) => break last.as_ref().is_some_and(|report: &ControlDrainReport| report.drained),
            Ok(Ok(Some(report))) => {
                progress.set_message(summary(&report));
                if format == Format::Json {
                    output::json(&DrainJson::of(region, &report, begun.elapsed()))?;
                }
                last = Some(report);
            }
        }
    };
    progress.finish_and_clear();
    let report = last.unwrap_or_default();
    let elapsed = begun.elapsed();
    if format == Format::Text {
        if drained {
            output::line(&format!(
                "{region} is drained after {:.1} s: every other region has its last write to every table\n",
                elapsed.as_secs_f64()
            ))?;
        }
        print(region, &report, elapsed)?;
    }
    if drained {
        return Ok(());
    }
    Err(CommandError::CheckFailed(format!(
        "{region} is not drained after {:.1} s: {}. It stays closed for writes; `beringia undrain {region}` opens it",
        elapsed.as_secs_f64(),
        summary(&report)
    )))
}

/// Opens a region for writes.
pub(crate) async fn undo(arguments: &UndrainArguments, format: Format) -> Result<(), CommandError> {
    let region = &arguments.region;
    let mut client = arguments.control.connect().await?.hosting(region)?;
    client.undrain(ControlUndrainRequest { region: region.clone() }).await?;
    match format {
        Format::Json => output::json(&UndrainedJson {
            region,
            draining: false,
        }),
        Format::Text => output::line(&format!("{region} accepts writes")),
    }
}

fn name(watermark: &WatermarkReport) -> &str {
    if watermark.table.is_empty() {
        CATALOG_NAME
    } else {
        &watermark.table
    }
}

/// Which peers are missing which writes, in one line.
fn summary(report: &ControlDrainReport) -> String {
    let mut parts = Vec::new();
    if report.writes_under_way > 0 {
        parts.push(format!("{} writes are in progress", report.writes_under_way));
    }
    for watermark in report
        .watermarks
        .iter()
        .filter(|watermark| !watermark.obstacle.is_empty())
    {
        let WatermarkReport {
            peer,
            obstacle,
            missing_mutations,
            ..
        } = watermark;
        parts.push(format!(
            "{peer} has not acknowledged {missing_mutations} writes to {} ({obstacle})",
            name(watermark)
        ));
    }
    parts.join("; ")
}

fn print(region: &str, report: &ControlDrainReport, elapsed: Duration) -> Result<(), CommandError> {
    let drain = DrainJson::of(region, report, elapsed);
    let dash = || "-".to_owned();
    output::table(
        ["PEER", "TABLE", "LAST WRITE", "ACKNOWLEDGED", "AT", ""],
        drain.watermarks.into_iter().map(|watermark| {
            [
                watermark.peer.to_owned(),
                watermark.table.to_owned(),
                watermark.last.unwrap_or_else(dash),
                watermark.acknowledged.unwrap_or_else(dash),
                watermark.acknowledged_at.unwrap_or_else(dash),
                watermark.obstacle.unwrap_or_default().to_owned(),
            ]
        }),
    )
}

impl<'a> DrainJson<'a> {
    fn of(region: &'a str, report: &'a ControlDrainReport, elapsed: Duration) -> Self {
        Self {
            region,
            drained: report.drained,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            writes_under_way: report.writes_under_way,
            watermarks: report.watermarks.iter().map(WatermarkJson::of).collect(),
        }
    }
}

impl<'a> WatermarkJson<'a> {
    fn of(report: &'a WatermarkReport) -> Self {
        let sequence = |sequence: u64| (sequence > 0).then(|| sequence.to_string());
        Self {
            peer: &report.peer,
            table: name(report),
            last: sequence(report.last),
            acknowledged: sequence(report.acknowledged),
            acknowledged_at: report.acknowledged_ms.map(iso),
            acknowledged_at_ms: report.acknowledged_ms,
            obstacle: (!report.obstacle.is_empty()).then_some(report.obstacle.as_str()),
            missing_mutations: report.missing_mutations,
            missing_bytes: report.missing_bytes,
        }
    }
}
