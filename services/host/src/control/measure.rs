//! What flows between regions, in the words of the control protocol: for clients that measure.

use std::collections::BTreeMap;

use beringia_item::Region;
use beringia_node::Flow;
use beringia_proto::v1::FlowReport;

use crate::host::Host;

/// What flows from each region of this process that runs to every other.
pub(crate) async fn flows(host: &Host) -> Vec<FlowReport> {
    let mut reports = Vec::new();
    for region in host.regions() {
        if let Some(flows) = region.flows().await {
            reports.extend(of_region(region.name(), flows));
        }
    }
    reports
}

/// What flows from one region.
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
