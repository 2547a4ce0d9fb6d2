//! Backlog and traffic between regions, in the form of the control protocol, for clients that
//! measure.

use std::collections::BTreeMap;

use beringia_item::Region;
use beringia_node::Flow;
use beringia_proto::v1::{FlowReport, UnacknowledgedReport};
use beringia_storage::Backlog;

use crate::host::Host;

/// The flows from each running region of this process to every other region.
pub(crate) async fn flows(host: &Host) -> Vec<FlowReport> {
    let mut reports = Vec::new();
    for region in host.regions() {
        if let Some(flows) = region.flows().await {
            reports.extend(of_region(region.name(), flows));
        }
    }
    reports
}

/// The flows from one region.
fn of_region(region: &Region, flows: BTreeMap<Region, Flow>) -> impl Iterator<Item = FlowReport> {
    flows.into_iter().map(move |(peer, flow)| FlowReport {
        from: region.to_string(),
        to: peer.to_string(),
        backlog_mutations: flow.backlog.map(|backlog| backlog.mutations),
        backlog_bytes: flow.backlog.map(|backlog| backlog.bytes),
        bytes_sent: flow.bytes_sent,
    })
}

/// What no other region has acknowledged of each running region of this process.
pub(crate) async fn unacknowledged(host: &Host) -> Vec<UnacknowledgedReport> {
    let mut reports = Vec::new();
    for region in host.regions() {
        let backlog = region.unacknowledged().await;
        reports.extend(backlog.map(|backlog| lost_with(region.name(), &backlog)));
    }
    reports
}

/// The report of what would be lost with a region, or was.
pub(crate) fn lost_with(region: &Region, backlog: &Backlog) -> UnacknowledgedReport {
    UnacknowledgedReport {
        region: region.to_string(),
        mutations: backlog.mutations,
        bytes: backlog.bytes,
        oldest_ms: backlog.oldest.map(|oldest| oldest.millis()),
        first_sequence: backlog.first_sequence,
    }
}
