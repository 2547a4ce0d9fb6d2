//! `region-fail` and `region-recover`: crash a region of a running `up`, and bring it back.

use beringia_host::fleet::Fleet;
use beringia_proto::v1::{ControlFailRegionRequest, ControlRecoverRegionRequest};
use serde::Serialize;

use crate::{
    arguments::{RegionFailArguments, RegionRecoverArguments},
    failure::Failure,
    output::{self, Format},
};

#[derive(Serialize)]
struct Done<'a> {
    region: &'a str,
    running: bool,
}

/// Kills a region.
pub(crate) async fn fail(arguments: &RegionFailArguments, format: Format) -> Result<(), Failure> {
    let region = &arguments.region;
    let mut client = arguments.control.connect().await?.hosting(region)?;
    client
        .fail_region(ControlFailRegionRequest {
            region: region.clone(),
            lose_disk: arguments.lose_disk,
        })
        .await?;
    say(region, false, format)
}

/// Starts a failed region again.
pub(crate) async fn recover(arguments: &RegionRecoverArguments, format: Format) -> Result<(), Failure> {
    let region = &arguments.region;
    let mut client = arguments.control.connect().await?.hosting(region)?;
    client
        .recover_region(ControlRecoverRegionRequest { region: region.clone() })
        .await?;
    say(region, true, format)
}

fn say(region: &str, running: bool, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&Done { region, running }),
        Format::Text if running => output::line(&format!("{region} is running again")),
        Format::Text => output::line(&format!(
            "{region} is down; `beringia region-recover {region}` brings it back"
        )),
    }
}
