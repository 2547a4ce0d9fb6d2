//! `net pause` and `net resume`: pauses the replication of a table in a region, and ends pauses.

use beringia_host::fleet::{Client, Fleet};
use beringia_proto::v1::{
    ControlReplicationRequest, PausedTable, ReplicationPause, ReplicationResume, ReplicationShow,
    control_replication_request::Action,
};
use serde::Serialize;

use crate::{
    error::CommandError,
    output::{self, Format},
};

/// A pause as programs read it.
#[derive(Debug, Serialize)]
struct PauseJson<'a> {
    region: &'a str,
    table: &'a str,
    /// Always the word `paused`.
    replication: &'static str,
}

/// Pauses a table in a region; prints all pauses.
pub(crate) async fn pause(fleet: &Fleet, table: String, region: String, format: Format) -> Result<(), CommandError> {
    let mut client = fleet.hosting(&region)?;
    let action = Action::Pause(ReplicationPause { region, table });
    client.replication(request(action)).await?;
    show(fleet, format).await
}

/// Ends the pauses of a table (without a name, of all tables) in a region (without a name, in all);
/// prints the pauses that are left.
pub(crate) async fn resume(
    fleet: &Fleet,
    table: Option<String>,
    region: Option<String>,
    format: Format,
) -> Result<(), CommandError> {
    let resume = |region: Option<String>| {
        request(Action::Resume(ReplicationResume {
            region: region.unwrap_or_default(),
            table: table.clone().unwrap_or_default(),
        }))
    };
    match region {
        Some(region) => drop(fleet.hosting(&region)?.replication(resume(Some(region))).await?),
        None => {
            let everywhere = |mut client: Client| {
                let request = resume(None);
                async move { client.replication(request).await }
            };
            drop(fleet.ask(everywhere).await?);
        }
    }
    show(fleet, format).await
}

/// Prints the pauses: one JSON object per pause; as text a table.
async fn show(fleet: &Fleet, format: Format) -> Result<(), CommandError> {
    let paused = paused(fleet).await?;
    if paused.is_empty() && format == Format::Text {
        return output::line("no replication is paused");
    }
    print(&paused, format)
}

/// Prints the pauses below other output, if there are any.
pub(crate) async fn show_any(fleet: &Fleet, format: Format) -> Result<(), CommandError> {
    let paused = paused(fleet).await?;
    if !paused.is_empty() && format == Format::Text {
        output::line("")?;
    }
    if paused.is_empty() {
        Ok(())
    } else {
        print(&paused, format)
    }
}

async fn paused(fleet: &Fleet) -> Result<Vec<PausedTable>, CommandError> {
    let show = |mut client: Client| async move { client.replication(request(Action::Show(ReplicationShow {}))).await };
    let replies = fleet.ask(show).await?.replies;
    Ok(replies.into_iter().flat_map(|reply| reply.paused).collect())
}

fn print(paused: &[PausedTable], format: Format) -> Result<(), CommandError> {
    let mut pauses = paused.iter().map(|paused| PauseJson {
        region: &paused.region,
        table: &paused.table,
        replication: "paused",
    });
    match format {
        Format::Json => pauses.try_for_each(|pause| output::json(&pause)),
        Format::Text => table(pauses.map(|pause| [pause.region.to_owned(), pause.table.to_owned()])),
    }
}

/// Prints regions and the tables whose replication is paused there.
pub(crate) fn table(pauses: impl Iterator<Item = [String; 2]>) -> Result<(), CommandError> {
    output::table(["REPLICATION PAUSED IN", "OF TABLE"], pauses)
}

fn request(action: Action) -> ControlReplicationRequest {
    ControlReplicationRequest { action: Some(action) }
}
