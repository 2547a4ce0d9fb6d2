//! Backlog and traffic between regions, in the form of the control protocol, for clients that
//! measure.

use std::collections::BTreeMap;

use beringia_item::Region;
use beringia_node::Flow;
use beringia_proto::v1::FlowReport;

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
pub(crate) fn of_region(region: &Region, flows: BTreeMap<Region, Flow>) -> impl Iterator<Item = FlowReport> {
    flows.into_iter().map(move |(peer, flow)| FlowReport {
        from: region.to_string(),
        to: peer.to_string(),
        backlog_mutations: flow.backlog.map(|backlog| backlog.mutations),
        backlog_bytes: flow.backlog.map(|backlog| backlog.bytes),
        bytes_sent: flow.bytes_sent,
        backlog_oldest_ms: flow
            .backlog
            .and_then(|backlog| backlog.oldest)
            .map(|oldest| oldest.millis()),
    })
}
