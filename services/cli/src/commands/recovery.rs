//! `region-fail` and `region-recover`: crash a region of a running `up`, and bring it back.

use beringia_proto::v1::{ControlFailRegionRequest, ControlRecoverRegionRequest};
use clap::Args;
use serde::Serialize;

use super::control::ControlArguments;

use crate::{
    error::CommandError,
    output::{self, Format},
};

/// Kill a region of a running `up` as a crash would.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Kill a region of a running `up` as a crash would: its listeners, connections and \
        tasks end at once, answers in progress are never completed, and its database stays as \
        it is. The other regions and the process continue.\n\n\
        Clients of the region get ServiceUnavailable from the endpoint for all regions. AWS SDKs \
        retry before they report it: boto3 and version 1 of the AWS CLI for 25 seconds. Set \
        AWS_MAX_ATTEMPTS=2 to shorten that, as `beringia aws` does.\n\n\
        With --lose-disk the database is deleted, too. The region comes back empty and bootstraps \
        its replicas from other regions. Writes that it had not shipped are lost.",
    after_help = "Examples:\n  beringia region-fail us-east-1\n  beringia region-fail us-east-1 --lose-disk\n  beringia region-recover us-east-1"
)]
pub(crate) struct RegionFailArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The region to kill.
    #[arg(value_name = "NAME")]
    pub(crate) region: String,
    /// Delete the region's database, too.
    #[arg(long)]
    pub(crate) lose_disk: bool,
}

/// Start a failed region again, with its database.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Start a failed region again, with its database and on the same ports. With `up \
        --ephemeral`, its committed writes are still in memory.",
    after_help = "Examples:\n  beringia region-fail us-east-1\n  beringia region-recover us-east-1"
)]
pub(crate) struct RegionRecoverArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The region to start again.
    #[arg(value_name = "NAME")]
    pub(crate) region: String,
}

#[derive(Serialize)]
struct Done<'a> {
    region: &'a str,
    running: bool,
}

/// Kills a region, as `region-fail` asks.
pub(crate) async fn fail(arguments: &RegionFailArguments, format: Format) -> Result<(), CommandError> {
    let region = &arguments.region;
    let mut client = arguments.control.connect().await?.hosting(region)?;
    client
        .fail_region(ControlFailRegionRequest {
            region: region.clone(),
            lose_disk: arguments.lose_disk,
        })
        .await?;
    print_state(region, false, format)
}

/// Starts a failed region again.
pub(crate) async fn recover(arguments: &RegionRecoverArguments, format: Format) -> Result<(), CommandError> {
    let region = &arguments.region;
    let mut client = arguments.control.connect().await?.hosting(region)?;
    client
        .recover_region(ControlRecoverRegionRequest { region: region.clone() })
        .await?;
    print_state(region, true, format)
}

fn print_state(region: &str, running: bool, format: Format) -> Result<(), CommandError> {
    match format {
        Format::Json => output::json(&Done { region, running }),
        Format::Text if running => output::line(&format!("{region} is running again")),
        Format::Text => output::line(&format!(
            "{region} is down; `beringia region-recover {region}` starts it again\n\
             AWS SDKs retry calls to it, boto3 for 25 s; AWS_MAX_ATTEMPTS=2 shortens that (`beringia aws` sets it)"
        )),
    }
}
