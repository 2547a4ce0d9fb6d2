//! `explain`: shows an item in every region, and why its version won.

mod explanation;

use beringia_proto::v1::{ControlExplainRequest, ControlStatusRequest, RegionExplanation};
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use self::explanation::{Evidence, Verdict};
use super::control::ControlArguments;

use crate::{
    error::CommandError,
    output::{self, Format},
    presentation::{VersionJson, raw, shortened, version_text},
};

/// Show an item in every region, and why its version won.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Show an item in every region, with its version (hybrid time, region, sequence), \
        and explain why that version won or, where regions differ, what delays the newer write.",
    after_help = "Examples:\n  beringia explain --table Carts --key '{\"pk\":{\"S\":\"customer#7\"},\"sk\":{\"S\":\"cart\"}}'"
)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The name of the table.
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: String,
    /// The item's key in DynamoDB's JSON.
    #[arg(long, value_name = "JSON")]
    pub(crate) key: String,
}

#[derive(Serialize)]
struct ExplainJson<'a> {
    table: &'a str,
    table_id: &'a str,
    key: Box<RawValue>,
    /// Whether all replicas have the same version.
    agree: bool,
    /// The greatest version in any region; null where no region has a row under the key.
    winner: Option<VersionJson>,
    why: String,
    regions: Vec<RegionJson<'a>>,
}

#[derive(Serialize)]
struct RegionJson<'a> {
    region: &'a str,
    /// `present`, `deleted` (a tombstone), `absent`, `no replica` or `down`.
    state: &'static str,
    version: Option<VersionJson>,
    /// The region that accepted the write.
    origin: Option<&'a str>,
    item: Option<Box<RawValue>>,
}

/// Prints one JSON object, or a table and the sentences that explain it, for every table of that
/// name (regional tables of different regions can share one).
pub(crate) async fn run(arguments: &ExplainArguments, format: Format) -> Result<(), CommandError> {
    let key = raw(&arguments.key).map_err(|_| CommandError::usage(format!("--key is not JSON: {}", arguments.key)))?;
    let fleet = arguments.control.connect().await?;
    let request = ControlExplainRequest {
        table: arguments.table.clone(),
        key_json: arguments.key.clone(),
    };
    let answers = fleet
        .ask(|mut client| {
            let request = request.clone();
            async move { client.explain(request).await }
        })
        .await?;
    let status = fleet
        .ask(|mut client| async move { client.status(ControlStatusRequest {}).await })
        .await?
        .replies;
    let mut regions: Vec<RegionExplanation> = answers.replies.into_iter().flat_map(|reply| reply.regions).collect();
    let topology = fleet.topology();
    regions.sort_by_key(|region| topology.iter().position(|name| *name == region.region));
    let (mut reports, mut links) = (Vec::new(), Vec::new());
    for reply in status {
        reports.extend(reply.regions);
        links.extend(reply.links);
    }
    let ids = explanation::table_ids(&regions);
    if ids.is_empty() {
        let down: Vec<&str> = regions
            .iter()
            .filter(|region| !region.running)
            .map(|region| region.region.as_str())
            .collect();
        let down = if down.is_empty() {
            String::new()
        } else {
            format!(" ({} is down)", down.join(", "))
        };
        return Err(CommandError::usage(format!(
            "no region that answers has a table `{}`{down}",
            arguments.table
        )));
    }
    for id in &ids {
        // Regions without the table are listed with every table of that name: their replica may
        // still be on its way.
        let of_table: Vec<RegionExplanation> = regions
            .iter()
            .filter(|region| region.table_id == *id || !region.has_table)
            .cloned()
            .collect();
        let verdict = explanation::explain(&Evidence {
            regions: &of_table,
            reports: &reports,
            links: &links,
        });
        show(&arguments.table, id, &key, &of_table, &verdict, format)?;
    }
    Ok(())
}

fn show(
    table: &str,
    table_id: &str,
    key: &RawValue,
    regions: &[RegionExplanation],
    verdict: &Verdict,
    format: Format,
) -> Result<(), CommandError> {
    if format == Format::Json {
        let regions = regions.iter().map(RegionJson::of).collect::<Result<_, _>>()?;
        return output::json(&ExplainJson {
            table,
            table_id,
            key: key.to_owned(),
            agree: verdict.agree,
            winner: verdict.winner.as_ref().map(VersionJson::from),
            why: verdict.why.join(" "),
            regions,
        });
    }
    output::line(&format!("{table} {}", key.get()))?;
    output::table(
        ["REGION", "STATE", "VERSION", "ITEM"],
        regions.iter().map(|region| {
            [
                region.region.clone(),
                state(region).to_owned(),
                region.version.as_ref().map_or_else(|| "-".to_owned(), version_text),
                region.item_json.as_deref().map_or_else(|| "-".to_owned(), shortened),
            ]
        }),
    )?;
    output::line("")?;
    verdict.why.iter().try_for_each(|sentence| output::line(sentence))
}

impl<'a> RegionJson<'a> {
    fn of(region: &'a RegionExplanation) -> Result<Self, CommandError> {
        Ok(Self {
            region: &region.region,
            state: state(region),
            version: region.version.as_ref().map(VersionJson::from),
            origin: region.version.as_ref().map(|version| version.origin.as_str()),
            item: region.item_json.as_deref().map(raw).transpose()?,
        })
    }
}

fn state(region: &RegionExplanation) -> &'static str {
    if !region.running {
        "down"
    } else if !region.has_table {
        "no replica"
    } else if region.item_json.is_some() {
        "present"
    } else if region.version.is_some() {
        "deleted"
    } else {
        "absent"
    }
}
