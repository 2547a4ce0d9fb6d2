//! Requests of a drill to control services, and to regions as a client.

use std::sync::Arc;

use beringia_host::units::{bits_per_second, microseconds, millionths};
use beringia_proto::v1::{
    ControlClockRequest, ControlDiskRequest, ControlNetworkRequest, ControlRecoverRegionRequest,
    ControlReplicationRequest, ControlRerouteRequest, LinkPair, LinkReport, NetworkBandwidth, NetworkCut, NetworkDelay,
    NetworkHeal, NetworkIsolate, NetworkLoss, PausedTable, control_clock_request::Action as Clock,
    control_disk_request::Action as Disk, control_network_request::Action as Change,
    control_replication_request::Action as Replication,
};
use beringia_scenario::{Action, Ends};
use beringia_workload::{WorkloadTable, replica_added, replica_removed};

use crate::{error::DrillError, stage::Stage, tables};

/// A directed link: the sending and the receiving region.
pub(super) type Way = (String, String);

pub(super) fn ways(ends: &Ends) -> impl Iterator<Item = Way> {
    ends.ways().map(|(from, to)| (from.to_owned(), to.to_owned()))
}

pub(super) fn one_way((from, to): &Way) -> LinkPair {
    LinkPair {
        from: from.clone(),
        to: to.clone(),
        one_way: true,
    }
}

pub(super) fn cut_one_way(way: &Way, reset: bool) -> Change {
    let pair = Some(one_way(way));
    Change::Cut(NetworkCut { pair, reset })
}

pub(super) fn heal_one_way(way: &Way) -> Change {
    let pair = Some(one_way(way));
    Change::Heal(NetworkHeal { pair })
}

/// The request of the control protocol for an action on links.
pub(super) fn as_change(action: &Action) -> Option<Change> {
    let pair = |ends: &Ends| {
        Some(LinkPair {
            from: ends.from.clone(),
            to: ends.to.clone(),
            one_way: ends.one_way,
        })
    };
    Some(match action {
        Action::Delay { ends, delay, jitter } => Change::Delay(NetworkDelay {
            pair: pair(ends),
            delay_us: microseconds(*delay),
            jitter_us: Some(microseconds(*jitter)),
        }),
        Action::Loss { ends, percent } => Change::Loss(NetworkLoss {
            pair: pair(ends),
            loss_millionths: millionths(*percent),
        }),
        Action::Bandwidth { ends, mbit } => Change::Bandwidth(NetworkBandwidth {
            pair: pair(ends),
            bandwidth_bits: bits_per_second(*mbit),
        }),
        Action::Cut { ends, reset } => Change::Cut(NetworkCut {
            pair: pair(ends),
            reset: *reset,
        }),
        Action::Isolate { region, reset } => Change::Isolate(NetworkIsolate {
            region: region.clone(),
            reset: *reset,
        }),
        _ => return None,
    })
}

/// Changes the network; returns all links after the change.
pub(super) async fn change(stage: &Stage, action: Change) -> Result<Vec<LinkReport>, DrillError> {
    let request = ControlNetworkRequest { action: Some(action) };
    let reply = stage.fleet.modelling_links()?.network(stage.request(request)).await?;
    Ok(reply.into_inner().links)
}

/// Tells the endpoint for all regions that the clients of a region move, if there is such an
/// endpoint. With `to` the region itself they come back, and with `at_once` as if they had not
/// left.
pub(super) async fn reroute(stage: &Stage, region: &str, to: &str, at_once: bool) -> Result<(), DrillError> {
    let Some(mut client) = stage.fleet.serving_all_regions() else {
        return Ok(());
    };
    let request = ControlRerouteRequest {
        region: region.to_owned(),
        to: to.to_owned(),
        at_once,
    };
    client.reroute(stage.request(request)).await?;
    Ok(())
}

/// Changes a region's clock; returns how far it is ahead then, in milliseconds.
pub(super) async fn set_clock(stage: &Stage, region: &str, action: Clock) -> Result<(String, i64), DrillError> {
    let request = ControlClockRequest {
        region: region.to_owned(),
        action: Some(action),
    };
    let reply = stage
        .fleet
        .hosting(region)?
        .clock(stage.request(request))
        .await?
        .into_inner();
    Ok((region.to_owned(), reply.ahead_ms))
}

/// Makes a region's disk slow or full, or normal again.
pub(super) async fn set_disk(stage: &Stage, region: &str, action: Disk) -> Result<(), DrillError> {
    let request = ControlDiskRequest {
        region: region.to_owned(),
        action: Some(action),
    };
    stage.fleet.hosting(region)?.disk(stage.request(request)).await?;
    Ok(())
}

pub(super) async fn recover(stage: &Stage, region: &str) -> Result<(), DrillError> {
    let request = ControlRecoverRegionRequest {
        region: region.to_owned(),
    };
    stage
        .fleet
        .hosting(region)?
        .recover_region(stage.request(request))
        .await?;
    Ok(())
}

/// Pauses or resumes replication in a region; returns all pauses after it.
pub(super) async fn replication(
    stage: &Stage,
    region: &str,
    action: Replication,
) -> Result<Vec<PausedTable>, DrillError> {
    let request = ControlReplicationRequest { action: Some(action) };
    let reply = stage.fleet.hosting(region)?.replication(stage.request(request)).await?;
    Ok(reply.into_inner().paused)
}

/// Asks another region to add or remove a region's replicas. It does not wait: the timeline
/// continues meanwhile.
pub(super) fn change_replicas(stage: &Stage, action: &Action, own: &[WorkloadTable]) {
    let (region, update): (_, fn(&str, &str) -> serde_json::Value) = match action {
        Action::AddReplica { region } => (region, replica_added),
        Action::RemoveReplica { region } => (region, replica_removed),
        _ => return,
    };
    let Some(through) = stage.fleet.topology().into_iter().find(|other| other != region) else {
        return;
    };
    for table in own {
        let (targets, through, update) = (stage.targets(), through.clone(), update(&table.name, region));
        let progress = Arc::clone(&stage.progress);
        tokio::spawn(async move {
            if let Err(failure) = tables::insist(&targets, &through, &update).await {
                progress.note(&failure.to_string());
            }
        });
    }
}
