//! `conflicts`: the journals of all regions as one.

use std::time::Duration;

use beringia_proto::v1::{ControlConflict, ControlConflictsRequest};
use futures_util::{StreamExt as _, future::join_all, stream::select_all};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use tonic::{Code, Streaming};

use crate::{
    arguments::ConflictsArguments,
    control::fleet::Fleet,
    failure::Failure,
    journal::{Follower, Journal, Merged},
    output::{self, Format},
    presentation::{SideJson, incomplete, iso, raw, side_text},
};

/// How long a conflict waits for the reports of other regions before it is shown; longer than it takes to reach any of them.
const GATHERING: Duration = Duration::from_secs(1);
/// How many conflicts are remembered as shown.
const SHOWN_MAX: usize = 100_000;

#[derive(Serialize)]
struct ConflictJson<'a> {
    table: &'a str,
    table_id: &'a str,
    /// Null where the table is gone.
    key: Option<Box<RawValue>>,
    winner: SideJson,
    loser: SideJson,
    /// What decided.
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

/// Prints one conflict per line (JSON) or paragraph (text), by when it was first seen.
pub(crate) async fn run(arguments: &ConflictsArguments, format: Format) -> Result<(), Failure> {
    let fleet = Fleet::connect(&arguments.control).await?;
    let request = ControlConflictsRequest {
        table: arguments.table.clone().unwrap_or_default(),
        follow: arguments.follow,
    };
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
            // Another process may have the table.
            Err(status) if status.code() == Code::NotFound => refusal = Some(status),
            Err(status) => return Err(status.into()),
        }
    }
    if let Some(refusal) = refusal.filter(|_| streams.is_empty()) {
        return Err(refusal.into());
    }
    if arguments.follow {
        follow(streams, format).await
    } else {
        list(streams, format).await
    }
}

async fn list(streams: Vec<Streaming<ControlConflict>>, format: Format) -> Result<(), Failure> {
    let mut journal = Journal::default();
    let mut reports = select_all(streams);
    while let Some(report) = reports.next().await {
        journal.add(report?);
    }
    let conflicts = journal.into_sorted();
    if conflicts.is_empty() && format == Format::Text {
        return output::line("no conflicts");
    }
    conflicts.iter().try_for_each(|conflict| show(conflict, format))
}

async fn follow(streams: Vec<Streaming<ControlConflict>>, format: Format) -> Result<(), Failure> {
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

fn show(merged: &Merged, format: Format) -> Result<(), Failure> {
    let conflict = &merged.conflict;
    let winner = conflict
        .winner
        .as_ref()
        .ok_or_else(|| incomplete("a conflict without a winner"))?;
    let loser = conflict
        .loser
        .as_ref()
        .ok_or_else(|| incomplete("a conflict without a loser"))?;
    if format == Format::Json {
        return output::json(&ConflictJson {
            table: &conflict.table,
            table_id: &conflict.table_id,
            key: conflict.key_json.as_deref().map(raw).transpose()?,
            winner: winner.try_into()?,
            loser: loser.try_into()?,
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
    output::line(&format!(
        "{table} {}\n  winner  {}\n  loser   {}\n  rule    {}\n  seen    {}",
        conflict.key_json.as_deref().unwrap_or("(the table is gone)"),
        side_text(winner),
        side_text(loser),
        conflict.rule,
        seen.join(", "),
    ))
}
