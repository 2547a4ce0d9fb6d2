//! Moves of clients, which the endpoint for all regions follows.

use beringia_endpoint::Reroute;
use beringia_proto::v1::{ControlRerouteRequest, RerouteReport};
use tonic::Status;

use crate::host::Host;

/// Moves the clients of a region, or has them come back, by a request that was checked.
pub(crate) fn apply(host: &Host, request: &ControlRerouteRequest) {
    let ControlRerouteRequest { region, to, at_once } = request;
    let is_back = to.is_empty() || to == region;
    if is_back && *at_once {
        host.serving().undo_shift(region);
    } else {
        host.serving().shift(region, Some(to.as_str()).filter(|_| !is_back));
    }
}

/// Checks whether a request can be carried out.
///
/// # Errors
/// FAILED_PRECONDITION if this process has no endpoint for all regions, NOT_FOUND for an unknown
/// region.
pub(crate) async fn check(host: &Host, request: &ControlRerouteRequest) -> Result<(), Status> {
    if host.endpoint_url().await.is_none() {
        return Err(Status::failed_precondition(
            "no endpoint for all regions here: this region is a process of its own",
        ));
    }
    host.hosted(&request.region)?;
    if !request.to.is_empty() {
        host.hosted(&request.to)?;
    }
    Ok(())
}

/// The moves that are going on, and the regions that fail their health checks.
pub(crate) fn reports(host: &Host) -> Vec<RerouteReport> {
    let report = |reroute: Reroute| RerouteReport {
        region: reroute.called,
        moved_to: reroute.moved_to.unwrap_or_default(),
        served_by: reroute.served_by,
        failing: reroute.is_failing,
        followed_in_ms: reroute
            .followed_in
            .map_or(0, |left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
    };
    host.serving().reroutes().into_iter().map(report).collect()
}
