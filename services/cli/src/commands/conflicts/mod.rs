//! `conflicts`: lists the conflict journals of all regions as one.

mod journal;
mod prune;

use std::time::Duration;

use beringia_host::fleet::Fleet;
use beringia_proto::v1::{ControlConflict, ControlConflictsRequest, ControlRestoreRequest};
use clap::{Args, Subcommand};
use futures_util::{StreamExt as _, future::join_all, stream::select_all};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use tonic::{Code, Streaming};

use self::{
    journal::{Follower, Journal, Merged},
    prune::PruneArguments,
};
use super::control::ControlArguments;

use crate::{
    error::CommandError,
    output::{self, Format},
    presentation::{SideJson, VersionJson, incomplete, iso, raw, side_text, version_text},
};

/// List the conflicts between concurrent writes, with the winner of each.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "List the conflicts. A conflict is two concurrent writes to one item, of which one \
        lost something. For each, print both writes with their version (hybrid time, region, \
        sequence) and item, what was lost (the whole item, or some attributes), the rule that \
        decided, and when each region journalled the conflict. A conflict that several regions \
        journalled is listed once. The list also contains unshipped writes: writes of a dropped \
        replica that no other region has.",
    after_help = "Examples:\n  beringia conflicts\n  beringia conflicts --table Carts --format json | jq .loser.image\n  beringia conflicts --follow\n  beringia conflicts restore 1f0c9a3be27d\n  beringia conflicts prune --all --dry-run",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct ConflictsArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// Only conflicts in this table.
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// Keep running, and show conflicts as they happen.
    #[arg(long)]
    pub(crate) follow: bool,
    /// The action instead of listing conflicts.
    #[command(subcommand)]
    pub(crate) action: Option<ConflictsAction>,
}

/// The actions on a conflict.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConflictsAction {
    /// Write back what a conflict lost, as a new write.
    #[command(
        long_about = "Write back what a conflict lost, as a new write: the whole item or, if the \
            conflict names attributes, only these. If the loser was a delete, the item is deleted. \
            The new write replaces the current values without a condition, and replicates like any \
            other. Its version is printed.",
        after_help = "Examples:\n  beringia conflicts restore 1f0c9a3be27d\n  beringia conflicts restore 1f0c9a3be27d --region eu-west-1"
    )]
    Restore {
        /// The id of the conflict, as `beringia conflicts` prints it.
        #[arg(value_name = "ID")]
        id: String,
        /// The region to write in; without it, the region that journalled the conflict first.
        #[arg(long, value_name = "REGION")]
        region: Option<String>,
    },
    Prune(PruneArguments),
}

/// How long a conflict waits for the reports of other regions before it is shown; longer than a
/// report takes to arrive.
const GATHERING: Duration = Duration::from_secs(1);
/// How many conflicts are remembered as shown.
const SHOWN_MAX: usize = 100_000;

#[derive(Serialize)]
struct ConflictJson<'a> {
    /// The argument of `conflicts restore`.
    id: String,
    table: &'a str,
    table_id: &'a str,
    /// Null where the table was deleted.
    key: Option<Box<RawValue>>,
    /// Null for an unshipped write: its region's replica was dropped before it was shipped.
    winner: Option<SideJson>,
    loser: SideJson,
    /// The attributes that the loser lost; empty for the whole item.
    attributes: &'a [String],
    /// The name of the rule that chose the winner, such as `later time`.
    rule: &'a str,
    seen: Vec<SeenJson<'a>>,
}

#[derive(Serialize)]
struct SeenJson<'a> {
    region: &'a str,
    /// ISO 8601, by the clock of that region.
    at: String,
    at_ms: u64,
}

/// A conflict whose loser was written back.
#[derive(Serialize)]
struct RestoredJson<'a> {
    id: &'a str,
    /// The region in which it was written back.
    region: &'a str,
    table: &'a str,
    /// The version of the new write; null where an item was to be deleted and does not exist.
    version: Option<VersionJson>,
}

/// Prints one conflict per line (JSON) or paragraph (text), by when it was first seen.
pub(crate) async fn run(arguments: &ConflictsArguments, format: Format) -> Result<(), CommandError> {
    let fleet = arguments.control.connect().await?;
    match &arguments.action {
        Some(ConflictsAction::Restore { id, region }) => return restore(&fleet, id, region.as_deref(), format).await,
        Some(ConflictsAction::Prune(arguments)) => return prune::run(&fleet, arguments, format).await,
        None => {}
    }
    let streams = journals(&fleet, arguments.table.clone().unwrap_or_default(), arguments.follow).await?;
    if arguments.follow {
        follow(streams, format).await
    } else {
        list(streams, format).await
    }
}

/// Opens the conflict journals of all regions.
async fn journals(fleet: &Fleet, table: String, follow: bool) -> Result<Vec<Streaming<ControlConflict>>, CommandError> {
    let request = ControlConflictsRequest { table, follow };
    let answers = join_all(fleet.clients().map(|mut client| {
        let request = request.clone();
        async move { client.conflicts(request).await }
    }))
    .await;
    let mut streams = Vec::new();
    let mut refusal = None;
    for answer in answers {
        match answer {
            Ok(stream) => streams.push(stream.into_inner()),
            // A region of another process may have the table.
            Err(status) if status.code() == Code::NotFound => refusal = Some(status),
            Err(status) => return Err(status.into()),
        }
    }
    if let Some(refusal) = refusal.filter(|_| streams.is_empty()) {
        return Err(refusal.into());
    }
    Ok(streams)
}

async fn read(streams: Vec<Streaming<ControlConflict>>) -> Result<Vec<Merged>, CommandError> {
    let mut journal = Journal::default();
    let mut reports = select_all(streams);
    while let Some(report) = reports.next().await {
        journal.add(report?);
    }
    Ok(journal.into_sorted())
}

/// Writes back what the loser of a conflict lost.
async fn restore(fleet: &Fleet, id: &str, region: Option<&str>, format: Format) -> Result<(), CommandError> {
    let conflicts = read(journals(fleet, String::new(), false).await?).await?;
    let found = conflicts.into_iter().find(|merged| journal::id(&merged.conflict) == id);
    let Merged { conflict, seen } = found.ok_or_else(|| {
        CommandError::usage(format!(
            "no region has a conflict {id} in its journal; `beringia conflicts` lists the ids"
        ))
    })?;
    let region = region.or_else(|| seen.first().map(|sighting| sighting.region.as_str()));
    let region = region
        .ok_or_else(|| incomplete("a conflict that no region saw"))?
        .to_owned();
    let gone = || CommandError::usage(format!("the table of the conflict {id} was deleted"));
    let loser = conflict.loser.ok_or_else(|| incomplete("a conflict without a loser"))?;
    let request = ControlRestoreRequest {
        region: region.clone(),
        table: conflict.table.clone(),
        key_json: conflict.key_json.ok_or_else(gone)?,
        image_json: loser.image_json,
        attributes: conflict.attributes,
    };
    let reply = fleet.hosting(&region)?.restore(request).await?.into_inner();
    match format {
        Format::Json => output::json(&RestoredJson {
            id,
            region: &region,
            table: &conflict.table,
            version: reply.version.as_ref().map(VersionJson::from),
        }),
        Format::Text => output::line(&match &reply.version {
            Some(version) => format!("restored in {region} as {}", version_text(version)),
            None => format!("nothing to do: the loser was a delete, and {region} has no such item"),
        }),
    }
}

async fn list(streams: Vec<Streaming<ControlConflict>>, format: Format) -> Result<(), CommandError> {
    let conflicts = read(streams).await?;
    if conflicts.is_empty() && format == Format::Text {
        return output::line("no conflicts");
    }
    conflicts.iter().try_for_each(|conflict| show(conflict, format))
}

async fn follow(streams: Vec<Streaming<ControlConflict>>, format: Format) -> Result<(), CommandError> {
    let mut follower = Follower::new(SHOWN_MAX);
    let mut reports = select_all(streams);
    let mut ended = false;
    while !ended || follower.next_deadline().is_some() {
        let next = follower.next_deadline();
        tokio::select! {
            biased;
            () = async { sleep_until(next.unwrap_or_else(Instant::now)).await }, if next.is_some() => {}
            report = reports.next(), if !ended => match report {
                Some(report) => follower.add(report?, Instant::now() + GATHERING),
                None => ended = true,
            },
        }
        for conflict in follower.due(Instant::now()) {
            show(&conflict, format)?;
        }
    }
    Ok(())
}

fn show(merged: &Merged, format: Format) -> Result<(), CommandError> {
    let conflict = &merged.conflict;
    let winner = conflict.winner.as_ref();
    let loser = conflict
        .loser
        .as_ref()
        .ok_or_else(|| incomplete("a conflict without a loser"))?;
    if format == Format::Json {
        return output::json(&ConflictJson {
            id: journal::id(conflict),
            table: &conflict.table,
            table_id: &conflict.table_id,
            key: conflict.key_json.as_deref().map(raw).transpose()?,
            winner: winner.map(TryInto::try_into).transpose()?,
            loser: loser.try_into()?,
            attributes: &conflict.attributes,
            rule: &conflict.rule,
            seen: merged
                .seen
                .iter()
                .map(|seen| SeenJson {
                    region: &seen.region,
                    at: iso(seen.seen_ms),
                    at_ms: seen.seen_ms,
                })
                .collect(),
        });
    }
    let table = if conflict.table.is_empty() {
        &conflict.table_id
    } else {
        &conflict.table
    };
    let seen: Vec<String> = merged
        .seen
        .iter()
        .map(|seen| format!("{} at {}", seen.region, iso(seen.seen_ms)))
        .collect();
    let lost = if conflict.attributes.is_empty() {
        "the whole item".to_owned()
    } else {
        conflict.attributes.join(", ")
    };
    output::line(&format!(
        "{table} {}\n  winner  {}\n  loser   {}\n  lost    {lost}\n  rule    {}\n  seen    {}\n  id      {}",
        conflict.key_json.as_deref().unwrap_or("(the table was deleted)"),
        winner.map_or_else(|| "none".to_owned(), side_text),
        side_text(loser),
        conflict.rule,
        seen.join(", "),
        journal::id(conflict),
    ))
}
