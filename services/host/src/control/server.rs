//! The server of the control protocol for the regions of this process.

use std::{pin::Pin, sync::Arc, time::Duration};

use beringia_proto::v1::{
    ControlArrivals, ControlArrivalsRequest, ControlClockReply, ControlClockRequest, ControlConflict,
    ControlConflictsRequest, ControlDescribeReply, ControlDescribeRequest, ControlDigestsReply, ControlDigestsRequest,
    ControlDiskReply, ControlDiskRequest, ControlDrainReport, ControlDrainRequest, ControlEndLeaseReply,
    ControlEndLeaseRequest, ControlEvidence, ControlEvidenceRequest, ControlExplainReply, ControlExplainRequest,
    ControlFailRegionReply, ControlFailRegionRequest, ControlFlowsReply, ControlFlowsRequest, ControlHoldLeaseReply,
    ControlHoldLeaseRequest, ControlNetworkReply, ControlNetworkRequest, ControlPruneConflictsReply,
    ControlPruneConflictsRequest, ControlRecordRequest, ControlRecorded, ControlRecoverRegionReply,
    ControlRecoverRegionRequest, ControlReplicationReply, ControlReplicationRequest, ControlRerouteReply,
    ControlRerouteRequest, ControlRestoreReply, ControlRestoreRequest, ControlStatusReply, ControlStatusRequest,
    ControlTable, ControlTablesRequest, ControlTrafficReply, ControlTrafficRequest, ControlUndrainReply,
    ControlUndrainRequest, HostedRegion, LinkReport,
    control_clock_request::Action as ClockAction,
    control_disk_request::Action as DiskAction,
    control_recorded::What,
    control_replication_request::Action as ReplicationAction,
    control_server::{Control, ControlServer},
};
use futures_util::{Stream, stream};
use tonic::{Request, Response, Status, Streaming, transport::Server, transport::server::TcpIncoming};

use super::{
    arrival_stream, digests, drain, evidence, explain, journal, links, measure, pauses, prune, record, reports, restore,
};
use crate::{
    host::Host,
    ports::ClientListeners,
    region::{Hosted, RecoveryError},
    reroutes,
};

/// The longest delay of commits that can be injected.
const COMMIT_DELAY_MAX: Duration = Duration::from_secs(60);

/// The control service of a host.
struct Service {
    host: Arc<Host>,
}

impl Service {
    /// The current state of every directed link. Empty if this process does not model the network.
    fn links(&self) -> Vec<LinkReport> {
        let network = self.host.network();
        let show = |network| links::show(network, self.host.estimated());
        network.map(show).unwrap_or_default()
    }
}

/// Serves until the future is dropped.
pub(crate) async fn serve(listeners: ClientListeners, host: Arc<Host>) {
    let incoming = listeners
        .each()
        .map(|listener| TcpIncoming::from(listener).with_nodelay(Some(true)));
    let incoming = stream::select_all(incoming);
    let server = Server::builder().add_service(ControlServer::new(Service { host }));
    if let Err(error) = server.serve_with_incoming(incoming).await {
        tracing::error!(%error, "the control service for all regions of this process ended");
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Control for Service {
    async fn describe(&self, _request: Request<ControlDescribeRequest>) -> Answer<ControlDescribeReply> {
        let mut hosted = Vec::new();
        for region in self.host.regions() {
            hosted.push(HostedRegion {
                name: region.name().to_string(),
                running: region.store().await.is_some(),
                dynamodb: region.dynamodb_url(),
                replication: region.replication_url(),
                throttling: region.behaviour().throttling,
                stale_reads_ms: u64::try_from(region.behaviour().stale_reads.as_millis()).unwrap_or(u64::MAX),
                slow_changes_ms: u64::try_from(region.behaviour().slow_changes.as_millis()).unwrap_or(u64::MAX),
                max_unreachable_ms: region.max_unreachable_ms(),
            });
        }
        Ok(Response::new(ControlDescribeReply {
            topology: self.host.topology().iter().map(ToString::to_string).collect(),
            hosted,
            has_network: self.host.network().is_some(),
            endpoint: self.host.endpoint_url().await.unwrap_or_default(),
        }))
    }

    async fn status(&self, _request: Request<ControlStatusRequest>) -> Answer<ControlStatusReply> {
        let mut regions = Vec::new();
        for region in self.host.regions() {
            regions.push(reports::of(region).await);
        }
        Ok(Response::new(ControlStatusReply {
            regions,
            links: self.links(),
            leases: self.host.leases().reports(),
            reroutes: reroutes::reports(&self.host),
            shift_policy: match self.host.endpoint_url().await {
                Some(_) => self.host.serving().policy().to_string(),
                None => String::new(),
            },
        }))
    }

    async fn digests(&self, request: Request<ControlDigestsRequest>) -> Answer<ControlDigestsReply> {
        let request = request.into_inner();
        // The regions are read concurrently, so that their digests are from about the same time.
        let regions = self.host.regions().iter().map(|region| digests::of(region, request));
        let regions = futures_util::future::try_join_all(regions).await?;
        Ok(Response::new(ControlDigestsReply { regions }))
    }

    type ConflictsStream = Pin<Box<dyn Stream<Item = Result<ControlConflict, Status>> + Send>>;

    async fn conflicts(&self, request: Request<ControlConflictsRequest>) -> Answer<Self::ConflictsStream> {
        let request = request.into_inner();
        Ok(Response::new(Box::pin(
            journal::stream(self.host.clone(), request.table, request.follow).await?,
        )))
    }

    async fn prune_conflicts(
        &self,
        request: Request<ControlPruneConflictsRequest>,
    ) -> Answer<ControlPruneConflictsReply> {
        Ok(Response::new(prune::apply(&self.host, request.into_inner()).await?))
    }

    async fn restore(&self, request: Request<ControlRestoreRequest>) -> Answer<ControlRestoreReply> {
        Ok(Response::new(restore::apply(&self.host, request.into_inner()).await?))
    }

    async fn explain(&self, request: Request<ControlExplainRequest>) -> Answer<ControlExplainReply> {
        let ControlExplainRequest { table, key_json } = request.into_inner();
        let mut regions = Vec::new();
        for region in self.host.regions() {
            regions.push(explain::of(region, &table, &key_json).await?);
        }
        Ok(Response::new(ControlExplainReply { regions }))
    }

    async fn network(&self, request: Request<ControlNetworkRequest>) -> Answer<ControlNetworkReply> {
        let network = self.host.network().ok_or_else(|| {
            Status::failed_precondition(
                "no network model here: this region is a process of its own and the network is the real one",
            )
        })?;
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let action = request
            .into_inner()
            .action
            .ok_or_else(|| Status::invalid_argument("the request has no action"))?;
        match &mut lease {
            Some(changes) => changes.link(network, action.clone())?,
            None => links::apply(network, action.clone())?,
        }
        self.host
            .tap()
            .note(What::Network(ControlNetworkRequest { action: Some(action) }));
        Ok(Response::new(ControlNetworkReply { links: self.links() }))
    }

    async fn replication(&self, request: Request<ControlReplicationRequest>) -> Answer<ControlReplicationReply> {
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let action = request
            .into_inner()
            .action
            .ok_or_else(|| Status::invalid_argument("the request has no action"))?;
        if let Some(changes) = &mut lease {
            changes.replication(&self.host, &action).await;
        }
        pauses::apply(&self.host, action.clone()).await?;
        match action {
            ReplicationAction::Pause(pause) => self.host.tap().note(What::Pause(pause)),
            ReplicationAction::Resume(resume) => self.host.tap().note(What::Resume(resume)),
            ReplicationAction::Show(_) => {}
        }
        Ok(Response::new(ControlReplicationReply {
            paused: pauses::show(&self.host).await,
        }))
    }

    type DrainStream = Pin<Box<dyn Stream<Item = Result<ControlDrainReport, Status>> + Send>>;

    async fn drain(&self, request: Request<ControlDrainRequest>) -> Answer<Self::DrainStream> {
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let request = request.into_inner();
        if let Some(changes) = &mut lease {
            changes.drain(&self.host, &request).await;
        }
        let reports = drain::stream(self.host.clone(), request.region.clone()).await?;
        self.host.tap().note(What::Drain(request));
        Ok(Response::new(Box::pin(reports)))
    }

    async fn undrain(&self, request: Request<ControlUndrainRequest>) -> Answer<ControlUndrainReply> {
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let request = request.into_inner();
        drain::end(&self.host, &request.region).await?;
        if let Some(changes) = &mut lease {
            changes.undrained(&request.region);
        }
        self.host.tap().note(What::Undrain(request));
        Ok(Response::new(ControlUndrainReply {}))
    }

    async fn fail_region(&self, request: Request<ControlFailRegionRequest>) -> Answer<ControlFailRegionReply> {
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let request = request.into_inner();
        let region = self.recoverable(&request.region)?;
        if let Some(changes) = &mut lease {
            changes.kill(&self.host, &request.region).await;
        }
        let backlog = region.fail(request.lose_disk).await.map_err(refused)?;
        self.host.tap().note(What::Fail(request));
        let unacknowledged = backlog.map(|backlog| measure::lost_with(region.name(), &backlog));
        Ok(Response::new(ControlFailRegionReply { unacknowledged }))
    }

    async fn recover_region(&self, request: Request<ControlRecoverRegionRequest>) -> Answer<ControlRecoverRegionReply> {
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let request = request.into_inner();
        self.recoverable(&request.region)?.recover().await.map_err(refused)?;
        if let Some(changes) = &mut lease {
            changes.recovered(&request.region);
        }
        self.host.tap().note(What::Recover(request));
        Ok(Response::new(ControlRecoverRegionReply {}))
    }

    async fn flows(&self, _request: Request<ControlFlowsRequest>) -> Answer<ControlFlowsReply> {
        let flows = measure::flows(&self.host).await;
        let unacknowledged = measure::unacknowledged(&self.host).await;
        Ok(Response::new(ControlFlowsReply { flows, unacknowledged }))
    }

    async fn traffic(&self, _request: Request<ControlTrafficRequest>) -> Answer<ControlTrafficReply> {
        let traffic = self.host.tap().traffic().reports();
        let rerouted = self.host.tap().traffic().rerouted_reports();
        Ok(Response::new(ControlTrafficReply { traffic, rerouted }))
    }

    async fn reroute(&self, request: Request<ControlRerouteRequest>) -> Answer<ControlRerouteReply> {
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let request = request.into_inner();
        reroutes::check(&self.host, &request).await?;
        if let Some(changes) = &mut lease {
            changes.rerouted(&self.host, &request);
        }
        reroutes::apply(&self.host, &request);
        Ok(Response::new(ControlRerouteReply {}))
    }

    type ArrivalsStream = Pin<Box<dyn Stream<Item = Result<ControlArrivals, Status>> + Send>>;

    async fn arrivals(&self, requests: Request<Streaming<ControlArrivalsRequest>>) -> Answer<Self::ArrivalsStream> {
        let reported = arrival_stream::stream(
            self.host.tap().listen(),
            Arc::clone(self.host.tap().commit_times()),
            requests.into_inner(),
        );
        Ok(Response::new(Box::pin(reported)))
    }

    async fn clock(&self, request: Request<ControlClockRequest>) -> Answer<ControlClockReply> {
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let ControlClockRequest { region, action } = request.into_inner();
        let clock = self.host.hosted(&region)?.clock();
        let action = action.ok_or_else(|| Status::invalid_argument("the request has no action"))?;
        if let Some(changes) = &mut lease {
            changes.clock(&region, matches!(action, ClockAction::Correct(_)));
        }
        match action {
            ClockAction::StepMs(by_ms) => clock.step(by_ms),
            ClockAction::DriftPpm(ppm) => clock.set_drift(ppm),
            ClockAction::Correct(_) => clock.correct(),
        }
        let ahead_ms = clock.ahead_ms();
        Ok(Response::new(ControlClockReply { ahead_ms }))
    }

    async fn disk(&self, request: Request<ControlDiskRequest>) -> Answer<ControlDiskReply> {
        let mut lease = self.host.leases().under(request.metadata()).await?;
        let ControlDiskRequest { region, action } = request.into_inner();
        let disk = self.host.hosted(&region)?.disk_faults();
        if let Some(changes) = &mut lease {
            changes.disk(&region);
        }
        match action.ok_or_else(|| Status::invalid_argument("the request has no action"))? {
            DiskAction::SlowerUs(us) => disk.set_commit_delay(Duration::from_micros(us).min(COMMIT_DELAY_MAX)),
            DiskAction::Full(full) => disk.set_full(full),
        }
        Ok(Response::new(ControlDiskReply {}))
    }

    async fn hold_lease(&self, request: Request<ControlHoldLeaseRequest>) -> Answer<ControlHoldLeaseReply> {
        self.host.leases().hold(&self.host, request.into_inner())?;
        Ok(Response::new(ControlHoldLeaseReply {}))
    }

    async fn end_lease(&self, request: Request<ControlEndLeaseRequest>) -> Answer<ControlEndLeaseReply> {
        self.host.leases().end(&request.into_inner().lease);
        Ok(Response::new(ControlEndLeaseReply {}))
    }

    type EvidenceStream = Pin<Box<dyn Stream<Item = Result<ControlEvidence, Status>> + Send>>;

    async fn evidence(&self, request: Request<ControlEvidenceRequest>) -> Answer<Self::EvidenceStream> {
        let evidence = evidence::stream(self.host.clone(), request.into_inner());
        Ok(Response::new(Box::pin(evidence)))
    }

    type RecordStream = Pin<Box<dyn Stream<Item = Result<ControlRecorded, Status>> + Send>>;

    async fn record(&self, _request: Request<ControlRecordRequest>) -> Answer<Self::RecordStream> {
        Ok(Response::new(Box::pin(record::events(&self.host))))
    }

    type TablesStream = Pin<Box<dyn Stream<Item = Result<ControlTable, Status>> + Send>>;

    async fn tables(&self, request: Request<ControlTablesRequest>) -> Answer<Self::TablesStream> {
        let tables = record::tables(self.host.clone(), request.into_inner().items_max);
        Ok(Response::new(Box::pin(tables.await)))
    }
}

impl Service {
    /// The region, if it can be failed and recovered by this process.
    fn recoverable(&self, name: &str) -> Result<&Hosted, Status> {
        let region = self.host.hosted(name)?;
        if self.host.network().is_none() {
            return Err(Status::failed_precondition(format!(
                "{name} is a process of its own: end that process (kill -9) and start it again"
            )));
        }
        Ok(region)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn refused(error: RecoveryError) -> Status {
    match error {
        RecoveryError::Down(_) | RecoveryError::Running(_) => Status::failed_precondition(error.to_string()),
        RecoveryError::Unrecoverable { .. } | RecoveryError::DiskKept { .. } => Status::internal(error.to_string()),
    }
}
