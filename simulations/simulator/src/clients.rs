//! The network between regions and their clients.
//!
//! Clients are near their region, a millisecond away: time enough for a region to crash with a write committed and its answer on
//! the way.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use beringia_clock::SeededRandomness;
use beringia_network::{Direction, MemoryTransport, Network, Shaped};
use beringia_regions::Topology;
use beringia_workload::{Dial, HttpTargets};
use tokio::io::DuplexStream;

use crate::{SimulationError, Trace};

/// Where clients are.
const CLIENTS: &str = "clients";
/// One way between a region and its clients.
const CLIENT_DELAY: Duration = Duration::from_millis(1);

/// Every region's nearby clients. Clones are the same.
#[derive(Clone)]
pub struct Clients(MemoryTransport);

impl Clients {
    /// A network in which every region is near its clients, and nobody else is connected.
    pub(crate) fn new(
        topology: &Topology,
        randomness: &SeededRandomness,
        trace: &Arc<Trace>,
    ) -> Result<Self, SimulationError> {
        let network = Network::new(topology.names().chain([CLIENTS]), &randomness.derive("client network"));
        network.set_tap(trace.clone());
        for name in topology.names() {
            network.delay(CLIENTS, name, Direction::Both, CLIENT_DELAY, Duration::ZERO)?;
        }
        Ok(Self(MemoryTransport::new(network)))
    }

    pub(crate) const fn transport(&self) -> &MemoryTransport {
        &self.0
    }

    /// Clients that call regions through this network.
    #[must_use]
    pub fn targets(&self) -> HttpTargets<Self> {
        HttpTargets::new(self.clone())
    }
}

#[async_trait]
impl Dial for Clients {
    type Stream = Shaped<DuplexStream>;

    async fn dial(&self, region: &str) -> io::Result<Self::Stream> {
        self.0.dial(CLIENTS, region).await
    }
}
