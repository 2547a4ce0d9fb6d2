//! The regions that this process runs: how they are prepared, started, failed, recovered and shut down.

use std::sync::Arc;

use beringia_endpoint::Regions;
use beringia_item::Region;
use beringia_network::Network;
use futures_util::future::{join_all, try_join_all};
use tokio::{net::TcpListener, sync::Mutex};
use tonic::Status;

use crate::{endpoint::Endpoint, error::StartError, region::Hosted, tap::Tap};

/// The regions that this process runs.
pub(crate) struct Host {
    /// Every region of the topology, in its order.
    topology: Vec<Region>,
    /// Those of this process, in the same order.
    regions: Vec<Hosted>,
    /// The model of the links between them, where all regions of the topology are here.
    network: Option<Network>,
    /// Which regions answer on the endpoint for all of them; each region keeps its own entry.
    serving: Arc<Regions>,
    /// What all regions apply of each other's writes.
    tap: Tap,
    /// The endpoint for all regions, while it serves.
    endpoint: Mutex<Option<Endpoint>>,
}

impl Host {
    pub(crate) fn new(
        topology: Vec<Region>,
        regions: Vec<Hosted>,
        network: Option<Network>,
        serving: Arc<Regions>,
        tap: Tap,
    ) -> Self {
        Self {
            tap,
            topology,
            regions,
            network,
            serving,
            endpoint: Mutex::new(None),
        }
    }

    /// Every region of the topology.
    pub(crate) fn topology(&self) -> &[Region] {
        &self.topology
    }

    /// The regions of this process.
    pub(crate) fn regions(&self) -> &[Hosted] {
        &self.regions
    }

    /// The region of that name, where it is one of this process.
    pub(crate) fn region(&self, name: &str) -> Option<&Hosted> {
        self.regions.iter().find(|region| region.name().as_str() == name)
    }

    /// What all regions apply of each other's writes.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// The region of that name.
    ///
    /// # Errors
    /// NOT_FOUND where it is none of this process, naming those that are.
    pub(crate) fn hosted(&self, name: &str) -> Result<&Hosted, Status> {
        self.region(name).ok_or_else(|| {
            let known: Vec<&str> = self.regions.iter().map(|region| region.name().as_str()).collect();
            Status::not_found(format!("no region `{name}` here: there are {}", known.join(", ")))
        })
    }

    /// The model of the links.
    pub(crate) fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// Starts every region, and the endpoint for all of them where there is a listener for it.
    pub(crate) async fn start(&self, endpoint: Option<TcpListener>) -> Result<(), StartError> {
        try_join_all(self.regions.iter().map(Hosted::start)).await?;
        if let Some(listener) = endpoint {
            *self.endpoint.lock().await = Some(Endpoint::start(listener, self.serving.clone()));
        }
        Ok(())
    }

    /// Ends every region cleanly; the endpoint for all of them first, so that nobody is sent to a region that is gone.
    pub(crate) async fn shutdown(&self) {
        let endpoint = self.endpoint.lock().await.take();
        if let Some(endpoint) = endpoint {
            endpoint.shutdown().await;
        }
        join_all(self.regions.iter().map(Hosted::shutdown)).await;
    }
}
