//! The drain of a region, in the form of the control protocol.

use std::{sync::Arc, time::Duration};

use beringia_node::{Drain, Obstacle};
use beringia_proto::v1::{ControlDrainReport, WatermarkReport};
use beringia_storage::Catalog;
use futures_util::{Stream, stream};
use tonic::Status;

use super::reports;
use crate::{
    host::Host,
    region::{DrainState, Hosted},
};

/// How often the state of a drain is read.
const PAUSE: Duration = Duration::from_millis(50);

/// Reports the drain of one region.
struct Watch {
    host: Arc<Host>,
    region: String,
    /// The last report; `None` before the first.
    reported: Option<ControlDrainReport>,
    ended: bool,
}

/// Closes the region for writes, and reports the progress of the drain whenever it changes.
pub(crate) async fn stream(
    host: Arc<Host>,
    region: String,
) -> Result<impl Stream<Item = Result<ControlDrainReport, Status>> + Send + use<>, Status> {
    let begun = host.hosted(&region)?.with_node(beringia_node::Node::drain).await;
    begun.ok_or_else(|| down(&region))?;
    let watch = Watch {
        host,
        region,
        reported: None,
        ended: false,
    };
    Ok(stream::unfold(watch, |mut watch| async move {
        let report = watch.next().await?;
        Some((report, watch))
    }))
}

/// Opens the region for writes again.
pub(crate) async fn end(host: &Host, region: &str) -> Result<(), Status> {
    let ended = host.hosted(region)?.with_node(beringia_node::Node::undrain).await;
    ended.ok_or_else(|| down(region))
}

fn down(region: &str) -> Status {
    Status::failed_precondition(format!("{region} is down"))
}

impl Watch {
    async fn next(&mut self) -> Option<Result<ControlDrainReport, Status>> {
        while !self.ended {
            let report = self.look().await;
            match &report {
                Ok(report) if self.reported.as_ref() == Some(report) => tokio::time::sleep(PAUSE).await,
                Ok(new) => {
                    self.ended = new.drained;
                    self.reported = Some(new.clone());
                    return Some(report);
                }
                Err(_) => {
                    self.ended = true;
                    return Some(report);
                }
            }
        }
        None
    }

    async fn look(&self) -> Result<ControlDrainReport, Status> {
        let region = self.host.hosted(&self.region)?;
        match region.drain_state().await {
            DrainState::Drains(drain) => Ok(report(region, &drain).await),
            DrainState::TakesWrites => {
                let message = format!("{} accepts writes again", self.region);
                Err(Status::failed_precondition(message))
            }
            DrainState::Down => Err(down(&self.region)),
        }
    }
}

async fn report(region: &Hosted, drain: &Drain) -> ControlDrainReport {
    let catalog = region.store().await.map(|store| store.catalog()).unwrap_or_default();
    ControlDrainReport {
        drained: drain.is_complete(),
        since_ms: drain.since_ms,
        writes_under_way: drain.writes_under_way as u64,
        watermarks: drain
            .watermarks
            .iter()
            .map(|watermark| watermark_report(watermark, &catalog))
            .collect(),
    }
}

fn watermark_report(watermark: &beringia_node::DrainWatermark, catalog: &Catalog) -> WatermarkReport {
    let obstacle = match watermark.obstacle {
        None => "",
        Some(Obstacle::Behind) => "behind",
        Some(Obstacle::Unreachable) => "unreachable",
        Some(Obstacle::Filling) => "being bootstrapped",
        Some(Obstacle::Paused) => "paused",
    };
    WatermarkReport {
        table_id: watermark.table.to_string(),
        table: reports::name_of(watermark.table, catalog),
        peer: watermark.peer.to_string(),
        last: watermark.last,
        acknowledged: watermark.acknowledged,
        acknowledged_ms: watermark.acknowledged_ms,
        obstacle: obstacle.to_owned(),
        missing_mutations: watermark.missing.mutations,
        missing_bytes: watermark.missing.bytes,
    }
}
