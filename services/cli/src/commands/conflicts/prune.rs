//! `conflicts prune`: removes old conflicts and unshipped writes from the journals of regions.

use std::time::Duration;

use beringia_host::fleet::Fleet;
use beringia_proto::v1::{ControlPruneConflictsRequest, PrunedReport};
use clap::{ArgGroup, Args};
use serde::Serialize;
use tonic::Code;

use crate::{
    commands::quantity::parse_age,
    error::CommandError,
    output::{self, Format},
};

/// Remove old conflicts and unshipped writes from the journals of regions.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Remove old conflicts and unshipped writes from the journals of regions, with both \
        images. What was removed cannot be restored any more. No item changes. Every region has a \
        journal of its own, so a conflict is listed until each region that journalled it has removed \
        it. The age counts from when the region journalled the conflict (`seen` in `beringia \
        conflicts`), by its own clock. Nothing is asked: look at what would be removed with \
        --dry-run.\n\n\
        Without this command a region removes what is older than --conflict-retention-days (30) of \
        `up` and `region`. While a drill holds a lease nothing is removed, since it judges by the \
        conflicts.",
    after_help = "Examples:\n  beringia conflicts prune --all --dry-run\n  beringia conflicts prune --all --older-than 1d --table Carts\n  beringia conflicts --format json > conflicts.jsonl && beringia conflicts prune --all --older-than 0s",
    group(ArgGroup::new("journals").required(true).args(["region", "all"]))
)]
pub(crate) struct PruneArguments {
    /// How old they must be at least, such as 7d, 12h or 30m; 0s for all.
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = parse_age)]
    older_than: Duration,
    /// Only those of this table, also if it was deleted.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// The region whose journal is pruned.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Prune the journals of all regions.
    #[arg(long)]
    all: bool,
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What was removed in one region, or would be.
#[derive(Serialize)]
struct PrunedJson<'a> {
    region: &'a str,
    /// Whether the region is down, so that nothing was removed.
    down: bool,
    conflicts: u64,
    unshipped: u64,
    /// The bytes of the records, with their images.
    bytes: u64,
    dry_run: bool,
}

/// Prunes the journals, and prints one line per region.
pub(super) async fn run(fleet: &Fleet, arguments: &PruneArguments, format: Format) -> Result<(), CommandError> {
    let request = ControlPruneConflictsRequest {
        region: arguments.region.clone().unwrap_or_default(),
        table: arguments.table.clone().unwrap_or_default(),
        older_than_ms: u64::try_from(arguments.older_than.as_millis()).unwrap_or(u64::MAX),
        dry_run: arguments.dry_run,
    };
    let clients = match &arguments.region {
        Some(region) => vec![fleet.hosting(region)?],
        None => fleet.clients().collect(),
    };
    let (mut reports, mut refusal) = (Vec::new(), None);
    for mut client in clients {
        match client.prune_conflicts(request.clone()).await {
            Ok(reply) => reports.extend(reply.into_inner().regions),
            // A region of another process may have the table.
            Err(status) if status.code() == Code::NotFound => refusal = Some(status),
            Err(status) => return Err(status.into()),
        }
    }
    if let Some(refusal) = refusal.filter(|_| reports.is_empty()) {
        return Err(refusal.into());
    }
    reports
        .iter()
        .try_for_each(|report| show(report, arguments.dry_run, format))
}

fn show(report: &PrunedReport, dry_run: bool, format: Format) -> Result<(), CommandError> {
    let PrunedReport {
        region,
        down,
        conflicts,
        unshipped,
        bytes,
    } = report;
    if format == Format::Json {
        return output::json(&PrunedJson {
            region,
            down: *down,
            conflicts: *conflicts,
            unshipped: *unshipped,
            bytes: *bytes,
            dry_run,
        });
    }
    let did = if dry_run { "would remove" } else { "removed" };
    output::line(&if *down {
        format!("{region}: the region is down, nothing was removed")
    } else {
        format!("{region}: {did} {conflicts} conflicts and {unshipped} unshipped writes, {bytes} bytes")
    })
}
