//! The regions that this process runs, from start to shutdown.

use std::sync::Arc;

use beringia_endpoint::Regions;
use beringia_item::Region;
use beringia_network::Network;
use futures_util::future::{join_all, try_join_all};
use tokio::sync::Mutex;
use tonic::Status;

use crate::{
    control::links::EstimatedDelays, endpoint::Endpoint, error::StartError, leases::Leases, ports::ClientListeners,
    region::Hosted, tap::Tap,
};

/// The regions that this process runs.
pub(crate) struct Host {
    /// All regions of the topology, in its order.
    topology: Vec<Region>,
    /// The regions of this process, in the same order.
    regions: Vec<Hosted>,
    /// The model of the links between the regions, if all regions of the topology are in this
    /// process.
    network: Option<Network>,
    /// The delays of links that the topology estimates.
    estimated: EstimatedDelays,
    /// The regions that answer on the endpoint for all of them; each region maintains its own
    /// entry.
    serving: Arc<Regions>,
    /// Passes on what regions apply and what clients do.
    tap: Tap,
    /// The endpoint for all regions, while it is serving.
    endpoint: Mutex<Option<Endpoint>>,
    /// What was changed under leases, such as those of drills.
    leases: Leases,
}

impl Host {
    pub(crate) fn new(
        topology: Vec<Region>,
        regions: Vec<Hosted>,
        network: Option<Network>,
        estimated: EstimatedDelays,
        serving: Arc<Regions>,
        tap: Tap,
        leases: Leases,
    ) -> Self {
        Self {
            tap,
            topology,
            regions,
            network,
            estimated,
            serving,
            endpoint: Mutex::new(None),
            leases,
        }
    }

    /// All regions of the topology, in its order.
    pub(crate) fn topology(&self) -> &[Region] {
        &self.topology
    }

    /// The regions of this process, in the order of the topology.
    pub(crate) fn regions(&self) -> &[Hosted] {
        &self.regions
    }

    /// The region with that name, if it is one of this process.
    pub(crate) fn region(&self, name: &str) -> Option<&Hosted> {
        self.regions.iter().find(|region| region.name().as_str() == name)
    }

    /// The tap that passes on what regions apply and what clients do.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// The leases of this process.
    pub(crate) fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The region with that name.
    ///
    /// # Errors
    /// NOT_FOUND if it is not a region of this process; the message names those that are.
    pub(crate) fn hosted(&self, name: &str) -> Result<&Hosted, Status> {
        self.region(name).ok_or_else(|| {
            let known: Vec<&str> = self.regions.iter().map(|region| region.name().as_str()).collect();
            Status::not_found(format!(
                "no region `{name}` in this process, whose regions are {}",
                known.join(", ")
            ))
        })
    }

    /// The model of the links, if this process has one.
    pub(crate) fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// Whether this process has all regions of the topology, and starts those that fail again. A
    /// region that is a process of its own ends with the process instead.
    pub(crate) fn restarts_regions(&self) -> bool {
        self.network.is_some()
    }

    /// The delays of links that the topology estimates.
    pub(crate) fn estimated(&self) -> &EstimatedDelays {
        &self.estimated
    }

    /// The regions that answer on the endpoint for all of them, and where clients were moved.
    pub(crate) fn serving(&self) -> &Regions {
        &self.serving
    }

    /// URL of the endpoint for all regions. `None` while it does not serve.
    pub(crate) async fn endpoint_url(&self) -> Option<String> {
        self.endpoint
            .lock()
            .await
            .as_ref()
            .map(|endpoint| endpoint.url().to_owned())
    }

    /// Starts every region, and the endpoint for all of them if there are listeners for it.
    pub(crate) async fn start(&self, endpoint: Option<ClientListeners>) -> Result<(), StartError> {
        try_join_all(self.regions.iter().map(Hosted::start)).await?;
        if let Some(listeners) = endpoint {
            *self.endpoint.lock().await = Some(Endpoint::start(listeners, self.serving.clone(), self.tap.clone())?);
        }
        Ok(())
    }

    /// Stops every region cleanly. The endpoint for all of them stops first, so that no request is
    /// sent to a stopped region.
    pub(crate) async fn shutdown(&self) {
        let endpoint = self.endpoint.lock().await.take();
        if let Some(endpoint) = endpoint {
            endpoint.shutdown().await;
        }
        join_all(self.regions.iter().map(Hosted::shutdown)).await;
    }
}
