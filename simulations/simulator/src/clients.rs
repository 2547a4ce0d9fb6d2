//! The network between regions and their clients.
//!
//! Clients are near their region, a millisecond away: time enough for a region to crash with a write committed and its answer on
//! the way.

use std::{sync::Arc, time::Duration};

use beringia_clock::SeededRandomness;
use beringia_network::{Direction, MemoryTransport, Network};
use beringia_regions::Topology;
use beringia_workload::{Target, Targets};

use crate::{SimulationError, Trace, client::Client};

/// Where clients are.
pub(crate) const CLIENTS: &str = "clients";
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
}

impl Targets for Clients {
    fn target(&self, region: &str) -> Box<dyn Target> {
        Box::new(Client::new(region, self.0.clone()))
    }
}
